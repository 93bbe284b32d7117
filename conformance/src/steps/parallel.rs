//! `parallel`: several things at once.

use futures_util::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Step, run_all};
use crate::drive::{Cx, Stop};

/// Runs branches of steps side by side, and goes on when all are done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parallel {
    /// The branches, each a list of steps. Two branches must not use one connection.
    pub branches: Vec<Vec<Step>>,
}

impl Parallel {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let contexts: Vec<Cx> = (0..self.branches.len())
            .map(|index| cx.at(&format!("branches/{index}")))
            .collect();
        try_join_all(
            contexts
                .iter()
                .zip(&self.branches)
                .map(|(cx, steps)| run_all(cx, steps)),
        )
        .await
        .map(drop)
    }
}
