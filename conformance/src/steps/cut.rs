//! `cut`: the network fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Breaks the TCP connection off, without a close frame. What was sent may or may not have reached the server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cut {
    /// Which connection.
    pub conn: Text,
}

impl Cut {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        if cx.with(|state| state.is_open(conn)) {
            cx.link(conn)?.cut().await;
        }
        Ok(())
    }
}
