//! `start_reading`: it keeps up again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Goes on reading after `stop_reading`. The server may have closed the connection meanwhile: see `expect_close`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartReading {
    /// Which connection.
    pub conn: Text,
}

impl StartReading {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        super::stop_reading::read(cx, cx.conn(&self.conn)?, true)
    }
}
