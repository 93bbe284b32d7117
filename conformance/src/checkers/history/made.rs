//! The changes that the log of a workspace has, as far as acks told it.

use std::collections::BTreeSet;

use crate::facts::{Effect, Facts, Log, Mutation, RowName, row_named};

/// All changes of a history.
pub(super) struct Made<'a> {
    /// By version.
    pub(super) changes: Vec<Change<'a>>,
    /// The rows of which too little is known.
    pub(super) indefinite: BTreeSet<RowName<'a>>,
    /// So many changes may have been made by mutations whose outcome is not known.
    pub(super) unknown: u64,
}

/// A change that the log has.
pub(super) struct Change<'a> {
    pub(super) version: u64,
    /// Which op of its mutation made it.
    pub(super) op: usize,
    pub(super) effect: Effect<'a>,
    pub(super) mutation: &'a Mutation,
    /// Whether all is known of its row.
    pub(super) sure: bool,
}

impl<'a> Made<'a> {
    pub(super) fn of(facts: &'a Facts, workspace: &str, epoch: &str) -> Made<'a> {
        let log = Log::of(facts, workspace, epoch);
        let (mut changes, mut present) = (Vec::new(), BTreeSet::new());
        let mut decided = BTreeSet::new();
        for step in log.steps {
            let mutation = &facts.ledger.mutations[step.mutation];
            decided.insert(step.mutation);
            // Documents are no rows.
            for effect in { step.effects.into_iter() }.filter(|effect| !effect.is_document()) {
                let (row, sure) = (effect.row, !log.indefinite.contains(&effect.row));
                let changed = match effect.value {
                    Some(_) => present.insert(row) || effect.value.is_some(),
                    // A delete of what is not there changes nothing; where nobody knows, it may.
                    None => present.remove(&row) || !sure,
                };
                if changed {
                    changes.push(Change {
                        version: step.version,
                        op: place(mutation, row),
                        effect,
                        mutation,
                        sure,
                    });
                }
            }
        }
        let all = facts.ledger.of_workspace(workspace).iter();
        let open = all.filter(|index| !decided.contains(index));
        let open = open.map(|index| &facts.ledger.mutations[*index]);
        let open = open.filter(|mutation| mutation.possible());
        Made {
            changes,
            indefinite: log.indefinite,
            unknown: open
                .map(|mutation| mutation.row_names().count() as u64)
                .sum(),
        }
    }
}

/// Which op of a mutation names a row.
fn place(mutation: &Mutation, row: RowName<'_>) -> usize {
    let ops = mutation.ops().and_then(|ops| ops.as_array());
    let mut ops = ops.into_iter().flatten();
    ops.position(|op| row_named(op) == Some(row)).unwrap_or(0)
}

impl Change<'_> {
    /// Its bytes, as `limits.historyBytesMax` counts them.
    pub(super) fn bytes(&self) -> u64 {
        let value = self.effect.value.as_ref();
        let value = value.map_or(0, |value| value.to_string().len());
        let beside = self.effect.siblings.iter();
        let beside: usize = beside.map(|sibling| sibling.value.to_string().len()).sum();
        (self.effect.row.1.len() + value + beside) as u64
    }

    /// When its mutation was first sent: it was not decided before.
    pub(super) fn sent_at(&self) -> Option<usize> {
        self.mutation.sends.first().map(|send| send.at)
    }
}
