//! The log of outcomes of one workspace and epoch, as far as acks and welcomes told it, and its replay.
//!
//! A mutation whose outcome is not known makes only the rows that it names indefinite: nothing is claimed about those.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mutation::{Answer, Mutation, row_of};
use super::replica::{Row, RowKey};
use super::{Facts, Outcome};
use crate::scenario::Hook;

/// What is known of an epoch's history.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The known outcomes, by version.
    pub steps: Vec<Step>,
    /// The rows that a mutation names of which too little is known.
    pub indefinite: BTreeSet<RowKey>,
}

/// One decided mutation.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its version.
    pub version: u64,
    /// Its index in the ledger.
    pub mutation: usize,
    /// What it did: each row with its new value, or none where it was deleted. Empty if it was rejected.
    pub effects: Vec<(RowKey, Option<Value>)>,
}

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

impl Log {
    /// The log of this workspace and epoch.
    #[must_use]
    pub fn of(facts: &Facts, workspace: &str, epoch: &str) -> Log {
        let mut log = Log::default();
        for (index, mutation) in facts.ledger.mutations.iter().enumerate() {
            if mutation.workspace == workspace {
                log.add(facts, index, mutation, epoch);
            }
        }
        log.steps.sort_by_key(|step| step.version);
        log
    }

    fn add(&mut self, facts: &Facts, index: usize, mutation: &Mutation, epoch: &str) {
        if let Some(outcome) = mutation.outcome(epoch) {
            return self.decided(index, mutation, outcome);
        }
        if let Some(earlier) = mutation.outcomes.first() {
            match inherited(facts, mutation, earlier) {
                Inherited::Yes => return self.decided(index, mutation, earlier),
                Inherited::Maybe => self.indefinite.extend(mutation.rows()),
                Inherited::No => {}
            }
        }
        let open = mutation
            .sends
            .iter()
            .any(|send| send.answer == Answer::Pending && send.epoch == epoch);
        let elsewhere = mutation.sends.iter().any(|send| {
            send.answer == Answer::Pending && send.epoch != epoch && known(facts, &send.epoch)
        });
        if open || elsewhere {
            self.indefinite.extend(mutation.rows());
        }
    }

    fn decided(&mut self, index: usize, mutation: &Mutation, outcome: &Outcome) {
        let effects = match outcome.status.as_str() {
            "applied" => mutation.ops().and_then(effects),
            _ => Some(Vec::new()),
        };
        if effects.is_none() {
            self.indefinite.extend(mutation.rows());
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
                .filter(|(key, _)| tables.contains(&key.0))
            {
                let was = known.entry(key.clone()).or_insert(Known::Absent(None));
                if step.version <= version {
                    *was = replayed(was, value.as_ref(), step.version);
                }
            }
        }
        for key in self.indefinite.iter().filter(|key| tables.contains(&key.0)) {
            known.insert(key.clone(), Known::Indefinite);
        }
        known
    }

    /// Brings what is known of the rows of these tables from one version to another; gives the rows that were changed on the way.
    pub fn known_at_from(
        &self,
        known: &mut BTreeMap<RowKey, Known>,
        from: u64,
        to: u64,
        tables: &BTreeSet<String>,
    ) -> BTreeSet<RowKey> {
        let first = self.steps.partition_point(|step| step.version <= from);
        let steps = self.steps[first..]
            .iter()
            .take_while(|step| step.version <= to);
        let mut changed = BTreeSet::new();
        for (step, (key, value)) in
            steps.flat_map(|step| step.effects.iter().map(move |effect| (step, effect)))
        {
            if tables.contains(&key.0) && !self.indefinite.contains(key) {
                let was = known.entry(key.clone()).or_insert(Known::Absent(None));
                *was = replayed(was, value.as_ref(), step.version);
                changed.insert(key.clone());
            }
        }
        changed
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
        let mut present: BTreeSet<&RowKey> = BTreeSet::new();
        let mut last = 0;
        for step in &self.steps {
            for (key, value) in step
                .effects
                .iter()
                .filter(|(key, _)| tables.contains(&key.0))
            {
                let changed = if value.is_some() {
                    present.insert(key);
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
fn effects(ops: &Value) -> Option<Vec<(RowKey, Option<Value>)>> {
    let effect = |op: &Value| match op.get("op")?.as_str()? {
        "set" => Some((row_of(op)?, Some(op.get("value")?.clone()))),
        "delete" => Some((row_of(op)?, None)),
        _ => None,
    };
    ops.as_array()?.iter().map(effect).collect()
}

/// Whether the server ever named this epoch.
fn known(facts: &Facts, epoch: &str) -> bool {
    facts
        .conns
        .iter()
        .any(|conn| conn.epoch.as_deref() == Some(epoch))
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
