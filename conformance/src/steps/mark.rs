//! `mark`: from here on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Text;

/// Makes sure that all sent before is answered (`sync`), and lets later `expect` and `expect_none` look only at what comes after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mark {
    /// Which connection.
    pub conn: Text,
}
