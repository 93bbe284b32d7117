//! `repeat`: the same again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::push_many::counter;
use super::{Step, run_all};
use crate::drive::{Cx, Stop};
use crate::scenario::Number;
use crate::vars::{COUNT_MAX, bounded};

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

impl Repeat {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let times = bounded("a repetition", cx.number(&self.times)?, COUNT_MAX)?;
        for turn in 0..times as u64 {
            run_all(&cx.at("steps").turn(&self.var, turn), &self.steps).await?;
        }
        Ok(())
    }
}
