//! `stop_reading`: a reader that does not keep up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::history::ConnIx;
use crate::scenario::Text;

/// Stops taking anything from the connection's socket, WebSocket pings included, until `start_reading`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StopReading {
    /// Which connection.
    pub conn: Text,
}

impl StopReading {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        read(cx, cx.conn(&self.conn)?, false)
    }
}

pub(super) fn read(cx: &Cx, conn: ConnIx, on: bool) -> Result<(), Stop> {
    cx.link(conn)?.read(on);
    // The server may give up on a reader that does not keep up.
    cx.with(|state| {
        state.looked[conn].paused = !on;
        state.let_end(conn);
    });
    Ok(())
}
