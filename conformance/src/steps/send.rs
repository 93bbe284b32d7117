//! `send`: any frame at all, right or wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Number, Template, Text};

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
    /// Binds `${name.re}`: the frame's number on its connection.
    pub r#as: Option<Text>,
}
