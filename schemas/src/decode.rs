//! From a frame's text to a message: the only door for what comes from outside.
//!
//! A text is read twice: the strict pass refuses what no frame may contain, then the type that the tag names reads
//! itself. Most frames are valid, so the way of the valid is short; only for a frame that does not fit is the question
//! put again to the schema's own validator, which answers with a pointer and a sentence.

use std::fmt;

use serde_json::Value;

use crate::errors::{self, ErrorDef};
use crate::tagged::{self, Tagged};
use crate::validate::{self, Violation};
use crate::{json, strict};

/// Why a frame is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Which rule was broken.
    pub kind: DecodeErrorKind,
    /// JSON Pointer, within the frame, to what was wrong; empty for the frame itself.
    pub at: String,
    /// For people: what was wrong.
    pub reason: String,
}

/// The ways in which a frame can be no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The text is not one JSON value within the rules.
    InvalidJson,
    /// The value does not fit the schema of its type, or has no type.
    InvalidMessage,
    /// No message of this type is read here.
    UnknownType,
}

impl DecodeError {
    fn new(kind: DecodeErrorKind, violation: Violation) -> DecodeError {
        DecodeError {
            kind,
            at: violation.at,
            reason: violation.reason,
        }
    }

    /// The registry's definition of what was wrong.
    #[must_use]
    pub fn def(&self) -> &'static ErrorDef {
        match self.kind {
            DecodeErrorKind::InvalidJson => &errors::INVALID_JSON,
            DecodeErrorKind::InvalidMessage => &errors::INVALID_MESSAGE,
            DecodeErrorKind::UnknownType => &errors::UNKNOWN_TYPE,
        }
    }

    /// The registry's code for what was wrong: `invalid_json`, `invalid_message` or `unknown_type`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.def().code
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} (at {:?})", self.code(), self.reason, self.at)
    }
}

impl std::error::Error for DecodeError {}

/// Reads one of the messages named `types` from a frame's text.
pub(crate) fn message<'de, T: Tagged<'de>>(
    text: &'de str,
    depth_max: u64,
    types: &[&str],
) -> Result<T, DecodeError> {
    strict::check(text, depth_max)
        .map_err(|violation| DecodeError::new(DecodeErrorKind::InvalidJson, violation))?;
    let mut source = serde_json::Deserializer::from_str(text);
    // The strict pass has bounded the depth.
    source.disable_recursion_limit();
    tagged::read(&mut source).map_err(|error| explain(text, types, &error))
}

/// Finds out what is wrong with a text that is JSON but could not be read as a message.
fn explain(text: &str, types: &[&str], error: &serde_json::Error) -> DecodeError {
    let frame = json::tree(text).expect("the strict pass has read this text to its end");
    match tag_of(&frame, "type") {
        Ok(tag) if types.contains(&tag) => {
            let violation = first_violation(validate::message(tag, &frame), error);
            DecodeError::new(DecodeErrorKind::InvalidMessage, violation)
        }
        Ok(tag) => DecodeError::new(
            DecodeErrorKind::UnknownType,
            unknown_tag("type", tag, types),
        ),
        Err(violation) => DecodeError::new(DecodeErrorKind::InvalidMessage, violation),
    }
}

/// The tag of an object, if it is an object and has one.
pub(crate) fn tag_of<'v>(value: &'v Value, name: &str) -> Result<&'v str, Violation> {
    let violation = |at: String, reason: &str| Violation::new(at, reason.to_owned());
    let members = value
        .as_object()
        .ok_or_else(|| violation(String::new(), "must be an object"))?;
    let tag = members
        .get(name)
        .ok_or_else(|| Violation::new(String::new(), format!("{name:?} is a required property")))?;
    tag.as_str()
        .ok_or_else(|| violation(format!("/{name}"), "must be a string"))
}

/// Says that no arm has this tag, and which there are.
pub(crate) fn unknown_tag(name: &str, tag: &str, known: &[&str]) -> Violation {
    Violation::new(
        format!("/{name}"),
        format!("{tag:?} is none of {}", known.join(", ")),
    )
}

/// What the validator says first. That it finds nothing where the types refuse would be a fault of this crate, which
/// the differential test looks for; the types' own words then serve.
pub(crate) fn first_violation(
    verdict: Result<(), Vec<Violation>>,
    error: &serde_json::Error,
) -> Violation {
    let said = verdict
        .err()
        .and_then(|violations| violations.into_iter().next());
    said.unwrap_or_else(|| Violation::new(String::new(), error.to_string()))
}
