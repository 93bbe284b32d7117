//! From a frame's text to a message, and from an op's value to an [`Op`]: the only doors for what comes from outside.
//!
//! A text is read twice: the strict pass refuses what no frame may contain, then the type that the tag names reads itself. Most
//! frames are valid, so the way of the valid is short; only for a frame that does not fit is the question put
//! again to the schema's own validator, which answers with a pointer and a sentence.

use std::fmt;

use serde_json::Value;

use crate::errors::{self, ErrorDef};
use crate::tagged::{self, Tagged};
use crate::validate::{self, Violation};
use crate::{Json, Op, json, strict};

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
    strict::check(text, depth_max).map_err(|refusal| DecodeError {
        kind: DecodeErrorKind::InvalidJson,
        at: refusal.at,
        reason: refusal.reason,
    })?;
    let mut source = serde_json::Deserializer::from_str(text);
    // The strict pass has bounded the depth.
    source.disable_recursion_limit();
    tagged::read(&mut source).map_err(|error| explain_message(text, types, &error))
}

/// Finds out what is wrong with a text that is JSON but could not be read as a message.
fn explain_message(text: &str, types: &[&str], error: &serde_json::Error) -> DecodeError {
    let invalid = |violation: Violation| DecodeError {
        kind: DecodeErrorKind::InvalidMessage,
        at: violation.at,
        reason: violation.reason,
    };
    match json::tree(text) {
        Ok(frame) => match tag_of(&frame, "type") {
            Ok(tag) if types.contains(&tag) => {
                invalid(first_violation(validate::message(tag, &frame), error))
            }
            Ok(tag) => DecodeError {
                kind: DecodeErrorKind::UnknownType,
                at: "/type".to_owned(),
                reason: format!("{tag:?} is none of {}", types.join(", ")),
            },
            Err(violation) => invalid(violation),
        },
        Err(error) => invalid(Violation {
            at: String::new(),
            reason: error.to_string(),
        }),
    }
}

/// Why a value is no op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpError {
    /// It is well-formed, but no op of this name is known (`unknown_op`).
    UnknownOp {
        /// JSON Pointer, within the op, to the name.
        at: String,
        /// For people: what was wrong.
        reason: String,
    },
    /// It does not fit the schema (`invalid_op`).
    Invalid {
        /// JSON Pointer, within the op, to what was wrong; empty for the op itself.
        at: String,
        /// For people: what was wrong.
        reason: String,
    },
}

impl OpError {
    /// The registry's code for what was wrong: `unknown_op` or `invalid_op`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            OpError::UnknownOp { .. } => errors::UNKNOWN_OP.code,
            OpError::Invalid { .. } => errors::INVALID_OP.code,
        }
    }

    /// JSON Pointer, within the op, to what was wrong.
    #[must_use]
    pub fn at(&self) -> &str {
        let (OpError::UnknownOp { at, .. } | OpError::Invalid { at, .. }) = self;
        at
    }

    /// For people: what was wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        let (OpError::UnknownOp { reason, .. } | OpError::Invalid { reason, .. }) = self;
        reason
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {} (at {:?})",
            self.code(),
            self.reason(),
            self.at()
        )
    }
}

impl std::error::Error for OpError {}

impl Op {
    /// Reads an op from a value of a frame that was decoded before, and so obeys the rules for all frames.
    ///
    /// # Errors
    /// The value is no op: its mutation is rejected.
    pub fn decode(value: &Json) -> Result<Op, OpError> {
        let mut source = serde_json::Deserializer::from_str(value.get());
        // The frame that the value came in was bounded in depth.
        source.disable_recursion_limit();
        tagged::read(&mut source).map_err(|error| explain_op(value, &error))
    }
}

/// Finds out what is wrong with a value that could not be read as an op.
fn explain_op(value: &Json, error: &serde_json::Error) -> OpError {
    let invalid = |violation: Violation| OpError::Invalid {
        at: violation.at,
        reason: violation.reason,
    };
    match value.to_value() {
        Ok(op) => match tag_of(&op, Op::TAG) {
            Ok(tag) if Op::TAGS.contains(&tag) => {
                invalid(first_violation(validate::op(&op), error))
            }
            Ok(tag) => OpError::UnknownOp {
                at: format!("/{}", Op::TAG),
                reason: format!("{tag:?} is none of {}", Op::TAGS.join(", ")),
            },
            Err(violation) => invalid(violation),
        },
        Err(error) => invalid(Violation {
            at: String::new(),
            reason: error.to_string(),
        }),
    }
}

/// The tag of an object, if it is an object and has one.
fn tag_of<'v>(value: &'v Value, name: &str) -> Result<&'v str, Violation> {
    let members = value.as_object().ok_or_else(|| Violation {
        at: String::new(),
        reason: "must be an object".to_owned(),
    })?;
    let tag = members.get(name).ok_or_else(|| Violation {
        at: String::new(),
        reason: format!("{name:?} is a required property"),
    })?;
    tag.as_str().ok_or_else(|| Violation {
        at: format!("/{name}"),
        reason: "must be a string".to_owned(),
    })
}

/// What the validator says first. That it finds nothing where the types refuse would be a fault of this crate, which the
/// differential test looks for; the types' own words then serve.
fn first_violation(verdict: Result<(), Vec<Violation>>, error: &serde_json::Error) -> Violation {
    let said = verdict
        .err()
        .and_then(|violations| violations.into_iter().next());
    said.unwrap_or_else(|| Violation {
        at: String::new(),
        reason: error.to_string(),
    })
}
