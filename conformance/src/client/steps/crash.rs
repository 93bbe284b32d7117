//! `crash`: the client killed where it stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Text;

/// Kills the client's program, whatever it is doing. What it was told to do last may be done or not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Crash {
    /// Which.
    pub client: Text,
}

impl Crash {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        cx.release(&client)?.kill().await;
        Ok(())
    }
}
