//! `send`: any frame at all, right or wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::drive::{Cx, Stop};
use crate::history::{Body, Frame};
use crate::scenario::{Number, Template, Text};
use crate::vars::{BYTES_MAX, Bound, bounded};

/// Sends one frame as it stands and awaits nothing. Exactly one of `frame`, `text` and `binary`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Send {
    /// Where to send it.
    pub conn: Text,
    /// A text frame: this JSON.
    pub frame: Option<Template>,
    /// A text frame: this text, JSON or not (a string, or a generator of one).
    pub text: Option<Template>,
    /// A binary frame: the UTF-8 bytes of this text (a string, or a generator of one).
    pub binary: Option<Template>,
    /// Pads a text frame with blanks at its end to exactly so many bytes. Fails if it is longer already.
    pub pad_to: Option<Number>,
    /// Sends the message in so many WebSocket fragments.
    pub fragments: Option<Number>,
    /// true: the last fragment is never sent, so that no frame arrives. What breaks off in the middle of a message; `cut` comes next.
    #[serde(default)]
    pub unfinished: bool,
    /// Binds `${name.re}`: the frame's number on its connection.
    pub r#as: Option<Text>,
}

impl Send {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let mut frame = self.made(cx)?;
        if let (Some(to), Body::Text(text)) = (&self.pad_to, &frame.body) {
            let to = bounded("a frame", cx.number(to)?, BYTES_MAX)?;
            let blanks = to
                .checked_sub(text.len())
                .ok_or_else(|| Stop::misuse(format!("the frame is longer than {to} bytes")))?;
            frame = Frame::text(format!("{text}{}", " ".repeat(blanks)));
        }
        let fragments = self
            .fragments
            .as_ref()
            .map_or(Ok(1), |fragments| cx.number(fragments))?;
        if self.unfinished {
            cx.link(conn)?.begin(&frame, fragments as usize).await;
            return Ok(());
        }
        let spoken = cx
            .send(conn, frame, fragments as usize, false, None)
            .await?;
        if let Some(name) = &self.r#as {
            let name = cx.text(name)?;
            cx.with(|state| {
                state
                    .vars
                    .bind(&name, Bound::Value(json!({ "re": spoken.ordinal })))
            });
        }
        Ok(())
    }

    fn made(&self, cx: &Cx) -> Result<Frame, Stop> {
        match (&self.frame, &self.text, &self.binary) {
            (Some(frame), _, _) => Ok(Frame::text(cx.value(&frame.0)?.to_string())),
            (_, Some(text), _) => Ok(Frame::text(cx.string(&text.0)?)),
            (_, _, Some(binary)) => Ok(Frame::binary(cx.string(&binary.0)?.into_bytes())),
            _ => Err(Stop::misuse("nothing to send")),
        }
    }
}
