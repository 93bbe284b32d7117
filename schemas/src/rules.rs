//! [`Rules`]: a JSON Schema that came from outside, and judges values in bounded time.
//!
//! Whoever may declare a table's schema could otherwise stop a server with it: by a reference that is to be fetched, a pattern that backtracks, references
//! that multiply. So rules reach no further than themselves, patterns are of a kind that is matched in linear time, and how often a part of a value can be
//! judged is counted before anything is compiled.

mod cost;
mod places;

use std::fmt;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::{Json, Violation, strict};
use places::Places;

pub use cost::JUDGED_MAX;

/// A JSON Schema of draft 2020-12, compiled. Two are equal if they are the same JSON value, however that is written.
#[derive(Clone)]
pub struct Rules {
    text: Json,
    /// The canonical form (RFC 8785): what they are compared by.
    canonical: String,
    validator: Validator,
    /// How often a part of a value is judged, at most.
    judged: u64,
}

/// How deep rules may nest: more than a frame's usual depth leaves them.
const NESTED_MAX: u64 = 64;

/// Bytes that a compiled pattern may take: it bounds what a character costs.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How many judgements it may take at most to find the place of what does not fit: it is more work than to say that something does not.
const PLACED_MAX: u64 = 1 << 20;

impl Rules {
    /// Reads rules, and compiles them (TAB-SCHEMA-INVALID).
    ///
    /// # Errors
    /// They are no schema, refer outside themselves, have a pattern that cannot be matched in linear time, or could judge a part of a value more than
    /// [`JUDGED_MAX`] times. It says where in them.
    pub fn compile(rules: &Json) -> Result<Rules, Violation> {
        let at_root = |reason: String| Violation::new(String::new(), reason);
        strict::check(rules.get(), NESTED_MAX)?;
        let mut schema = rules
            .to_value()
            .map_err(|error| at_root(error.to_string()))?;
        let canonical = serde_json_canonicalizer::to_string(&schema)
            .map_err(|error| at_root(error.to_string()))?;
        jsonschema::draft202012::meta::validate(&schema).map_err(|error| violation(&error))?;
        let places = Places::of(&schema)?;
        for (at, pattern) in &places.patterns {
            let alone = serde_json::json!({ "pattern": pattern });
            let reason = "this is no regular expression without look-around and back-references";
            build(&alone).map_err(|_| Violation::new(at.clone(), reason.to_owned()))?;
        }
        let judged = cost::judged(&places)?;
        forget_names(&mut schema);
        let validator = build(&schema).map_err(|error| violation(&error))?;
        Ok(Rules {
            text: rules.clone(),
            canonical,
            validator,
            judged,
        })
    }

    /// Judges a value (TAB-SCHEMA).
    ///
    /// # Errors
    /// Something does not fit: it says what, and where in the value.
    pub fn check(&self, value: &Json) -> Result<(), Violation> {
        let tree =
            (value.to_value()).map_err(|error| Violation::new(String::new(), error.to_string()))?;
        if self.validator.is_valid(&tree) {
            return Ok(());
        }
        if self.judged.saturating_mul(value.get().len() as u64) > PLACED_MAX {
            let reason = "the value does not fit the schema".to_owned();
            return Err(Violation::new(String::new(), reason));
        }
        self.validator
            .validate(&tree)
            .map_err(|error| violation(&error))
    }
}

/// The schema's own name, and its draft's: nothing is looked up by them.
fn forget_names(schema: &mut Value) {
    if let Some(members) = schema.as_object_mut() {
        members.remove("$id");
        members.remove("$schema");
    }
}

fn build(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(false)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .offline()
        .build(schema)
}

fn violation(error: &ValidationError<'_>) -> Violation {
    Violation::new(error.instance_path().to_string(), error.to_string())
}

impl PartialEq for Rules {
    fn eq(&self, other: &Rules) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Rules {}

impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Rules({})", self.text.get())
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Rules, D::Error> {
        let text = Json::deserialize(source)?;
        Rules::compile(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
