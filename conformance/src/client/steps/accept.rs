//! `accept`: the WebSocket alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::client::socket::Socket;
use crate::drive::Stop;
use crate::history::ConnIx;
use crate::scenario::Text;

/// Lets a client in that connects: answers its WebSocket handshake, and nothing more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Accept {
    /// Which.
    pub client: Text,
    /// A name for the connection.
    pub conn: Text,
}

impl Accept {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        accept(cx, &cx.text(&self.client)?, &cx.text(&self.conn)?)
            .await
            .map(drop)
    }
}

/// Awaits that a client connects, and lets it in.
pub(super) async fn accept(cx: &Cx, client: &str, name: &str) -> Result<ConnIx, Stop> {
    let listener = cx.listener(client)?;
    let accepting = async {
        loop {
            let stream = listener.next().await?;
            // One that has given up meanwhile is no failure: it comes again.
            if let Some(socket) = Socket::accept(stream, &cx.journal, client, name).await {
                return Some(cx.adopt(socket));
            }
        }
    };
    match tokio::time::timeout(cx.deadline, accepting).await {
        Ok(Some(conn)) => Ok(conn),
        _ => {
            // Whether it is alive makes the difference between a failure and nothing known.
            let wanted = format!("{client} connects");
            cx.until(client, None, &wanted, |_| None).await
        }
    }
}
