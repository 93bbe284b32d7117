//! `repeat`: the same again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Number;

use super::Step;
use super::push_many::counter;

/// Runs steps several times. Names may have the counter in them, as `"conn": "c${i}"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Repeat {
    /// How often.
    pub times: Number,
    /// The variable that counts, from 0. Without it: `i`.
    #[serde(default = "counter")]
    pub var: String,
    /// What to repeat.
    pub steps: Vec<Step>,
}
