//! What the log says of a shape's tables, sorted so that each update asks for little: its rows by name, and what gives occasion to judge by version.
//!
//! It is made once for all subscriptions with the same tables: a long history has thousands of them, and each update of each asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::blame::{of_patch, of_refusal};
use crate::facts::{Answer, Effect, Facts, Filters, Known, Log, Row, RowKey, RowName, Sibling};
use crate::matcher::equal;
use serde_json::Value;

/// What the log says of some tables.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    /// What each row that was ever named became, by version; nothing of those of which too little is known.
    rows: BTreeMap<RowName<'a>, Option<Vec<Became<'a>>>>,
    /// The rows that were changed, by version.
    changed: Vec<(u64, RowName<'a>)>,
    /// From which version on how many rows are there.
    present: Vec<(u64, usize)>,
    /// The earliest entry at which anything up to this version was told.
    told: Vec<(u64, usize)>,
    /// The first version of a mutation that was sent again.
    again: Option<u64>,
    /// The versions that changed several rows.
    several: Vec<u64>,
    /// The versions that deleted.
    deletes: Vec<u64>,
    /// The first versions that patched, by what was patched.
    patched: BTreeMap<&'static str, u64>,
    /// The documents among the rows.
    documents: BTreeSet<RowName<'a>>,
    /// The first version at which a row had several values.
    siblings: Option<u64>,
    /// What must not show: the requirement, and from which entry on there is occasion to judge it.
    refused: BTreeMap<&'static str, usize>,
}

/// A version, and the value that a row has from it on; none where it was deleted.
type Became<'a> = (u64, Option<Cow<'a, Value>>, Vec<Sibling>);

