//! The log of outcomes of one workspace and epoch, as far as acks and welcomes told it, and its replay.
//!
//! A mutation whose outcome is not known makes only the rows that it names indefinite: nothing is claimed about those.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

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
    /// What it did to each row. Empty if it was rejected.
    pub effects: Vec<Effect<'a>>,
}

/// What a row became by a mutation.
#[derive(Clone, Debug)]
pub struct Effect<'a> {
    /// Which row.
    pub row: RowName<'a>,
    /// Its new value; none where it was deleted.
    pub value: Option<Cow<'a, Value>>,
    /// Whether fields of it were patched, and if so, whether it was there.
    pub patched: Option<Patched>,
}

/// What was patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// A row that was there.
    Row,
    /// None: it was made of the fields.
    Absent,
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
        log.replay(facts);
        log
    }

    /// Works out what each step did, in order.
    fn replay(&mut self, facts: &'a Facts) {
        let mutations = { self.steps.iter() }.map(|step| &facts.ledger.mutations[step.mutation]);
        let mut rows = Rows {
            // What rows hold matters to patches alone.
            kept: mutations.filter_map(Mutation::ops).any(has_patch),
            ..Rows::default()
        };
        let mut unknown = BTreeSet::new();
        for step in &mut self.steps {
            let mutation = &facts.ledger.mutations[step.mutation];
            let outcome = mutation.outcomes.iter();
            let applied =
                { outcome }.any(|told| told.version == step.version && told.status == "applied");
            if !applied {
                continue;
            }
            match mutation.ops().and_then(|ops| rows.effects(ops)) {
                Some(effects) => step.effects = effects,
                None => unknown.extend(mutation.row_names()),
            }
        }
        self.indefinite.extend(unknown);
    }

    fn add(&mut self, facts: &'a Facts, index: usize, epoch: &str) {
        let mutation = &facts.ledger.mutations[index];
        if let Some(outcome) = mutation.outcome(epoch) {
            return self.decided(index, outcome);
        }
        if let Some(earlier) = mutation.outcomes.first() {
            match inherited(facts, mutation, earlier) {
                Inherited::Yes => return self.decided(index, earlier),
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

    fn decided(&mut self, index: usize, outcome: &Outcome) {
        self.steps.push(Step {
            version: outcome.version,
            mutation: index,
            effects: Vec::new(),
        });
    }

    /// What is known of every row of these tables that was ever named, at this version.
    #[must_use]
    pub fn known_at(&self, version: u64, tables: &BTreeSet<String>) -> BTreeMap<RowKey, Known> {
        let mut known = BTreeMap::new();
        for step in &self.steps {
            for effect in step.effects_on(tables) {
                let was = known
                    .entry(owned(effect.row))
                    .or_insert(Known::Absent(None));
                if step.version <= version {
                    *was = replayed(was, effect.value.as_deref(), step.version);
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
            for effect in step.effects_on(tables) {
                let changed = if effect.value.is_some() {
                    present.insert(effect.row);
                    true
                } else {
                    present.remove(&effect.row)
                };
                if changed && !self.indefinite.contains(&effect.row) {
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

impl<'a> Step<'a> {
    /// What it did to rows of these tables.
    pub fn effects_on(&self, tables: &BTreeSet<String>) -> impl Iterator<Item = &Effect<'a>> {
        self.effects
            .iter()
            .filter(|effect| tables.contains(effect.row.0))
    }
}

/// The values of all rows that are there, as far as a replay has come.
#[derive(Debug, Default)]
struct Rows<'a> {
    kept: bool,
    held: BTreeMap<RowName<'a>, Cow<'a, Value>>,
}

impl<'a> Rows<'a> {
    /// What ops do; nothing if of one of them it is not known.
    fn effects(&mut self, ops: &'a Value) -> Option<Vec<Effect<'a>>> {
        let rows = ops.as_array()?.iter().filter(|op| ask_of(op).is_none());
        let effects = rows.map(|op| self.effect(op));
        let effects: Vec<Effect<'a>> = effects.collect::<Option<_>>()?;
        for effect in effects.iter().filter(|_| self.kept) {
            match effect.value.clone() {
                Some(value) => self.held.insert(effect.row, value),
                None => self.held.remove(&effect.row),
            };
        }
        Some(effects)
    }

    fn effect(&self, op: &'a Value) -> Option<Effect<'a>> {
        let row = row_named(op)?;
        let (value, patched) = match op.get("op")?.as_str()? {
            "set" => (Some(Cow::Borrowed(op.get("value")?)), None),
            "delete" => (None, None),
            "patch" => {
                let held = self.held.get(&row);
                let by = held.map_or(Patched::Absent, |_| Patched::Row);
                (
                    Some(Cow::Owned(patched(held.map(Cow::as_ref), op)?)),
                    Some(by),
                )
            }
            _ => return None,
        };
        Some(Effect {
            row,
            value,
            patched,
        })
    }
}

fn has_patch(ops: &Value) -> bool {
    let mut ops = ops.as_array().into_iter().flatten();
    ops.any(|op| op["op"] == "patch")
}

/// What a patch makes of a row's value; nothing, if that is no object.
fn patched(held: Option<&Value>, patch: &Value) -> Option<Value> {
    let mut fields = match held {
        Some(value) => value.as_object()?.clone(),
        None => Map::new(),
    };
    for name in patch
        .get("remove")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        fields.remove(name.as_str()?);
    }
    for (name, value) in patch
        .get("fields")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        fields.insert(name.clone(), value.clone());
    }
    Some(fields.into())
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
