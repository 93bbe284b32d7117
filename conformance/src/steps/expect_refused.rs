//! `expect_refused`: a handshake that must fail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Template, Text};

/// Tries to open a WebSocket connection; the server must refuse the handshake.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectRefused {
    /// The subprotocols offered; may be empty.
    pub subprotocols: Vec<Text>,
    /// A pattern for the HTTP status. Without it: 400.
    pub status: Option<Template>,
}
