//! The three kinds of text that a scenario leaves open until it runs: [`Template`], [`Text`] and [`Number`].
//!
//! They are kept as they were written and resolved by [`crate::vars`] when a step runs, because a value such as
//! `${a.limits.keyBytesMax}` is known only then.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// Any JSON, with `${variables}` in its strings and `{"$generator": ...}` objects; a pattern has matchers too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub Value);

/// A string with `${variables}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Text(pub String);

/// A whole number: written as such, as one `"${variable}"`, or as `{"$sum": [...]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Number(Value);

impl Number {
    /// The value to resolve.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl TryFrom<Value> for Number {
    type Error = String;

    fn try_from(value: Value) -> Result<Number, String> {
        let fits = match &value {
            Value::Number(number) => number.is_i64() || number.is_u64(),
            Value::String(text) => text.starts_with("${") && text.ends_with('}'),
            Value::Object(object) => object.len() == 1 && object.contains_key("$sum"),
            _ => false,
        };
        if fits {
            Ok(Number(value))
        } else {
            Err(format!(
                "{value} is neither a whole number, nor \"${{variable}}\", nor {{\"$sum\": [...]}}"
            ))
        }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        number.0
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number(number.into())
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any JSON, with ${variables} in its strings and {\"$generator\": ...} objects; a pattern has matchers too." })
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number: written as such, as one \"${variable}\", or as {\"$sum\": [...]}.",
            "anyOf": [
                { "type": "integer" },
                { "type": "string", "pattern": "^\\$\\{.*\\}$" },
                { "type": "object", "required": ["$sum"], "additionalProperties": false, "properties": { "$sum": { "type": "array" } } }
            ]
        })
    }
}
