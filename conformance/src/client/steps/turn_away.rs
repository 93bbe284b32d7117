//! `turn_away`: a server that cannot be reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::{Event, Happening};
use crate::scenario::Text;

/// Awaits that a client connects, and breaks the connection off before it is a WebSocket.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TurnAway {
    /// Which.
    pub client: Text,
}

impl TurnAway {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        turn_away(cx, &client).await
    }
}

/// Awaits that a client connects, and breaks the connection off.
pub(super) async fn turn_away(cx: &Cx, client: &str) -> Result<(), Stop> {
    let listener = cx.listener(client)?;
    let Ok(stream) = tokio::time::timeout(cx.deadline, listener.next()).await else {
        return cx
            .until(client, None, &format!("{client} connects"), |_| None)
            .await;
    };
    // Written down first: what the client does then comes after.
    let what = Happening::TurnedAway;
    cx.journal.record(Event::Process {
        client: client.to_owned(),
        what,
    });
    drop(stream);
    Ok(())
}
