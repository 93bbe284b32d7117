//! What replicas hold: after each complete update exactly what the log says up to its `to`.
//!
//! This one comparison carries most of the promises: completeness, atomicity, exactly once, durability, isolation. Which of them a difference
//! breaks is worked out in [`blame`]; here is the walk.

use std::collections::{BTreeMap, BTreeSet};

use super::blame::{Difference, Kind, blame};
use super::shape::Shape;
use super::{Checker, Findings};
use crate::facts::{
    Complete, Facts, Filters, Known, Log, Replica, Row, RowKey, RowName, Sub, row_named,
};
use crate::matcher::short;
use crate::scenario::Hook;

pub(super) const CHECKER: Checker = Checker {
    name: "rows",
    requirements: &[
        "UPD-COMPLETE",
        "UPD-ATOMIC",
        "UPD-DELETE",
        "UPD-DELIVERED",
        "UPD-ROW-VERSION",
        "SUB-REPLACE-COMPLETE",
        "SUB-RESUME",
        "SUB-CURSOR-TRUNCATED",
        "PUSH-ONCE",
        "PUSH-ATOMIC",
        "PUSH-SEQ-GAP",
        "PUSH-CHAIN-FOLLOWS",
        "PUSH-EPOCH",
        "PUSH-DEFER",
        "MODEL-DURABLE",
        "MODEL-ISOLATION",
        "JSON-VALUE-KEPT",
        "FLD-PATCH",
        "FLD-ABSENT",
        "CFL-SIBLINGS",
        "DOC-APPEND",
        "DOC-COMPACT",
        "DOC-DELETE",
        "DOC-COMPLETE",
        "FLT-MATCH",
        "FLT-REMOVE",
    ],
    check,
};

/// What a shape's log is made out of: workspace and epoch, tables, filters.
type Key<'a> = ((&'a str, &'a str), &'a BTreeSet<String>, &'a Filters);

fn check(facts: &Facts, findings: &mut Findings) {
    let mut logs: BTreeMap<(&str, &str), Log<'_>> = BTreeMap::new();
    for sub in &facts.subs {
        let history = history(facts, sub);
        logs.entry(history)
            .or_insert_with(|| Log::of(facts, history.0, history.1));
    }
    let told: BTreeMap<_, _> = { logs.iter() }
        .map(|(history, log)| (*history, told_from(facts, log)))
        .collect();
    let writers = writers(facts);
    let mut shapes: BTreeMap<Key<'_>, Shape<'_>> = BTreeMap::new();
    for sub in &facts.subs {
        let history = history(facts, sub);
        let log = &logs[&history];
        let shape = shapes
            .entry((history, &sub.tables, &sub.filters))
            .or_insert_with(|| Shape::of(facts, log, history, (&sub.tables, &sub.filters)));
        let elsewhere = |table: &String| {
            let writers = writers.get(table.as_str()).into_iter().flatten();
            { writers }.any(|workspace| *workspace != history.0)
        };
        if !sub.completes.is_empty() && sub.tables.iter().any(elsewhere) {
            findings.judged("MODEL-ISOLATION");
        }
        let replica = match &sub.cursor {
            // A subscription that goes on from another holds its rows; one with a cursor of its own is taken at its word.
            Some((epoch, version)) if sub.resumes.is_none() && *epoch == sub.epoch => {
                Replica::at((epoch.clone(), *version), shape.rows_at(*version))
            }
            _ => sub.base.resumed(),
        };
        let walk = Walk {
            facts,
            sub,
            log,
            told: &told[&history],
            shape,
            replica,
            version: 0,
        };
        walk.check(findings);
    }
}

/// The workspace and epoch of a subscription.
fn history<'a>(facts: &'a Facts, sub: &'a Sub) -> (&'a str, &'a str) {
    (facts.conns[sub.conn].workspace(), &sub.epoch)
}

