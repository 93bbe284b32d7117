//! `hear`: a sign of life.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Text};

/// Awaits anything new from the server on this connection: a frame or a WebSocket ping.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hear {
    /// Which connection.
    pub conn: Text,
    /// Waits so many milliseconds longer than the usual deadline, as `"${a.limits.heartbeatMs}"`.
    pub patience_ms: Option<Number>,
}
