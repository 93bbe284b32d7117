//! Deciding a mutation: applied with these effects, or rejected for this reason. The procedure of the chapter on mutations, line
//! by line, from where the state is needed; what comes before is in `request`.
//!
//! Nothing is changed here: the decision becomes a record, and only applying the record changes the state.

use std::collections::BTreeSet;

use syncline_schemas::{Json, Limits, Patch, errors};

use crate::record::{Decision, Effect};
use crate::request::{Action, Op, RowOp, Verdict, reject};
use crate::sequences::{self, Raised};
use crate::state::{State, row_bytes};
use crate::table::Row;

/// Decides a mutation with these ops (PUSH-ATOMIC: wholly, one way or the other).
pub(crate) fn decide(
    state: &State,
    limits: &Limits,
    client: &str,
    ops: &Verdict<Vec<Op>>,
) -> Decision {
    let verdict = match ops {
        Err(rejection) => return Decision::Rejected((**rejection).clone()),
        Ok(ops) => {
            check_versions(state, client, ops).and_then(|()| take_effect(state, limits, ops))
        }
    };
    verdict.unwrap_or_else(|rejection| Decision::Rejected(*rejection))
}

fn check_versions(state: &State, client: &str, ops: &[Op]) -> Verdict<()> {
    for (index, op) in ops.iter().enumerate() {
        let Op::Row(RowOp {
            table,
            key,
            if_version: Some(expected),
            ..
        }) = op
        else {
            continue;
        };
        if !Row::is_at(state.row(table, key), *expected, client) {
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
fn take_effect(state: &State, limits: &Limits, ops: &[Op]) -> Verdict<Decision> {
    let mut effects = Vec::with_capacity(ops.len());
    let mut untouched = BTreeSet::new();
    let (mut grows, mut shrinks) = (0, 0);
    let Raised { raises, told } = sequences::decide(&state.sequences, limits, ops)?;
    for (index, op) in ops.iter().enumerate() {
        let Op::Row(op) = op else {
            continue;
        };
        let table = state.tables.get(&op.table);
        let known = table.and_then(|table| table.row(&op.key));
        let held = known.and_then(|(_, row)| row.value.as_ref());
        let value = match &op.action {
            Action::Set(value) => Some(value.clone()),
            Action::Delete => None,
            Action::Patch(patch) => Some(patched(limits, patch, held, index)?),
        };
        if value.is_none() && held.is_none() {
            untouched.insert(op.table.clone());
            continue;
        }
        grows += row_bytes(&op.key, value.as_ref());
        shrinks += row_bytes(&op.key, held);
        effects.push(Effect {
            table: op.table.clone(),
            // As the table holds it, if it does, so that its text is shared.
            key: known.map_or(&op.key, |(key, _)| key).clone(),
            value,
        });
    }
    if grows > shrinks && state.bytes + grows - shrinks > limits.workspace_bytes_max {
        let message = format!("limits.workspaceBytesMax is {}", limits.workspace_bytes_max);
        return reject(&errors::LIMIT_EXCEEDED, Some("/ops".to_owned()), &message);
    }
    Ok(Decision::Applied {
        effects,
        untouched: untouched.into_iter().collect(),
        raises,
        told,
    })
}

/// What a patch makes of a row (FLD-PATCH, FLD-ABSENT, FLD-NOT-AN-OBJECT, FLD-LIMIT).
fn patched(limits: &Limits, patch: &Patch, held: Option<&Json>, index: usize) -> Verdict<Json> {
    let at = Some(format!("/ops/{index}"));
    let Some(value) = patch.applied_to(held) else {
        let message = "the row's value is no object, and so has no fields";
        return reject(&errors::NOT_AN_OBJECT, at, message);
    };
    let (bytes, most) = (value.get().len() as u64, limits.value_bytes_max);
    if bytes > most {
        let message = format!("leaves a value of {bytes} bytes, limits.valueBytesMax is {most}");
        return reject(&errors::LIMIT_EXCEEDED, at, &message);
    }
    Ok(value)
}
