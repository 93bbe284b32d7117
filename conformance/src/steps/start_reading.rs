//! `start_reading`: it keeps up again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Text;

/// Goes on reading after `stop_reading`. The server may have closed the connection meanwhile: see `expect_close`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartReading {
    /// Which connection.
    pub conn: Text,
}
