//! Deciding a mutation: applied with these effects, or rejected for this reason. The procedure of the chapter on mutations, line
//! by line, from where the state is needed; what comes before is in `request`.
//!
//! Nothing is changed here: the decision becomes a record, and only applying the record changes the state.

use std::collections::BTreeSet;

use syncline_schemas::{Limits, errors};

use crate::record::{Decision, Effect};
use crate::request::{Op, Verdict, reject};
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
        let Op::Row {
            effect,
            if_version: Some(expected),
        } = op
        else {
            continue;
        };
        let expected = *expected;
        if !Row::is_at(state.row(&effect.table, &effect.key), expected, client) {
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
    for op in ops {
        let Op::Row { effect, .. } = op else {
            continue;
        };
        let table = state.tables.get(&effect.table);
        let known = table.and_then(|table| table.row(&effect.key));
        if effect.value.is_none() && known.is_none_or(|(_, row)| row.value.is_none()) {
            untouched.insert(effect.table.clone());
            continue;
        }
        grows += row_bytes(&effect.key, effect.value.as_ref());
        shrinks += known.map_or(0, |(key, row)| row_bytes(key, row.value.as_ref()));
        effects.push(Effect {
            // As the table holds it, if it does, so that its text is shared.
            key: known.map_or(&effect.key, |(key, _)| key).clone(),
            ..effect.clone()
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
