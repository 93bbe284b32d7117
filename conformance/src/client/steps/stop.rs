//! `stop`: the client closed in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::cx::Cx;
use crate::drive;
use crate::scenario::Text;

/// Closes the client in order; its program ends and its store is free.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Stop {
    /// Which.
    pub client: Text,
}

impl Stop {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), drive::Stop> {
        let client = cx.text(&self.client)?;
        cx.done(&client, "close", json!({})).await?;
        let process = cx.release(&client)?;
        let left = tokio::time::timeout(cx.deadline, process.leave()).await;
        left.map_err(|_| {
            drive::Stop::Unknown(format!("the program of {client} does not end after close"))
        })
    }
}
