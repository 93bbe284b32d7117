//! `expect`: one frame that must come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::cx::Cx;
use crate::client::journal::State;
use crate::drive::Stop;
use crate::history::ConnIx;
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};

/// Awaits a frame of the connection that matches, and that no step has taken before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// Whose frames.
    pub conn: Text,
    /// The pattern of the frame.
    pub frame: Template,
    /// A name for the frame; it also has `re`, its number on the connection.
    pub r#as: Option<Text>,
}

impl Expect {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        let (at, mut frame) = take(cx, conn, &cx.pattern(&self.frame)?).await?;
        frame["re"] = cx.with(|state| ordinal(state, conn, at)).into();
        cx.bind(self.r#as.as_ref(), frame)
    }
}

/// Awaits a frame that matches and that no step has taken, and takes it: its entry and its JSON.
pub(super) async fn take(cx: &Cx, conn: ConnIx, pattern: &Value) -> Result<(usize, Value), Stop> {
    let client = cx.with(|state| state.conns[conn].client.clone());
    let wanted = format!("{client} sends a frame like {}", short(pattern));
    cx.until(&client, Some(conn), &wanted, |state| {
        let at = untaken(state, conn, pattern)?;
        state.conns[conn].taken.insert(at);
        Some(Ok((at, state.json(at)?.clone())))
    })
    .await
}

/// The first frame of a connection that matches and that no step has taken.
pub(super) fn untaken(state: &mut State, conn: ConnIx, pattern: &Value) -> Option<usize> {
    let session = &state.conns[conn];
    let received = session.received.iter().copied();
    let open: Vec<usize> = received.filter(|at| !session.taken.contains(at)).collect();
    open.into_iter().find(|at| {
        let frame = state.json(*at).cloned();
        state
            .matches(pattern, frame.as_ref(), Others::Allowed)
            .is_ok()
    })
}

/// The number of a frame on its connection: what `re` says.
pub(super) fn ordinal(state: &State, conn: ConnIx, at: usize) -> u64 {
    state.conns[conn]
        .received
        .partition_point(|other| *other <= at) as u64
}
