//! Reading an [`Op`]: not with its frame but when its mutation is decided.
//!
//! An op that does not fit rejects its mutation and nothing else; if it broke its frame, one client's bad write would be no outcome,
//! and the client could never get past it.

use std::fmt;

use crate::decode::{first_violation, tag_of, unknown_tag};
use crate::errors;
use crate::tagged::{self, Tagged};
use crate::validate::{self, Violation};
use crate::{DeleteOp, Json, Op, Patch, SetOp};

/// Why a value is no op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpError {
    /// It is an object with a name in `op`, but no op of this name is known (`unknown_op`).
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
    fn invalid(violation: Violation) -> OpError {
        OpError::Invalid {
            at: violation.at,
            reason: violation.reason,
        }
    }

    fn unknown(violation: Violation) -> OpError {
        OpError::UnknownOp {
            at: violation.at,
            reason: violation.reason,
        }
    }

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
        Op::decode_among(value, Op::TAGS)
    }

    /// Reads an op where only these are known: what is of a capability that is not offered is as unknown as any other name, whatever else is
    /// wrong with it.
    ///
    /// # Errors
    /// The value is no op, or none of these: its mutation is rejected.
    pub fn decode_among(value: &Json, known: &[&str]) -> Result<Op, OpError> {
        let mut source = serde_json::Deserializer::from_str(value.get());
        // The frame that the value came in was bounded in depth.
        source.disable_recursion_limit();
        match tagged::read::<Op, _>(&mut source) {
            Ok(op) if known.contains(&op.op()) => Ok(op),
            Ok(op) => Err(OpError::unknown(unknown_tag(Op::TAG, op.op(), known))),
            Err(error) => Err(explain(value, &error, known)),
        }
    }

    /// The row or document that the op names, if it names one: table and key.
    #[must_use]
    pub fn row(&self) -> Option<(&str, &str)> {
        match self {
            Op::Set(op) => Some((&op.table, &op.key)),
            Op::Delete(op) => Some((&op.table, &op.key)),
            Op::Patch(op) => Some((&op.table, &op.key)),
            Op::Append(op) => Some((&op.table, &op.key)),
            Op::Compact(op) => Some((&op.table, &op.key)),
            Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
        }
    }

    /// The sequence that the op names, if it names one.
    #[must_use]
    pub fn sequence(&self) -> Option<&str> {
        match self {
            Op::Allocate(op) => Some(&op.sequence),
            Op::Observe(op) => Some(&op.sequence),
            Op::Set(_) | Op::Delete(_) | Op::Patch(_) | Op::Declare(_) => None,
            Op::Append(_) | Op::Compact(_) => None,
        }
    }

    /// The version of the row that the writer saw, if it says one.
    #[must_use]
    pub fn base(&self) -> Option<u64> {
        match self {
            Op::Set(op) => op.base,
            Op::Delete(op) => op.base,
            Op::Patch(op) => op.base,
            Op::Append(op) => op.base,
            Op::Compact(_) | Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
        }
    }

    /// The version of the table's schema that the writer knew, if it says one.
    #[must_use]
    pub fn schema_version(&self) -> Option<u64> {
        match self {
            Op::Set(op) => op.schema_version,
            Op::Patch(op) => op.schema_version,
            Op::Delete(_) | Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
            Op::Append(_) | Op::Compact(_) => None,
        }
    }

    /// The version that the op's row must have, if it says one.
    #[must_use]
    pub fn if_version(&self) -> Option<u64> {
        match self {
            Op::Set(op) => op.if_version,
            Op::Delete(op) => op.if_version,
            Op::Patch(op) => op.if_version,
            Op::Append(_) | Op::Compact(_) => None,
            Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => None,
        }
    }
}

impl SetOp {
    /// Writes a row whole, on no condition.
    #[must_use]
    pub fn new(table: impl Into<String>, key: impl Into<String>, value: Json) -> SetOp {
        SetOp {
            table: table.into(),
            key: key.into(),
            value,
            if_version: None,
            base: None,
            schema_version: None,
        }
    }
}

impl DeleteOp {
    /// Removes a row, on no condition.
    #[must_use]
    pub fn new(table: impl Into<String>, key: impl Into<String>) -> DeleteOp {
        DeleteOp {
            table: table.into(),
            key: key.into(),
            if_version: None,
            base: None,
        }
    }
}

impl Patch {
    /// Changes no field yet, on no condition.
    #[must_use]
    pub fn new(table: impl Into<String>, key: impl Into<String>) -> Patch {
        Patch {
            table: table.into(),
            key: key.into(),
            fields: None,
            remove: None,
            if_version: None,
            base: None,
            schema_version: None,
        }
    }
}

/// Finds out what is wrong with a value that could not be read as an op.
fn explain(value: &Json, error: &serde_json::Error, known: &[&str]) -> OpError {
    let op = match value.to_value() {
        Ok(op) => op,
        Err(error) => return OpError::invalid(Violation::new(String::new(), error.to_string())),
    };
    match tag_of(&op, Op::TAG) {
        Ok(tag) if known.contains(&tag) => {
            OpError::invalid(first_violation(validate::op(&op), error))
        }
        Ok(tag) => OpError::unknown(unknown_tag(Op::TAG, tag, known)),
        Err(violation) => OpError::invalid(violation),
    }
}
