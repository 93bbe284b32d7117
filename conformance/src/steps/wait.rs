//! `wait`: time that must pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::wait::patience;
use crate::drive::{Cx, Stop};
use crate::scenario::Number;

/// Lets time pass. Only where time itself is what is judged (`limits.idleTimeoutMs`), never to wait for something to happen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Wait {
    /// How many milliseconds.
    pub ms: Number,
}

impl Wait {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        tokio::time::sleep(patience(cx.number(&self.ms)?)?).await;
        Ok(())
    }
}
