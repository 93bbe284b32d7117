//! `parallel`: several things at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Step;

/// Runs branches of steps side by side, and goes on when all are done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parallel {
    /// The branches, each a list of steps. Two branches must not use one connection.
    pub branches: Vec<Vec<Step>>,
}
