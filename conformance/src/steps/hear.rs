//! `hear`: a sign of life.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, State, Stop};
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

impl Hear {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let before = cx.with(|state| state.facts.conns[conn].heard_at);
        let patience = cx.patience(self.patience_ms.as_ref())?;
        let wanted = "a frame or a WebSocket ping from the server";
        // A ping of the runner's own would be answered, and be taken for what is awaited: no probe here.
        let mut heard = |state: &mut State| {
            state.facts.conns[conn]
                .heard_at
                .filter(|at| before.is_none_or(|before| *at > before))
                .map(Ok)
        };
        match cx
            .poll(Some(conn), wanted, cx.deadline + patience, &mut heard)
            .await?
        {
            Some(_) => Ok(()),
            None => {
                cx.fence(conn).await?;
                Err(Stop::fail(
                    wanted,
                    "the connection was silent, though it answers a ping",
                ))
            }
        }
    }
}
