//! What replicas hold: after each complete update exactly what the log says up to its `to`.
//!
//! This one comparison carries most of the promises: completeness, atomicity, exactly once, durability, isolation. Which of them a difference
//! breaks is worked out in [`blame`]; here is the walk.

use std::collections::{BTreeMap, BTreeSet};

use super::blame::{Difference, Kind, blame};
use super::shape::Shape;
use super::{Checker, Findings};
use crate::facts::{Complete, Facts, Known, Log, Replica, Row, RowKey, RowName, Sub, row_named};
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
    ],
    check,
};

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
    let mut shapes: BTreeMap<((&str, &str), &BTreeSet<String>), Shape<'_>> = BTreeMap::new();
    for sub in &facts.subs {
        let history = history(facts, sub);
        let log = &logs[&history];
        let shape = shapes
            .entry((history, &sub.tables))
            .or_insert_with(|| Shape::of(facts, log, history, &sub.tables));
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
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_rows() {
        // Alice writes t/k and t/j at once, then deletes t/j; bob's mutation is rejected.
        let log = "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 t/j=1 | 2 y t/j-\na < ack 2 1 x applied 1, 2 y applied 2\n\
                   b > hello bob\nb < welcome 2 0\nb > push 1 z t/k=9 t/r=9\nb < ack 2 1 z rejected 3 version_conflict\n";
        let reader = "c > hello\nc < welcome 3 0\nc > subscribe i t\nc < subscribed i s t\n";
        let read = |rest: &str| format!("{log}{reader}{rest}");
        let resumed =
            |rest: &str| format!("{log}{}{rest}", reader.replace("i t\nc <", "i t @1\nc <"));
        let truncated = |rest: &str| resumed(rest).replace("c > hello", "hook truncate\nc > hello");
        let live = |rest: &str| {
            format!("{reader}c < update s 0..0 replace\n{log}{rest}")
                .replace("welcome 3 0", "welcome 0 0")
        };
        // Two entries, a third, a compaction of the first two; deleted at 7, if asked.
        let documents = |rest: &str| {
            let deletes = rest.contains("6..7") && !rest.contains("push 5");
            let deleted = if deletes { " | 5 v d/k-" } else { "" };
            let acked = if deletes { ", 5 v applied 7" } else { "" };
            format!(
                "a > hello alice\na < welcome 0 0\na > push 1 x d!document | 2 y d/k>AQ== | 3 z d/k>Ag==\n\
                 a < ack 2 1 x applied 1, 2 y applied 2, 3 z applied 3\n\
                 c > hello\nc < welcome 3 0\nc > subscribe i d\nc < subscribed i s d\n\
                 c < update s 0..3 replace d/k>AQ==@2 d/k>Ag==@3\n\
                 b > hello bob\nb < welcome 3 0\nb > push 1 t d/n>AQ== d/k>BA==\nb < ack 2 1 t applied 5\n\
                 a > push 4 w d/k>3>AgM={deleted}\na < ack 3 4 w applied 6{acked}\n{rest}"
            )
            .replace("d/n>AQ== ", "")
        };
        let twice = "a > push 1 x t/k=1 t/j=1\na < ack 3 1 x applied 1\n";
        let good = [
            (
                "SUB-REPLACE-COMPLETE PUSH-ATOMIC UPD-ROW-VERSION",
                read("c < update s 0..3 replace t/k=1@1"),
            ),
            ("SUB-RESUME UPD-DELETE", resumed("c < update s 1..3 t/j-@2")),
            (
                "SUB-CURSOR-TRUNCATED",
                truncated("c < update s 0..3 replace t/k=1@1"),
            ),
            (
                "UPD-COMPLETE UPD-ATOMIC",
                live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3 t/j-@2"),
            ),
            (
                "UPD-ATOMIC",
                live(
                    "c < update s 0.. t/k=1@1\nc < update s 0..1 t/j=1@1\nc < update s 1..2 t/j-@2",
                ),
            ),
            (
                "PUSH-ONCE",
                format!("{}{twice}c < update s 0..3 t/k=1@1", live("")),
            ),
            (
                "MODEL-DURABLE",
                format!("{log}hook kill\n{reader}c < update s 0..3 replace t/k=1@1"),
            ),
            // Nobody knows what became of it: nothing is said of its row.
            (
                "SUB-REPLACE-COMPLETE",
                read("b > push 2 q t/k=5\nc < update s 0..4 replace t/k=5@4"),
            ),
            (
                "PUSH-SEQ-GAP",
                read(
                    "b > push 7 q t/k=5\nb < ack 3 7 q refused seq_gap\nc < update s 0..3 replace t/k=1@1",
                ),
            ),
            (
                "DOC-APPEND DOC-COMPACT DOC-DELETE DOC-COMPLETE",
                documents("c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\nc < update s 6..7 d/k-@7"),
            ),
            // Nothing to merge: nothing changes.
            (
                "DOC-COMPACT",
                documents(
                    "c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\na > push 5 u d/k>3>Bw==\na < ack 4 5 u applied 7\nc < update s 6..7",
                ),
            ),
            // What a replacement in mid-subscription leaves out is gone.
            (
                "SUB-REPLACE-COMPLETE",
                live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 0..3 replace t/k=1@1"),
            ),
        ];
        let bad = [
            ("SUB-REPLACE-COMPLETE", read("c < update s 0..3 replace")),
            (
                "SUB-REPLACE-COMPLETE",
                read("c < update s 0..3 replace t/k=1@1 t/j=1@1"),
            ),
            (
                "PUSH-ATOMIC",
                read("c < update s 0..3 replace t/k=1@1 t/r=9@3"),
            ),
            ("UPD-ROW-VERSION", read("c < update s 0..3 replace t/k=1@3")),
            ("JSON-VALUE-KEPT", read("c < update s 0..3 replace t/k=2@1")),
            ("SUB-RESUME", resumed("c < update s 1..3")),
            ("SUB-CURSOR-TRUNCATED", truncated("c < update s 1..3")),
            (
                "UPD-ATOMIC",
                live("c < update s 0..1 t/k=1@1\nc < update s 1..3 t/j-@2"),
            ),
            (
                "UPD-DELETE",
                live("c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3"),
            ),
            (
                "UPD-COMPLETE",
                live(
                    "c < update s 0..1 t/k=1@1 t/j=1@1\nc < update s 1..3 t/j-@2\na > push 3 w t/k=4\na < ack 3 3 w applied 4\nc < update s 3..4",
                ),
            ),
            (
                "PUSH-ONCE",
                format!("{}{twice}c < update s 0..4 t/k=1@4", live("")),
            ),
            (
                "MODEL-DURABLE",
                format!("{log}hook kill\n{reader}c < update s 0..3 replace"),
            ),
            (
                "PUSH-SEQ-GAP",
                read(
                    "b > push 7 q t/n=5\nb < ack 3 7 q refused seq_gap\nc < update s 0..4 replace t/k=1@1 t/n=5@4",
                ),
            ),
            (
                "PUSH-CHAIN-FOLLOWS",
                read(
                    "b > push 2 q t/n=5\nb < ack 3 2 q refused chain_broken\nc < update s 0..4 replace t/k=1@1 t/n=5@4",
                ),
            ),
            (
                "MODEL-ISOLATION",
                read(
                    "d > {\"type\":\"hello\",\"workspace\":\"v\",\"clientId\":\"d\"}\nd < welcome 0 0\nd > push 1 q t/n=5\nd < ack 2 1 q applied 1\nc < update s 0..3 replace t/k=1@1 t/n=5@1",
                ),
            ),
            ("DOC-COMPACT", documents("c < update s 3..6 d/k>3>AgM=@6")),
            ("DOC-COMPLETE", documents("c < update s 3..6 d/k>BA==@5")),
            ("DOC-APPEND", documents("c < update s 3..5 d/k>BQ==@5")),
            ("DOC-COMPACT", documents("c < update s 3..6 d/k>5>AgM=@6")),
            (
                "DOC-DELETE",
                documents("c < update s 3..6 d/k>3>AgM=@6 d/k>BA==@5\nc < update s 6..7"),
            ),
            // Rows that the log never named: before those that it names, between them, after them.
            (
                "SUB-REPLACE-COMPLETE",
                read("c < update s 0..3 replace t/a=1@1 t/k=1@1"),
            ),
            (
                "SUB-REPLACE-COMPLETE",
                read("c < update s 0..3 replace t/jj=1@1 t/k=1@1"),
            ),
            (
                "SUB-REPLACE-COMPLETE",
                read("c < update s 0..3 replace t/k=1@1 t/z=1@1"),
            ),
            // A replacement in mid-subscription leaves out what did not change, or adds something.
            (
                "SUB-REPLACE-COMPLETE",
                live("c < update s 0..3 t/k=1@1\nc < update s 0..3 replace"),
            ),
            (
                "SUB-REPLACE-COMPLETE",
                live("c < update s 0..3 t/k=1@1\nc < update s 0..3 replace t/a=1@1 t/k=1@1"),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
        // A truncation that dropped nothing, or nothing that the cursor needs, gives no occasion.
        let above = format!("hook truncate\n{}", resumed("c < update s 1..3 t/j-@2"));
        for history in [truncated("c < update s 1..3 t/j-@2"), above] {
            let judged = super::super::notation::run(&CHECKER, &history).judged;
            assert!(!judged.contains("SUB-CURSOR-TRUNCATED"), "{history}");
        }
    }

    #[test]
    fn each_row_is_compared_once_and_in_order() {
        // The log names t/j, which is deleted, t/k and t/m; t/k is missing, and all but t/m is too much.
        let history = "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 t/j=1 t/m=1 | 2 y t/j-\na < ack 2 1 x applied 1, 2 y applied 2\n\
                       c > hello\nc < welcome 2 0\nc > subscribe i t\nc < subscribed i s t\n\
                       c < update s 0..2 replace t/a=1@1 t/b=1@1 t/jj=1@1 t/m=1@1 t/y=1@1 t/z=1@1";
        let violations = super::super::notation::run(&CHECKER, history).violations;
        let names = { violations.iter() }.filter_map(|broken| broken.expected.split(',').next());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["a", "b", "jj", "k", "y", "z"].map(|key| format!(r#""t"/"{key}""#))
        );
    }
}
