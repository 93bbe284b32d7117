//! `repeat`: the same again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Step, run_all};
use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Number;

/// Runs steps several times. Names may have the counter in them, as `"conn": "c${i}"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Repeat {
    /// How often.
    pub times: Number,
    /// The variable that counts, from 0.
    #[serde(default = "counter")]
    pub var: String,
    /// What to repeat.
    pub steps: Vec<Step>,
}

impl Repeat {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        for turn in 0..cx.number(&self.times)? {
            run_all(&cx.at("steps").turn(&self.var, turn), &self.steps).await?;
        }
        Ok(())
    }
}

fn counter() -> String {
    "i".to_owned()
}
