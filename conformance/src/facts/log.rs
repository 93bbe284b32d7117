//! The log of outcomes of one workspace and epoch, as far as acks and welcomes told it, and its replay.
//!
//! A mutation whose outcome is not known makes only the rows that it names indefinite: nothing is claimed about those.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mutation::{Answer, Mutation, row_named};
use super::replica::{Row, RowKey, RowName};
use super::sequence::ask_of;
use super::{Facts, Outcome};
use crate::scenario::Hook;

/// What is known of an epoch's history.
#[derive(Clone, Debug, Default)]
pub struct Log<'a> {
    /// The known outcomes, by version.
    pub steps: Vec<Step<'a>>,
    /// The rows that a mutation names of which too little is known.
    pub indefinite: BTreeSet<RowName<'a>>,
    epochs: BTreeSet<&'a str>,
}

/// One decided mutation.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// Its version.
    pub version: u64,
    /// Its index in the ledger.
    pub mutation: usize,
    /// What it did: each row with its new value, or none where it was deleted. Empty if it was rejected.
    pub effects: Vec<Effect<'a>>,
}

/// What a row became by a mutation; none where it was deleted.
pub type Effect<'a> = (RowName<'a>, Option<&'a Value>);

/// What is known of a row at some version.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It is there, like this.
    Row(Row),
    /// It is not there; if it was deleted, then at this version.
    Absent(Option<u64>),
    /// It cannot be known.
    Indefinite,
}

/// What an epoch of a later history has of a mutation that an earlier one decided.
enum Inherited {
    Yes,
    No,
    Maybe,
}

impl<'a> Log<'a> {
    /// The log of this workspace and epoch.
    #[must_use]
    pub fn of(facts: &'a Facts, workspace: &str, epoch: &str) -> Log<'a> {
        let epochs = facts.conns.iter().filter_map(|conn| conn.epoch.as_deref());
        let mut log = Log {
            epochs: epochs.collect(),
            ..Log::default()
        };
        for index in facts.ledger.of_workspace(workspace) {
            log.add(facts, *index, epoch);
        }
        log.steps.sort_by_key(|step| step.version);
        log
    }

    fn add(&mut self, facts: &'a Facts, index: usize, epoch: &str) {
        let mutation = &facts.ledger.mutations[index];
        if let Some(outcome) = mutation.outcome(epoch) {
            return self.decided(index, mutation, outcome);
        }
        if let Some(earlier) = mutation.outcomes.first() {
            match inherited(facts, mutation, earlier) {
                Inherited::Yes => return self.decided(index, mutation, earlier),
                Inherited::Maybe => self.indefinite.extend(mutation.row_names()),
                Inherited::No => {}
            }
        }
        let open = mutation
            .sends
            .iter()
            .any(|send| send.answer == Answer::Pending && send.epoch == epoch);
        let elsewhere = mutation.sends.iter().any(|send| {
            // Whether the server ever named that epoch.
            let named = || self.epochs.contains(send.epoch.as_str());
            send.answer == Answer::Pending && send.epoch != epoch && named()
        });
        if open || elsewhere {
            self.indefinite.extend(mutation.row_names());
        }
    }

    fn decided(&mut self, index: usize, mutation: &'a Mutation, outcome: &Outcome) {
        let effects = match outcome.status.as_str() {
            "applied" => mutation.ops().and_then(effects),
            _ => Some(Vec::new()),
        };
        if effects.is_none() {
            self.indefinite.extend(mutation.row_names());
        }
        self.steps.push(Step {
            version: outcome.version,
            mutation: index,
            effects: effects.unwrap_or_default(),
        });
    }

    /// What is known of every row of these tables that was ever named, at this version.
    #[must_use]
    pub fn known_at(&self, version: u64, tables: &BTreeSet<String>) -> BTreeMap<RowKey, Known> {
        let mut known = BTreeMap::new();
        for step in &self.steps {
            for (key, value) in step
                .effects
                .iter()
                .filter(|(key, _)| tables.contains(key.0))
            {
                let was = known.entry(owned(*key)).or_insert(Known::Absent(None));
                if step.version <= version {
                    *was = replayed(was, *value, step.version);
                }
            }
        }
        for key in self.indefinite.iter().filter(|key| tables.contains(key.0)) {
            known.insert(owned(*key), Known::Indefinite);
        }
        known
    }

    /// The rows that are known to be there at this version.
    #[must_use]
    pub fn rows_at(&self, version: u64, tables: &BTreeSet<String>) -> BTreeMap<RowKey, Row> {
        let known = self.known_at(version, tables).into_iter();
        known
            .filter_map(|(key, known)| {
                if let Known::Row(row) = known {
                    Some((key, row))
                } else {
                    None
                }
            })
            .collect()
    }

    /// The last version that surely changed a row of these tables; 0 if none did.
    #[must_use]
    pub fn last_change(&self, tables: &BTreeSet<String>) -> u64 {
        let mut present: BTreeSet<RowName<'_>> = BTreeSet::new();
        let mut last = 0;
        for step in &self.steps {
            for (key, value) in step
                .effects
                .iter()
                .filter(|(key, _)| tables.contains(key.0))
            {
                let changed = if value.is_some() {
                    present.insert(*key);
                    true
                } else {
                    present.remove(key)
                };
                if changed && !self.indefinite.contains(key) {
                    last = step.version;
                }
            }
        }
        last
    }
}

/// A row after an effect: a delete of what is not there changes nothing.
fn replayed(was: &Known, value: Option<&Value>, version: u64) -> Known {
    match (was, value) {
        (_, Some(value)) => Known::Row(Row {
            value: value.clone(),
            version,
        }),
        (Known::Row(_), None) => Known::Absent(Some(version)),
        (was, None) => was.clone(),
    }
}

/// What ops do; nothing if one of them is not known to do anything.
fn effects(ops: &Value) -> Option<Vec<Effect<'_>>> {
    let rows = ops.as_array()?.iter().filter(|op| ask_of(op).is_none());
    rows.map(effect).collect()
}

fn effect(op: &Value) -> Option<Effect<'_>> {
    match op.get("op")?.as_str()? {
        "set" => Some((row_named(op)?, Some(op.get("value")?))),
        "delete" => Some((row_named(op)?, None)),
        _ => None,
    }
}

fn owned((table, key): RowName<'_>) -> RowKey {
    (table.to_owned(), key.to_owned())
}

/// Whether a restored history has a mutation that an earlier one decided: surely if it was acknowledged before the backup, surely not if it
/// was first sent after.
fn inherited(facts: &Facts, mutation: &Mutation, outcome: &Outcome) -> Inherited {
    let Some((_, restored, _)) = facts
        .hooks
        .iter()
        .rfind(|(hook, _, _)| *hook == Hook::Restore)
    else {
        return Inherited::Maybe;
    };
    let mut backups = facts
        .hooks
        .iter()
        .filter(|(hook, begun, _)| *hook == Hook::Backup && begun < restored);
    let Some((_, begun, done)) = backups.next_back() else {
        return Inherited::Maybe;
    };
    match mutation.sends.first() {
        _ if outcome.at < *begun => Inherited::Yes,
        Some(first) if first.at > *done => Inherited::No,
        _ => Inherited::Maybe,
    }
}
