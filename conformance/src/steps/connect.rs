//! `connect`: a WebSocket and a session on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::scenario::{Number, Template, Text};

/// Opens a connection, says `hello` and awaits `welcome`. Binds the connection's name to the welcome's members: `${a.epoch}`, `${a.version}`,
/// `${a.lastSeq}`, `${a.results}`, `${a.session}`, `${a.limits.keyBytesMax}`, ...
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Connect {
    /// The connection's name from here on. A name may be used again once its connection is closed.
    pub conn: Text,
    /// The `clientId`, as in `"${alice}"`. Without it the session only reads.
    pub client: Option<Text>,
    /// Without it: `${workspace}`, the scenario's own.
    pub workspace: Option<Text>,
    /// Without it: up to where this client has learnt its outcomes in this scenario, as a real client would say.
    pub acked_seq: Option<Number>,
    /// What the client says that it understands. Without it the member is not sent.
    pub capabilities: Option<Vec<Text>>,
    /// A pattern that the `welcome` must match.
    pub expect: Option<Template>,
}

impl Connect {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let session = super::hello::session(
            cx,
            self.client.as_ref(),
            self.workspace.as_ref(),
            self.acked_seq.as_ref(),
            self.capabilities.as_deref(),
        )?;
        let (conn, welcome) = cx.connect(&cx.text(&self.conn)?, &session).await?;
        super::hello::check(cx, conn, self.expect.as_ref(), &welcome)
    }
}
