//! `frame`: what a text is as a message, by the types and the strict reader, against the schemas as `jsonschema` reads them and the plainest reader of JSON.
//!
//! The bytes are a frame's text. Both say yes, or both no, with the same code; what is taken comes back equal.

use serde_json::{Map, Number, Value};
use syncline_schemas::{ClientMessage, Json, Limits, Op, ServerMessage, validate};

use crate::plain::{self, Plain};

/// Fails if the two differ.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        // No text frame: the WebSocket layer refuses it.
        return;
    };
    let depth_max = Limits::default().depth_max;
    let plain = plain::read(text, depth_max as usize).ok();
    let value = plain.as_ref().map(tree);
    assert_eq!(
        Json::parse(text).is_ok(),
        plain::read(text, 512).is_ok(),
        "JSON or not: {text}"
    );
    let client = ClientMessage::decode(text, depth_max).map(|message| message.encode());
    let client = client.map_err(|error| (error.code(), error.at));
    agree(text, value.as_ref(), ClientMessage::TAGS, client);
    let server = ServerMessage::decode(text, depth_max).map(|message| message.encode());
    let server = server.map_err(|error| (error.code(), error.at));
    agree(text, value.as_ref(), ServerMessage::TAGS, server);
    if let Some(value) = &value {
        ops(text, value);
    }
}

type Said = Result<String, (&'static str, String)>;

/// What the types say is what the schemas say.
fn agree(text: &str, value: Option<&Value>, tags: &[&str], said: Said) {
    let verdict = match value {
        None => Err("invalid_json"),
        Some(value) => match value.get("type").and_then(Value::as_str) {
            None => Err("invalid_message"),
            Some(tag) if !tags.contains(&tag) => Err("unknown_type"),
            Some(tag) => validate::message(tag, value).map_err(|_| "invalid_message"),
        },
    };
    let code = said.as_ref().map(|_| ()).map_err(|(code, _)| *code);
    assert_eq!(code, verdict, "types against schemas: {text}");
    match (said, value) {
        (Ok(again), Some(value)) => comes_back(&again, value),
        (Err((code, at)), Some(value)) => {
            assert!(value.pointer(&at).is_some(), "{code} at {at:?} of {text}");
        }
        (_, None) => {}
    }
}

/// Each op of a push, and the whole as an op.
fn ops(text: &str, value: &Value) {
    let mutations = value.get("mutations").and_then(Value::as_array);
    let pushed = { mutations.into_iter().flatten() }
        .filter_map(|mutation| mutation.get("ops")?.as_array())
        .flatten();
    for op in pushed.chain([value]) {
        let written = op.to_string();
        let json = Json::parse(&written).expect("a tree is written as JSON");
        let verdict = validate::op(op);
        match Op::decode(&json) {
            Ok(op_read) => {
                assert_eq!(verdict, Ok(()), "the types take the op {written} of {text}");
                comes_back(
                    &serde_json::to_string(&op_read).expect("an op has a text"),
                    op,
                );
            }
            Err(error) => {
                assert!(
                    verdict.is_err(),
                    "the types refuse the op {written}: {error}"
                );
                assert!(op.pointer(error.at()).is_some(), "{error} of {written}");
            }
        }
    }
}

/// What was written again says nothing that was not there.
fn comes_back(again: &str, value: &Value) {
    let read = plain::read(again, 512).expect("what is written is JSON");
    assert!(is_kept(&tree(&read), value), "{value} became {again}");
}

/// Whether all that `again` says stands in `value` too: what is unknown to the types may have been dropped, and a flag that is false.
fn is_kept(again: &Value, value: &Value) -> bool {
    match (again, value) {
        (Value::Object(again), Value::Object(value)) => { again.iter() }
            .all(|(name, member)| value.get(name).is_some_and(|own| is_kept(member, own))),
        (Value::Array(again), Value::Array(value)) => {
            again.len() == value.len() && { again.iter().zip(value) }
                .all(|(one, two)| is_kept(one, two))
        }
        (Value::Number(again), Value::Number(value)) => again.as_f64() == value.as_f64(),
        _ => again == value,
    }
}

/// The value as the validators want it.
fn tree(plain: &Plain) -> Value {
    match plain {
        Plain::Null => Value::Null,
        Plain::Bool(value) => Value::Bool(*value),
        Plain::Number(number) => Value::Number(number_of(*number)),
        Plain::Text(text) => Value::String(text.clone()),
        Plain::List(items) => items.iter().map(tree).collect(),
        Plain::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (name.clone(), tree(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A double that is an integer is one, however it was written (`JSON-INTEGER`).
fn number_of(number: f64) -> Number {
    let whole = number.fract() == 0.0 && number.abs() < 9e15;
    match whole {
        true => Number::from(number as i64),
        false => Number::from_f64(number).expect("a finite number"),
    }
}
