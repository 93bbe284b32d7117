//! Sequences: ids handed out in blocks, none of them twice within an epoch (SEQN-DISJOINT).
//!
//! What is kept of a sequence is one number, the next id. It only grows; retries need no more, for the ranges that were given are
//! remembered with the outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::errors;
use syncline_schemas::{Allocated, Limits, OpResult};

use crate::record::Raise;
use crate::request::{Op, SequenceAsk, SequenceOp, Verdict, reject};

/// The greatest id: the greatest integer that JSON is sure to carry.
pub(crate) const ID_MAX: u64 = (1 << 53) - 1;

/// All sequences of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sequences {
    /// The first id of a sequence that has none yet: 1, or more in a history that was restored.
    first: u64,
    /// The next id of each; one more than [`ID_MAX`], if none is left.
    next: BTreeMap<Arc<str>, u64>,
}

impl Default for Sequences {
    fn default() -> Sequences {
        Sequences {
            first: 1,
            next: BTreeMap::new(),
        }
    }
}

impl Sequences {
    /// Whether nothing has ever happened to any.
    pub(crate) fn are_unused(&self) -> bool {
        *self == Sequences::default()
    }

    /// The next id of a sequence, used or not.
    fn next(&self, name: &str) -> u64 {
        self.next.get(name).copied().unwrap_or(self.first)
    }

    /// Raises a sequence. Gives its next id before, if it was used.
    pub(crate) fn raise(&mut self, raise: &Raise) -> Option<u64> {
        self.next.insert(raise.sequence.clone(), raise.next)
    }

    /// Undoes a [`Sequences::raise`].
    pub(crate) fn put_back(&mut self, name: &str, before: Option<u64>) {
        match before {
            None => drop(self.next.remove(name)),
            Some(before) => {
                if let Some(next) = self.next.get_mut(name) {
                    *next = before;
                }
            }
        }
    }

    /// Leaves so many ids of each sequence out, those that are not used yet included: what was allocated after the backup is not allocated again
    /// too soon (SEQN-RESTORE).
    pub(crate) fn leave_out(&mut self, margin: u64) {
        let raised = |next: u64| next.saturating_add(margin).min(ID_MAX + 1);
        self.first = raised(self.first);
        self.next
            .values_mut()
            .for_each(|next| *next = raised(*next));
    }
}

/// What a mutation does to sequences, and what it has to tell of that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raised {
    pub(crate) raises: Vec<Raise>,
    pub(crate) told: Vec<OpResult>,
}

/// Decides the ops that name sequences, each of which they name once.
pub(crate) fn decide(sequences: &Sequences, limits: &Limits, ops: &[Op]) -> Verdict<Raised> {
    let mut raised = Raised::default();
    let mut used = sequences.next.len() as u64;
    for (index, op) in (0..).zip(ops) {
        let Op::Sequence(op) = op else { continue };
        if !sequences.next.contains_key(&op.sequence) {
            used += 1;
            if used > limits.sequences_max.unwrap_or(0) {
                return too_many(index, limits);
            }
        }
        raised.take(sequences, index, op)?;
    }
    Ok(raised)
}

impl Raised {
    fn take(&mut self, sequences: &Sequences, index: u64, op: &SequenceOp) -> Verdict<()> {
        let first = sequences.next(&op.sequence);
        let next = match op.ask {
            SequenceAsk::Allocate(count) => {
                if count > ID_MAX + 1 - first {
                    let message = format!("{} ids are left", ID_MAX + 1 - first);
                    let at = Some(format!("/ops/{index}"));
                    return reject(&errors::SEQUENCE_EXHAUSTED, at, &message);
                }
                self.told.push(OpResult::Allocated(Allocated {
                    at: index,
                    first,
                    count,
                }));
                first + count
            }
            SequenceAsk::Observe(value) => first.max(value + 1),
        };
        self.raises.push(Raise {
            sequence: op.sequence.clone(),
            next,
        });
        Ok(())
    }
}

fn too_many<T>(index: u64, limits: &Limits) -> Verdict<T> {
    let message = format!(
        "limits.sequencesMax is {}",
        limits.sequences_max.unwrap_or(0)
    );
    let at = Some(format!("/ops/{index}/sequence"));
    reject(&errors::LIMIT_EXCEEDED, at, &message)
}
