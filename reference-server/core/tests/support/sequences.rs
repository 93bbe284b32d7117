//! Sequences as an oracle: what each mutation must be given, from the log's outcomes and the plainest rules.

use std::collections::BTreeMap;

use syncline_schemas::{Allocated, Limits, Op, OpResult};
use syncline_server_core::{Decision, Record};

use super::log;

const ID_MAX: u64 = (1 << 53) - 1;

/// The next id of each sequence.
pub(crate) type Next = BTreeMap<String, u64>;

/// How the sequences stand before a version, by what was pushed.
pub(crate) fn before(log: &[Record], version: u64, pushed: &log::Pushed) -> Next {
    let mut next = Next::new();
    for (_, decided) in log::outcomes(log).take_while(|(at, _)| *at < version) {
        if let Decision::Applied { .. } = decided.decision {
            let name = (decided.client.to_string(), decided.op_id.to_string());
            take(&mut next, &log::ops_of(&pushed[&name].0));
        }
    }
    next
}

/// Does what the ops say, and gives what their client must be told.
pub(crate) fn take(next: &mut Next, ops: &[Op]) -> Vec<OpResult> {
    let mut told = Vec::new();
    for (at, op) in (0..).zip(ops) {
        let slot = |next: &mut Next, name: &str| *next.entry(name.to_owned()).or_insert(1);
        match op {
            Op::Allocate(op) => {
                let (first, count) = (slot(next, &op.sequence), op.count);
                next.insert(op.sequence.clone(), first + count);
                told.push(OpResult::Allocated(Allocated { at, first, count }));
            }
            Op::Observe(op) => {
                let first = slot(next, &op.sequence);
                next.insert(op.sequence.clone(), first.max(op.value + 1));
            }
            Op::Set(_) | Op::Delete(_) | Op::Patch(_) | Op::Declare(_) => {}
            Op::Append(_) | Op::Compact(_) => {}
        }
    }
    told
}

/// What is wrong with the ops as they are: `limit_exceeded`.
pub(crate) fn passes_a_limit(ops: &[Op], limits: &Limits) -> bool {
    let named = ops.iter().filter(|op| op.sequence().is_some()).count() as u64;
    let large = ops
        .iter()
        .any(|op| matches!(op, Op::Allocate(op) if Some(op.count) > limits.allocate_max));
    large || Some(named) > limits.mutation_sequences_max
}

/// Why the sequences, as they stand, cannot give what is asked: a code.
pub(crate) fn fault(next: &Next, ops: &[Op], limits: &Limits) -> Option<&'static str> {
    let mut used = next.len() as u64;
    for op in ops {
        let Some(name) = op.sequence() else { continue };
        if !next.contains_key(name) {
            used += 1;
            if Some(used) > limits.sequences_max {
                return Some("limit_exceeded");
            }
        }
        let first = next.get(name).copied().unwrap_or(1);
        if matches!(op, Op::Allocate(op) if first - 1 + op.count > ID_MAX) {
            return Some("sequence_exhausted");
        }
    }
    None
}
