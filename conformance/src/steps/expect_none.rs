//! `expect_none`: a frame that must not come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

/// Makes sure that all sent before is answered (`sync`), and fails if any frame since the last `expect`, `expect_error` or `mark` of this
/// connection matches, awaited by other steps or not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectNone {
    /// Whose frames.
    pub conn: Text,
    /// The pattern that none may match.
    pub frame: Template,
}
