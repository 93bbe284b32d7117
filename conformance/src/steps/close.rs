//! `close`: the client leaves in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Sends a WebSocket close frame and leaves, without waiting for the answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Close {
    /// Which connection.
    pub conn: Text,
}

impl Close {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        cx.link(cx.conn(&self.conn)?)?.close().await;
        Ok(())
    }
}