impl<'a> Shape<'a> {
    /// What the log of this workspace and epoch says of these tables.
    pub(super) fn of(
        facts: &'a Facts,
        log: &Log<'a>,
        (workspace, epoch): (&str, &str),
        (tables, filters): (&BTreeSet<String>, &Filters),
    ) -> Shape<'a> {
        let mut shape = Shape::default();
        for key in &log.indefinite {
            if tables.contains(key.0) {
                shape.rows.insert(*key, None);
            }
        }
        shape.replay(facts, log, (tables, filters));
        shape.refusals(facts, workspace, epoch, tables);
        shape
    }

    fn replay(
        &mut self,
        facts: &Facts,
        log: &Log<'a>,
        (tables, filters): (&BTreeSet<String>, &Filters),
    ) {
        let mut present = 0;
        let mut told = usize::MAX;
        for step in &log.steps {
            let (mut count, mut deletes) = (0, false);
            for effect in step.effects_on(tables) {
                count += 1;
                let value =
                    { effect.value.clone() }.filter(|value| filters.take(effect.row, value));
                deletes |= effect.value.is_none();
                if let Some(patched) = effect.patched {
                    let first = self.patched.entry(of_patch(patched));
                    first.or_insert(step.version);
                }
                self.note_document(step.version, effect);
                if !effect.siblings.is_empty() {
                    self.siblings.get_or_insert(step.version);
                }
                self.effect(step.version, effect, value, &mut present);
            }
            if count == 0 {
                continue;
            }
            let mutation = &facts.ledger.mutations[step.mutation];
            told = told.min(mutation.outcomes.first().map_or(usize::MAX, |told| told.at));
            self.told.push((step.version, told));
            self.present.push((step.version, present));
            if mutation.sends.len() > 1 {
                self.again.get_or_insert(step.version);
            }
            if count > 1 {
                self.several.push(step.version);
            }
            if deletes {
                self.deletes.push(step.version);
            }
        }
    }

    fn note_document(&mut self, version: u64, effect: &Effect<'a>) {
        if effect.is_document() {
            self.documents.insert(effect.row);
            self.patched.entry("DOC-COMPLETE").or_insert(version);
        } else if effect.value.is_none() && self.documents.contains(&effect.row) {
            self.patched.entry("DOC-DELETE").or_insert(version);
        }
    }

    /// What a row became: its value, if it is there and in the shape. A delete of what is not there changes nothing.
    fn effect(
        &mut self,
        version: u64,
        effect: &Effect<'a>,
        value: Option<Cow<'a, Value>>,
        present: &mut usize,
    ) {
        let key = effect.row;
        self.changed.push((version, key));
        let Some(row) = self.rows.entry(key).or_insert_with(|| Some(Vec::new())) else {
            return;
        };
        let was = row.last().is_some_and(|(_, value, _)| value.is_some());
        match (was, value.is_some()) {
            (false, true) => *present += 1,
            (true, false) => *present -= 1,
            _ => {}
        }
        if was || value.is_some() {
            row.push((version, value, effect.siblings.clone()));
        }
    }

    /// Mutations that must not show: rejected or refused ones.
    fn refusals(&mut self, facts: &Facts, workspace: &str, epoch: &str, tables: &BTreeSet<String>) {
        let mut occasion = |requirement, at: usize| {
            let first = self.refused.entry(requirement).or_insert(at);
            *first = at.min(*first);
        };
        for index in facts.ledger.of_workspace(workspace) {
            let mutation = &facts.ledger.mutations[*index];
            match mutation.outcome(epoch) {
                Some(outcome) if outcome.status != "rejected" => {}
                _ if !mutation.touches(tables) => {}
                Some(outcome) => occasion("PUSH-ATOMIC", outcome.at),
                None => mutation.sends.iter().for_each(|send| {
                    if let Answer::Not(code) = &send.answer
                        && let Some(requirement) = of_refusal(code)
                    {
                        occasion(requirement, send.at);
                    }
                }),
            }
        }
    }

    /// All rows that were ever named.
    pub(super) fn keys(&self) -> impl Iterator<Item = RowName<'a>> {
        self.rows.keys().copied()
    }

    /// The rows that were changed above one version and up to another.
    pub(super) fn changed(&self, from: u64, to: u64) -> impl Iterator<Item = RowName<'a>> {
        let first = self
            .changed
            .partition_point(|(version, _)| *version <= from);
        let later = self.changed[first..].iter();
        later
            .take_while(move |(version, _)| *version <= to)
            .map(|(_, key)| *key)
    }

    /// Compares what is held of a row with what the log says of it at a version.
    ///
    /// # Errors
    /// What the log says.
    pub(super) fn compare(
        &self,
        key: RowName<'_>,
        version: u64,
        held: Option<&Row>,
    ) -> Result<(), Known> {
        let row = match self.rows.get(&key) {
            Some(None) => return Ok(()),
            Some(Some(row)) => row.as_slice(),
            None => &[],
        };
        let until = row.partition_point(|(at, _, _)| *at <= version);
        let last = until.checked_sub(1).map(|index| &row[index]);
        let Some((version, value, siblings)) = last else {
            return held.map_or(Ok(()), |_| Err(Known::Absent(None)));
        };
        match (value, held) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Known::Absent(Some(*version))),
            (Some(value), Some(held))
                if *version == held.version
                    && equal(value, &held.value)
                    && same(siblings, &held.siblings) =>
            {
                Ok(())
            }
            (Some(value), _) => Err(Known::Row(Row {
                value: value.clone().into_owned(),
                version: *version,
                siblings: siblings.clone(),
                document: self.documents.contains(&key),
            })),
        }
    }

    /// The rows that are known to be there at a version.
    pub(super) fn rows_at(&self, version: u64) -> BTreeMap<RowKey, Row> {
        let rows = self.rows.iter().filter_map(|((table, key), row)| {
            let row = row.as_ref()?;
            let until = row.partition_point(|(at, _, _)| *at <= version);
            let (version, value, siblings) = row[until.checked_sub(1)?].clone();
            let row = Row {
                value: value?.into_owned(),
                version,
                siblings,
                document: self.documents.contains(&(*table, *key)),
            };
            Some(((table.to_string(), key.to_string()), row))
        });
        rows.collect()
    }

    /// Whether any row is known to be there at a version.
    pub(super) fn has_rows(&self, version: u64) -> bool {
        up_to(&self.present, version).is_some_and(|present| present > 0)
    }

    /// When anything up to this version was told first.
    pub(super) fn told(&self, version: u64) -> Option<usize> {
        up_to(&self.told, version)
    }

    /// Whether a mutation up to this version was sent more than once.
    pub(super) fn has_again(&self, version: u64) -> bool {
        self.again.is_some_and(|again| again <= version)
    }

    /// Whether a version above one and up to another changed several rows.
    pub(super) fn has_several(&self, from: u64, to: u64) -> bool {
        is_within(&self.several, from, to)
    }

    /// Whether a version above one and up to another deleted.
    pub(super) fn has_deletes(&self, from: u64, to: u64) -> bool {
        is_within(&self.deletes, from, to)
    }

    /// Whether a row had several values at some version up to this one.
    pub(super) fn has_siblings(&self, version: u64) -> bool {
        self.siblings.is_some_and(|first| first <= version)
    }

    /// The requirements of patches up to a version.
    pub(super) fn patched(&self, version: u64) -> impl Iterator<Item = &'static str> {
        let patched = self.patched.iter();
        patched
            .filter(move |(_, first)| **first <= version)
            .map(|(requirement, _)| *requirement)
    }

    /// The requirements of what must not show, of which there was occasion before this entry.
    pub(super) fn refused(&self, before: usize) -> impl Iterator<Item = &'static str> {
        let refused = self.refused.iter();
        refused
            .filter(move |(_, at)| **at < before)
            .map(|(requirement, _)| *requirement)
    }
}

