//! `bind`: a name for a value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Template;

/// Binds names to values. For a long value that is used more than once, or one that must not change when its source does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bind {
    /// The names with their values.
    pub values: BTreeMap<String, Template>,
}
