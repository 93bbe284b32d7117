//! `sync`: a fence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Sends `ping` and awaits its `pong`: everything sent before on this connection is then answered, and the connection lives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sync {
    /// Which connection.
    pub conn: Text,
}

impl Sync {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        cx.fence(cx.conn(&self.conn)?).await
    }
}
