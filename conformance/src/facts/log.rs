//! The log of outcomes of one workspace and epoch, as far as acks and welcomes told it, and its replay.
//!
//! A mutation whose outcome is not known makes only the rows that it names indefinite: nothing is claimed about those.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{Fields, FieldsFate};
use super::mutation::{Answer, Mutation};
use super::replay::{Fate, Fates, Replay};
use super::replica::{Row, RowKey, RowName, Sibling};
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
    /// Its outcome in this history.
    pub outcome: &'a Outcome,
    /// What it did to each row. Empty if it was rejected.
    pub effects: Vec<Effect<'a>>,
    /// What had to become of its ops in tables whose strategy asks.
    pub fates: Vec<Fate<'a>>,
    /// What had to become of the fields of its ops in tables whose granularity is `field`.
    pub field_fates: Vec<FieldsFate<'a>>,
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
    /// The values that it has beside, in the order of their versions.
    pub siblings: Vec<Sibling>,
    /// What is kept of its fields, where they are decided one by one.
    pub(super) fields: Option<Fields<'a>>,
}

/// What was patched, or done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// A row that was there.
    Row,
    /// None: it was made of the fields.
    Absent,
    /// A document has one more entry.
    Appended,
    /// A document was compacted.
    Compacted,
}

impl Effect<'_> {
    /// Whether it left a document.
    #[must_use]
    pub fn is_document(&self) -> bool {
        matches!(self.patched, Some(Patched::Appended | Patched::Compacted))
    }
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
        let mut unsure = BTreeSet::new();
        for index in facts.ledger.of_workspace(workspace) {
            if !log.add(facts, *index, epoch) {
                unsure.extend(facts.ledger.mutations[*index].declared());
            }
        }
        log.steps.sort_by_key(|step| step.version);
        log.replay(facts, workspace, unsure);
        log
    }

    /// Works out what each step did, in order.
    fn replay(&mut self, facts: &'a Facts, workspace: &str, unsure: BTreeSet<&'a str>) {
        let mutations = { self.steps.iter() }.map(|step| &facts.ledger.mutations[step.mutation]);
        let mut replay = Replay::new(facts, workspace, mutations, unsure);
        let mut unknown = BTreeSet::new();
        for step in &mut self.steps {
            let mutation = &facts.ledger.mutations[step.mutation];
            if !step.is_applied() {
                continue;
            }
            let mut fates = Fates::default();
            let effects = replay.step(mutation, step.outcome, &mut fates);
            (step.fates, step.field_fates) = (fates.rows, fates.fields);
            match effects {
                Some(effects) => step.effects = effects,
                None => unknown.extend(mutation.row_names()),
            }
        }
        self.indefinite.extend(unknown);
    }

    /// Adds what is known of a mutation; says whether that is enough.
    fn add(&mut self, facts: &'a Facts, index: usize, epoch: &str) -> bool {
        let mutation = &facts.ledger.mutations[index];
        if let Some(outcome) = mutation.outcome(epoch) {
            self.decided(index, outcome);
            return true;
        }
        let mut sure = true;
        if let Some(earlier) = mutation.outcomes.first() {
            match inherited(facts, mutation, earlier) {
                Inherited::Yes => {
                    self.decided(index, earlier);
                    return true;
                }
                Inherited::Maybe => sure = false,
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
        sure &= !(open || elsewhere);
        if !sure {
            self.indefinite.extend(mutation.row_names());
        }
        sure
    }

    fn decided(&mut self, index: usize, outcome: &'a Outcome) {
        self.steps.push(Step {
            version: outcome.version,
            mutation: index,
            outcome,
            effects: Vec::new(),
            fates: Vec::new(),
            field_fates: Vec::new(),
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
                    *was = replayed(was, effect, step.version);
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
fn replayed(was: &Known, effect: &Effect<'_>, version: u64) -> Known {
    match (was, effect.value.as_deref()) {
        (_, Some(value)) => Known::Row(Row {
            value: value.clone(),
            version,
            siblings: effect.siblings.clone(),
            document: effect.is_document(),
        }),
        (Known::Row(_), None) => Known::Absent(Some(version)),
        (was, None) => was.clone(),
    }
}

impl<'a> Step<'a> {
    /// Whether it took effect.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.outcome.status == "applied"
    }

    /// What it did to rows of these tables.
    pub fn effects_on(&self, tables: &BTreeSet<String>) -> impl Iterator<Item = &Effect<'a>> {
        self.effects
            .iter()
            .filter(|effect| tables.contains(effect.row.0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::notation::facts;

    fn session(name: &str, epoch: &str) -> String {
        let hello = r#"{"type":"hello","workspace":"w","clientId":"alice"}"#;
        format!(
            "{name} > {hello}\n{name} < {{\"type\":\"welcome\",\"epoch\":\"{epoch}\",\"version\":0,\"lastSeq\":0,\"results\":[]}}\n"
        )
    }

    fn push(name: &str, epoch: &str, ops: &str) -> String {
        format!(
            "{name} > {{\"type\":\"push\",\"epoch\":\"{epoch}\",\"mutations\":[{{\"seq\":1,\"opId\":\"x\",\"ops\":[{ops}]}}]}}\n"
        )
    }

    fn rows(facts: &Facts, epoch: &str) -> usize {
        let tables = ["t".to_owned()].into();
        Log::of(facts, "w", epoch).rows_at(9, &tables).len()
    }

    /// One history applied it at version 1; the next, in which it was given up, rejected it at version 1.
    #[test]
    fn each_epoch_goes_by_its_own_outcome() {
        let set = r#"{"op":"set","table":"t","key":"k","value":1}"#;
        let history = session("a", "e")
            + &push("a", "e", set)
            + "a < ack 2 1 x applied 1\n"
            + "hook backup\nhook restore\n"
            + &session("b", "f")
            + &push("b", "f", "")
            + "b < ack 2 1 x rejected 1 no_ops\n";
        let facts = facts(&history);
        assert_eq!((rows(&facts, "e"), rows(&facts, "f")), (1, 0));
    }

    /// With a new epoch, what spoke of the old one is left out: the ops are those that were sent in the epoch that decided them.
    #[test]
    fn the_ops_are_those_of_the_epoch() {
        let set = |base: &str| format!(r#"{{"op":"set","table":"t","key":"k",{base}"value":1}}"#);
        let history = session("a", "e")
            + &push("a", "e", &set(r#""base":4,"#))
            + "a closed\nhook backup\nhook restore\n"
            + &session("b", "f")
            + &push("b", "f", &set(""))
            + "b < ack 2 1 x applied 1\n";
        assert_eq!(rows(&facts(&history), "f"), 1);
    }
}
