//! `replay`: an old connection's frames once more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::history::{Event, Frame};
use crate::scenario::Text;

/// Opens a connection and sends on it every frame that was sent on another, unchanged and without waiting for anything: its `hello`, its `subscribe`s, its
/// pushes. A copy of a client's traffic is not a new wish of the client's: nothing may be applied again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Replay {
    /// The new connection's name.
    pub conn: Text,
    /// The connection whose frames to send, open or not.
    pub of: Text,
}

impl Replay {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let of = cx.conn(&self.of)?;
        let (frames, session) = cx.with(|state| {
            let sent = |event: &Event| match event {
                Event::Sent { conn, frame, .. } if *conn == of => Some(Frame::clone(frame)),
                _ => None,
            };
            let frames: Vec<Frame> = state
                .facts
                .entries
                .iter()
                .filter_map(|entry| sent(&entry.event))
                .collect();
            (frames, state.facts.conns[of].hello.clone())
        });
        if let Some((workspace, client)) =
            session.and_then(|hello| Some((hello.workspace, hello.client?)))
        {
            cx.with(|state| state.may_replace(&workspace, &client));
        }
        let offered = [syncline_schemas::SUBPROTOCOL.to_owned()];
        let opened = cx.open(&cx.text(&self.conn)?, &offered).await;
        let replayed = async {
            let conn = opened?;
            // The client itself may come again and replace it.
            cx.with(|state| state.let_end(conn));
            for frame in frames {
                cx.send(conn, frame, 1, false, None).await?;
            }
            Ok(())
        };
        match replayed.await {
            Err(Stop::Lost(_)) => Ok(()),
            other => other,
        }
    }
}
