//! `expect_close`: the server closes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

/// Awaits that the server closes the connection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectClose {
    /// Which connection.
    pub conn: Text,
    /// A pattern for the WebSocket close code, as `1008` or `{"$in": [1001, 1006]}`. A connection that ended without a close frame has 1006.
    pub code: Option<Template>,
    /// A pattern for the last frame before.
    pub last: Option<Template>,
    /// Waits so many milliseconds longer than the usual deadline.
    pub patience_ms: Option<Number>,
}