/// For each step of a log when it or a later one was told first.
fn told_from(facts: &Facts, log: &Log<'_>) -> Vec<usize> {
    let mut earliest = usize::MAX;
    let told = log.steps.iter().rev().map(|step| {
        let outcomes = &facts.ledger.mutations[step.mutation].outcomes;
        earliest = earliest.min(outcomes.first().map_or(usize::MAX, |outcome| outcome.at));
        earliest
    });
    let mut told: Vec<usize> = told.collect();
    told.reverse();
    told
}

/// The workspaces in which each table is written: two are enough, to have one that is another.
fn writers(facts: &Facts) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut writers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for mutation in &facts.ledger.mutations {
        for (table, _) in mutation.row_names() {
            let writers = writers.entry(table).or_default();
            if writers.len() < 2 {
                writers.insert(&mutation.workspace);
            }
        }
    }
    writers
}

/// A subscription's way through the log.
struct Walk<'a> {
    facts: &'a Facts,
    sub: &'a Sub,
    log: &'a Log<'a>,
    /// When a step or a later one was told first.
    told: &'a [usize],
    /// What the log says of the tables.
    shape: &'a Shape<'a>,
    replica: Replica,
    /// Up to where it was compared.
    version: u64,
}

impl Walk<'_> {
    fn check(mut self, findings: &mut Findings) {
        for (index, complete) in self.sub.completes.iter().enumerate() {
            let from = if index == 0 { 0 } else { complete.first };
            for part in &self.sub.parts[from..=complete.last] {
                if let Some(frame) = self.facts.frame(part.at) {
                    self.replica.take(&self.sub.epoch, frame);
                }
            }
            let since = std::mem::replace(&mut self.version, complete.to);
            let kind = self.kind(index, complete);
            self.occasions(kind, complete, since, findings);
            if index == 0 || complete.replacement || complete.to < since {
                self.compare_all(kind, complete, findings);
            } else {
                let named = self.named(complete);
                let keys: BTreeSet<RowName<'_>> = { named }
                    .chain(self.shape.changed(since, complete.to))
                    .collect();
                for (table, key) in keys {
                    let key = (table.to_owned(), key.to_owned());
                    self.compare(&key, kind, complete, findings);
                }
            }
        }
    }

    /// Compares every row that was ever named, and every row that is held: both come in order.
    fn compare_all(&self, kind: Kind, complete: &Complete, findings: &mut Findings) {
        let mut held = self.replica.rows.iter().peekable();
        for key in self.shape.keys() {
            while let Some((other, row)) = held.next_if(|(held, _)| name(held) < key) {
                self.compare_held(name(other), Some(row), kind, complete, findings);
            }
            let row = held.next_if(|(held, _)| name(held) == key);
            self.compare_held(key, row.map(|(_, row)| row), kind, complete, findings);
        }
        for (other, row) in held {
            self.compare_held(name(other), Some(row), kind, complete, findings);
        }
    }

    /// The rows that the update's frames name.
    fn named(&self, complete: &Complete) -> impl Iterator<Item = RowName<'_>> {
        let frames = self.sub.parts[complete.first..=complete.last]
            .iter()
            .filter_map(|part| self.facts.frame(part.at));
        let changes = frames
            .filter_map(|frame| frame.member("changes")?.as_array())
            .flatten();
        changes.filter_map(row_named)
    }

    fn kind(&self, index: usize, complete: &Complete) -> Kind {
        let of_history = self
            .sub
            .cursor
            .as_ref()
            .is_some_and(|(epoch, _)| *epoch == self.sub.epoch);
        match () {
            () if index == 0 && of_history && self.is_below_truncated() => Kind::Truncated,
            () if index == 0 && of_history => Kind::Resume,
            () if complete.replacement => Kind::Replacement,
            () => Kind::Live,
        }
    }

    /// Whether the subscription began at a cursor below something that was decided before the log was truncated.
    fn is_below_truncated(&self) -> bool {
        let cursor = self.sub.cursor.as_ref().map_or(0, |(_, version)| *version);
        let missed = self
            .log
            .steps
            .partition_point(|step| step.version <= cursor);
        let told_at = self.told.get(missed).copied().unwrap_or(usize::MAX);
        self.facts.hooks.iter().any(|(hook, begun, done)| {
            *hook == Hook::Truncate && told_at < *begun && *done < self.sub.asked_at
        })
    }

    fn compare(&self, key: &RowKey, kind: Kind, complete: &Complete, findings: &mut Findings) {
        let held = self.replica.rows.get(key);
        self.compare_held(name(key), held, kind, complete, findings);
    }

    fn compare_held(
        &self,
        key: RowName<'_>,
        held: Option<&Row>,
        kind: Kind,
        complete: &Complete,
        findings: &mut Findings,
    ) {
        if let Err(known) = self.shape.compare(key, complete.to, held) {
            let key = (key.0.to_owned(), key.1.to_owned());
            self.differs(&key, &known, held, (kind, complete), findings);
        }
    }

    fn differs(
        &self,
        key: &RowKey,
        known: &Known,
        held: Option<&Row>,
        (kind, complete): (Kind, &Complete),
        findings: &mut Findings,
    ) {
        let difference = Difference {
            facts: self.facts,
            sub: self.sub,
            log: self.log,
            replica: &self.replica,
            key,
            known,
            held,
            kind,
            to: complete.to,
        };
        let parts = &self.sub.parts[complete.first..=complete.last];
        let at = parts.iter().map(|part| part.at);
        let show = |row: Option<&Row>| {
            row.map_or_else(
                || "not there".to_owned(),
                |row| format!("{} at version {}", short(&row.value), row.version),
            )
        };
        let should = match known {
            Known::Row(row) => show(Some(row)),
            Known::Absent(Some(version)) => format!("not there (deleted at version {version})"),
            _ => show(None),
        };
        let name = &self.facts.conns[self.sub.conn].name;
        let expected = format!(
            "{}, after the update of {name} to {}: {should}",
            crate::drive::replicas::label(key),
            complete.to
        );
        findings.broken(blame(&difference), at, expected, show(held));
    }

    /// What this update gives occasion to judge.
    fn occasions(&self, kind: Kind, complete: &Complete, since: u64, findings: &mut Findings) {
        // Without a replacement nothing shows that the truncation has dropped anything.
        findings.judged(match kind {
            Kind::Truncated if !complete.replacement => Kind::Resume.requirement(),
            kind => kind.requirement(),
        });
        let at = self.sub.parts[complete.last].at;
        let to = complete.to;
        if self.shape.has_rows(to) {
            findings.judged("UPD-ROW-VERSION");
            findings.judged("JSON-VALUE-KEPT");
        }
        if !self.sub.filters.is_empty() {
            findings.judged("FLT-MATCH");
        }
        if self.shape.has_siblings(to) {
            findings.judged("CFL-SIBLINGS");
        }
        if self.shape.has_again(to) {
            findings.judged("PUSH-ONCE");
        }
        let ended = |outcome: usize| {
            self.facts.hooks.iter().any(|(hook, begun, done)| {
                hook.ends_connections() && *hook != Hook::Restore && outcome < *begun && *done < at
            })
        };
        if self.shape.told(to).is_some_and(ended) {
            findings.judged("MODEL-DURABLE");
        }
        if self.shape.has_several(since, to) {
            findings.judged("UPD-ATOMIC");
        }
        if kind == Kind::Live && self.shape.changed(since, to).next().is_some() {
            findings.judged("UPD-DELIVERED");
        }
        if self.shape.has_deletes(complete.from, to) && !complete.replacement {
            findings.judged("UPD-DELETE");
        }
        for requirement in self.shape.patched(to).chain(self.shape.refused(at)) {
            findings.judged(requirement);
        }
    }
}

fn name(key: &RowKey) -> RowName<'_> {
    (&key.0, &key.1)
}

#[cfg(test)]
mod tests;
