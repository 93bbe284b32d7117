//! `stop_reading`: a reader that does not keep up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Text;

/// Stops taking anything from the connection's socket, WebSocket pings included, until `start_reading`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StopReading {
    /// Which connection.
    pub conn: Text,
}
