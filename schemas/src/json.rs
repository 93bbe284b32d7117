//! [`Json`]: any JSON value, kept as the text that it came as.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::strict::{self, DEPTH_CEILING};
use crate::violation::Violation;

/// An object whose members no schema describes, as the settings of a subscribed table.
pub type JsonObject = Map<String, Value>;

/// Any JSON value, kept as its text, and cheap to clone.
///
/// Most programs on the way of a row's value only pass it on. Keeping the text spares them the parsing, and the value its changes:
/// numbers keep their digits, members their order. Two values are equal here if their texts are;
/// `1.0` and `1` differ.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Reads a text that must be one JSON value by the rules for frames (no duplicate names, finite numbers, whole
    /// surrogate pairs, at most [`DEPTH_CEILING`] deep).
    ///
    /// # Errors
    /// Says which rule the text breaks, and where.
    pub fn parse(text: &str) -> Result<Json, Violation> {
        strict::check(text, DEPTH_CEILING)?;
        let raw: &RawValue = serde_json::from_str(text)
            .map_err(|error| Violation::new(String::new(), error.to_string()))?;
        Ok(Json(raw.to_owned().into()))
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Json {
        Json(RawValue::NULL.to_owned().into())
    }

    /// The value `{}`.
    #[must_use]
    pub fn empty_object() -> Json {
        let raw = RawValue::from_string("{}".to_owned()).expect("an object");
        Json::from(raw)
    }

    /// The value's text, without blanks around it.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The value as a tree.
    ///
    /// # Errors
    /// If it is nested too deep, or has a number beyond a double's range: possible only if it was deserialized from a
    /// text that nobody checked.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        tree(self.get())
    }
}

/// The text's value as a tree, however deep: for texts that the strict pass has bounded.
pub(crate) fn tree(text: &str) -> Result<Value, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_str(text);
    source.disable_recursion_limit();
    Value::deserialize(&mut source)
}

impl Default for Json {
    fn default() -> Json {
        Json::null()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Json({})", self.get())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.get())
    }
}

impl FromStr for Json {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Json, Violation> {
        Json::parse(text)
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Json {
        Json(raw.into())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Json {
        let raw = serde_json::value::to_raw_value(&value).expect("every tree of JSON has a text");
        Json(raw.into())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(out)
    }
}

/// Takes the text as it is: whoever deserializes from a text that came from outside has checked the whole of it, as the messages'
/// `decode` does.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Json, D::Error> {
        Box::<RawValue>::deserialize(source).map(|raw| Json(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kept_as_it_is() {
        let text = r#"{"z": [1.50, 1E2, -0, 9007199254740993], "\u0061": "\ud83e\udd8b"}"#;
        let json: Json = format!(" \n{text}\t").parse().expect("valid JSON");
        assert_eq!(json.get(), text);
        let encoded = serde_json::to_string(&[&json]).expect("JSON can be encoded");
        assert_eq!(encoded, format!("[{text}]"));
        let decoded: Vec<Json> =
            serde_json::from_str(&encoded).expect("what was encoded can be decoded");
        assert_eq!(decoded, [json]);
    }

    #[test]
    fn equality_is_of_texts() {
        let parse = |text: &str| Json::parse(text).expect("valid JSON");
        assert_eq!(parse("1.0"), parse(" 1.0 "));
        assert_ne!(parse("1.0"), parse("1"));
        assert_eq!(Json::null(), Json::from(Value::Null));
        assert_eq!(
            Json::default().to_value().expect("null is a tree"),
            Value::Null
        );
    }

    #[test]
    fn what_no_frame_may_hold_is_refused() {
        for text in ["", "1 2", "[1e400]", r#"{"a":0,"a":0}"#, r#""\ud800""#] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
