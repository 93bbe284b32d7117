//! Deciding a mutation: applied with these effects, or rejected for this reason. The procedure of the chapter on mutations, line
//! by line.
//!
//! Nothing is changed here: the decision becomes a record, and only applying the record changes the state.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{Json, Limits, Op, OpError};

use crate::names::{self, NameFault};
use crate::record::{Decision, Effect, Rejection};
use crate::state::{State, row_bytes};
use crate::table::Row;

/// Decides a mutation with these ops (PUSH-ATOMIC: wholly, one way or the other).
pub(crate) fn decide(state: &State, limits: &Limits, client: &str, ops: &[Json]) -> Decision {
    let verdict = read_ops(ops, limits).and_then(|ops| {
        check_versions(state, client, &ops)?;
        take_effect(state, limits, ops)
    });
    verdict.unwrap_or_else(|rejection| Decision::Rejected(*rejection))
}

/// Boxed: it is rare, and larger than what is usual.
type Verdict<T> = Result<T, Box<Rejection>>;

fn reject<T>(def: &ErrorDef, at: Option<String>, message: &str) -> Verdict<T> {
    Err(Box::new(Rejection {
        code: def.code.into(),
        message: names::clipped(message),
        at,
    }))
}

/// Reads all ops; the first that is at fault, alone or against an earlier one, gives the code.
fn read_ops(ops: &[Json], limits: &Limits) -> Verdict<Vec<Op>> {
    if ops.is_empty() {
        return reject(&errors::NO_OPS, None, "a mutation needs ops");
    }
    if ops.len() as u64 > limits.mutation_ops_max {
        let message = format!(
            "{} ops, limits.mutationOpsMax is {}",
            ops.len(),
            limits.mutation_ops_max
        );
        return reject(&errors::LIMIT_EXCEEDED, Some("/ops".to_owned()), &message);
    }
    let mut read = Vec::with_capacity(ops.len());
    let mut fault = None;
    for (index, op) in ops.iter().enumerate() {
        match read_op(op, limits) {
            Ok(op) => read.push(op),
            Err((def, at, message)) => {
                fault = Some((def, format!("/ops/{index}{at}"), message));
                break;
            }
        }
    }
    // The fault stands behind all that was read.
    check_duplicates(&read)?;
    match fault {
        None => Ok(read),
        Some((def, at, message)) => reject(def, Some(at), &message),
    }
}

/// A code, where in the op, and why.
type OpFault = (&'static ErrorDef, String, String);

fn read_op(op: &Json, limits: &Limits) -> Result<Op, OpFault> {
    let op = Op::decode(op).map_err(|error| {
        let def = match error {
            OpError::UnknownOp { .. } => &errors::UNKNOWN_OP,
            OpError::Invalid { .. } => &errors::INVALID_OP,
        };
        (def, error.at().to_owned(), error.reason().to_owned())
    })?;
    let table = names::check_table(op.table(), limits);
    let key = names::check_key(op.key(), limits);
    // What no server allows comes before what this one finds too long.
    let faults = [
        ("/table", table, "tableBytesMax"),
        ("/key", key, "keyBytesMax"),
    ];
    for (at, checked, _) in faults {
        if let Err(NameFault::Forbidden(why)) = checked {
            return Err((&errors::INVALID_OP, at.to_owned(), why.to_owned()));
        }
    }
    for (at, checked, limit) in faults {
        if checked.is_err() {
            return Err((
                &errors::LIMIT_EXCEEDED,
                at.to_owned(),
                format!("longer than limits.{limit}"),
            ));
        }
    }
    match &op {
        Op::Set(set) if set.value.get().len() as u64 > limits.value_bytes_max => {
            let message = format!(
                "{} bytes, limits.valueBytesMax is {}",
                set.value.get().len(),
                limits.value_bytes_max
            );
            Err((&errors::LIMIT_EXCEEDED, "/value".to_owned(), message))
        }
        _ => Ok(op),
    }
}

fn check_duplicates(ops: &[Op]) -> Verdict<()> {
    if ops.len() < 2 {
        return Ok(());
    }
    let mut rows = HashSet::with_capacity(ops.len());
    match ops
        .iter()
        .position(|op| !rows.insert((op.table(), op.key())))
    {
        None => Ok(()),
        Some(index) => reject(
            &errors::DUPLICATE_ROW,
            Some(format!("/ops/{index}")),
            "an earlier op names the same row",
        ),
    }
}

fn check_versions(state: &State, client: &str, ops: &[Op]) -> Verdict<()> {
    for (index, op) in ops.iter().enumerate() {
        let Some(expected) = op.if_version() else {
            continue;
        };
        if !Row::is_at(state.row(op.table(), op.key()), expected, client) {
            let message = "the row is not at this version";
            return reject(
                &errors::VERSION_CONFLICT,
                Some(format!("/ops/{index}/ifVersion")),
                message,
            );
        }
    }
    Ok(())
}

/// What the ops do, if there is room for it.
fn take_effect(state: &State, limits: &Limits, ops: Vec<Op>) -> Verdict<Decision> {
    let mut effects = Vec::with_capacity(ops.len());
    let mut untouched = BTreeSet::new();
    let (mut grows, mut shrinks) = (0, 0);
    for op in ops {
        let (table, value) = (op_table(state, &op), op_value(&op));
        let known = state
            .tables
            .get(&table)
            .and_then(|table| table.key(op.key()));
        if value.is_none() && known.is_none_or(|(_, row)| row.value.is_none()) {
            untouched.insert(table);
            continue;
        }
        grows += value
            .as_ref()
            .map_or(0, |value| (op.key().len() + value.get().len()) as u64);
        shrinks += known.map_or(0, |(key, row)| row_bytes(key, row));
        let key = known.map_or_else(|| Arc::from(op.key()), |(key, _)| key.clone());
        effects.push(Effect { table, key, value });
    }
    if grows > shrinks && state.bytes + grows - shrinks > limits.workspace_bytes_max {
        let message = format!("limits.workspaceBytesMax is {}", limits.workspace_bytes_max);
        return reject(&errors::LIMIT_EXCEEDED, Some("/ops".to_owned()), &message);
    }
    Ok(Decision::Applied {
        effects,
        untouched: untouched.into_iter().collect(),
    })
}

/// The table's name as the state holds it, so that its text is shared.
fn op_table(state: &State, op: &Op) -> Arc<str> {
    state
        .tables
        .get_key_value(op.table())
        .map_or_else(|| Arc::from(op.table()), |(name, _)| name.clone())
}

/// The value to be set, on one line: a log may keep a record a line. Line breaks stand only between a value's tokens.
fn op_value(op: &Op) -> Option<Json> {
    let Op::Set(set) = op else { return None };
    if !set.value.get().contains(['\n', '\r']) {
        return Some(set.value.clone());
    }
    let one_line = Json::parse(&set.value.get().replace(['\n', '\r'], " "));
    Some(one_line.unwrap_or_else(|_| set.value.clone()))
}
