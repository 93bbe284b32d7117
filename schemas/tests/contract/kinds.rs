//! What a schema describes, as the tests see it: a thing that the types decode and that the validators judge.

use serde_json::Value;
use syncline_schemas::{ClientMessage, Json, Limits, Op, ServerMessage, Violation, validate};

/// The depth that all examples are read with: the reference server's.
fn depth_max() -> u64 {
    Limits::default().depth_max
}

/// Every kind of thing that is decoded: each message, and the op.
pub(crate) fn all() -> Vec<&'static str> {
    [ClientMessage::TAGS, ServerMessage::TAGS, &["op"]].concat()
}

/// Decodes a text as this kind, by the generated types, and encodes it again; or the error's code and pointer.
pub(crate) fn recode(kind: &str, text: &str) -> Result<String, (&'static str, String)> {
    let (type_name, again) = decode(kind, text)?;
    assert_eq!(
        decode(kind, &again),
        Ok((type_name, again.clone())),
        "encoding is stable"
    );
    if type_name == kind {
        Ok(again)
    } else {
        Err(("another type", "/type".to_owned()))
    }
}

/// Judges a value as this kind, by the schema.
pub(crate) fn judge(kind: &str, value: &Value) -> Result<(), Vec<Violation>> {
    if kind == "op" {
        validate::op(value)
    } else {
        validate::message(kind, value)
    }
}

/// The kind that the text turns out to be, and its text encoded again.
fn decode(kind: &str, text: &str) -> Result<(&'static str, String), (&'static str, String)> {
    if kind == "op" {
        let value = Json::parse(text).map_err(|violation| ("invalid_json", violation.at))?;
        let op = Op::decode(&value).map_err(|error| (error.code(), error.at().to_owned()))?;
        Ok(("op", serde_json::to_string(&op).unwrap()))
    } else if ClientMessage::TAGS.contains(&kind) {
        let message =
            ClientMessage::decode(text, depth_max()).map_err(|error| (error.code(), error.at))?;
        Ok((message.type_name(), message.encode()))
    } else {
        let message =
            ServerMessage::decode(text, depth_max()).map_err(|error| (error.code(), error.at))?;
        Ok((message.type_name(), message.encode()))
    }
}
