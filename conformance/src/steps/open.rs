//! `open`: a WebSocket, and nothing yet on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Opens a WebSocket connection and sends nothing. Fails unless the server selects `syncline.v1`. For what must happen before or instead of a
/// `hello`; otherwise use `connect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Open {
    /// The connection's name from here on. A name may be used again once its connection is closed.
    pub conn: Text,
    /// The subprotocols offered, in order. Without it: `["syncline.v1"]`.
    #[serde(default = "syncline")]
    pub subprotocols: Vec<Text>,
}

impl Open {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let subprotocols = self
            .subprotocols
            .iter()
            .map(|name| cx.text(name))
            .collect::<Result<Vec<_>, _>>()?;
        cx.open(&cx.text(&self.conn)?, &subprotocols)
            .await
            .map(drop)
    }
}

pub(crate) fn syncline() -> Vec<Text> {
    vec![Text(syncline_schemas::SUBPROTOCOL.to_owned())]
}
