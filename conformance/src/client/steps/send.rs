//! `send`: what the server says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::client::world::is_outcome;
use crate::drive::Stop;
use crate::history::{Frame, whole};
use crate::scenario::{Template, Text};

/// Sends a frame as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Send {
    /// Where.
    pub conn: Text,
    /// The frame; one of a type that servers send must be valid.
    pub frame: Option<Template>,
    /// Instead: this text, whatever it is.
    pub text: Option<Text>,
    /// Instead: a binary frame of these UTF-8 bytes.
    pub binary: Option<Text>,
}

impl Send {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (conn, _) = cx.conn(&self.conn)?;
        let socket = cx.socket(conn)?;
        let raw = match (&self.text, &self.binary) {
            (Some(text), _) => Some(Frame::text(cx.text(text)?)),
            (_, Some(binary)) => Some(Frame::binary(cx.text(binary)?.into_bytes())),
            _ => None,
        };
        if let Some(frame) = raw {
            socket.send(frame, false).await;
            return Ok(());
        }
        let template = self
            .frame
            .as_ref()
            .ok_or_else(|| Stop::misuse("send needs a frame, a text or binary"))?;
        let frame = cx.value(&template.0)?;
        cx.with(|state| {
            let client = state.conns[conn].client_id.clone();
            let results = frame["results"].as_array().into_iter().flatten();
            results
                .filter(|result| is_outcome(result))
                .for_each(|result| state.world.decided(&client, result));
            state.world.head = state.world.head.max(whole(&frame["to"]).unwrap_or(0));
        });
        cx.say(conn, &frame).await.map(drop)
    }
}