/// Whether the values beside are the same, one by one.
pub(super) fn same(known: &[Sibling], held: &[Sibling]) -> bool {
    let alike = |(one, other): (&Sibling, &Sibling)| {
        one.version == other.version && equal(&one.value, &other.value)
    };
    known.len() == held.len() && known.iter().zip(held).all(alike)
}

/// What stands at the last version up to this one.
fn up_to(by_version: &[(u64, usize)], version: u64) -> Option<usize> {
    let until = by_version.partition_point(|(at, _)| *at <= version);
    Some(by_version[until.checked_sub(1)?].1)
}

fn is_within(versions: &[u64], from: u64, to: u64) -> bool {
    let first = versions.partition_point(|version| *version <= from);
    versions.get(first).is_some_and(|version| *version <= to)
}

#[cfg(test)]
mod tests {
    use super::super::notation::facts;
    use super::*;

    /// What the log says of t/k, told in answer to one that holds what cannot be.
    fn said(shape: &Shape<'_>, version: u64) -> String {
        let held = Row {
            value: "none".into(),
            version: u64::MAX,
            siblings: Vec::new(),
            document: false,
        };
        match shape.compare(("t", "k"), version, Some(&held)) {
            Err(Known::Row(row)) => format!("{} at {}", row.value, row.version),
            Err(Known::Absent(Some(version))) => format!("deleted at {version}"),
            Err(Known::Absent(None)) => "never there".to_owned(),
            known => format!("{known:?}"),
        }
    }

    #[test]
    fn a_row_at_each_version() {
        let pushed = "a > hello alice\na < welcome 0 0\na > push 1 o t/k- | 2 p t/k=1 | 3 q t/k- | 4 r t/k- u/k=7 | 5 s t/k=2 | 6 u t/k=3 t/j=1\n";
        let acked = "a < ack 2 1 o applied 1, 2 p applied 2, 3 q applied 4, 4 r applied 5, 5 s applied 6, 6 u applied 7\n";
        let facts = facts(&format!("{pushed}{acked}a > push 7 v t/i=1"));
        let (log, tables) = (Log::of(&facts, "w", "e"), ["t".to_owned()].into());
        let shape = Shape::of(&facts, &log, ("w", "e"), (&tables, &Filters::default()));
        // A delete of what is not there changes nothing: not before the row was made, not after it was deleted.
        let says = [
            "never there",
            "never there",
            "1 at 2",
            "1 at 2",
            "deleted at 4",
            "deleted at 4",
            "2 at 6",
            "3 at 7",
        ];
        let rows = [false, false, true, true, false, false, true, true];
        for (version, (says, rows)) in (0..).zip(says.into_iter().zip(rows)) {
            assert_eq!(said(&shape, version), says, "at {version}");
            assert_eq!(shape.has_rows(version), rows, "at {version}");
            let at = shape.rows_at(version);
            assert_eq!(at, log.rows_at(version, &tables), "at {version}");
            let held = at.get(&("t".to_owned(), "k".to_owned()));
            assert_eq!(shape.compare(("t", "k"), version, held), Ok(()));
            assert_eq!(shape.compare(("t", "k"), version, None).is_err(), rows);
        }
        // Another table's rows are none of its own; of what nobody knows anything may be held.
        let keys: Vec<_> = shape.keys().map(|(_, key)| key).collect();
        assert_eq!(keys, ["i", "j", "k"]);
        assert_eq!(shape.compare(("t", "i"), 6, None), Ok(()));
        let changed: Vec<_> = shape.changed(2, 5).collect();
        assert_eq!(changed, [("t", "k"), ("t", "k")]);
        assert!(shape.has_several(6, 7) && !shape.has_several(0, 6) && !shape.has_several(7, 9));
    }
}
