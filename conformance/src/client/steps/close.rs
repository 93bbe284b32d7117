//! `close`: a connection that the server ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::Text;

/// Closes the connection with a WebSocket close frame.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Close {
    /// Which.
    pub conn: Text,
    /// The close code.
    #[serde(default = "going_away")]
    pub code: u16,
}

impl Close {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        cx.socket(conn)?.close(self.code).await;
        Ok(())
    }
}

fn going_away() -> u16 {
    1001
}
