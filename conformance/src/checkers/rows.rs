//! What replicas hold: after each complete update exactly what the log says up to its `to`.
//!
//! This one comparison carries most of the promises: completeness, atomicity, exactly once, durability, isolation. Which of them a difference
//! breaks is worked out in [`blame`]; here is the walk.

use std::collections::{BTreeMap, BTreeSet};

use super::blame::{Difference, Kind, blame};
use super::{Checker, Findings};
use crate::facts::{Answer, Complete, Facts, Known, Log, LogStep, Replica, Row, RowKey, Sub};
use crate::matcher::{equal, short};
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
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let mut logs: BTreeMap<(&str, &str), Log> = BTreeMap::new();
    for sub in &facts.subs {
        let workspace = facts.conns[sub.conn].workspace();
        let log = logs
            .entry((workspace, &sub.epoch))
            .or_insert_with(|| Log::of(facts, workspace, &sub.epoch));
        Walk::new(facts, sub, log).check(findings);
    }
}

/// A subscription's way through the log.
struct Walk<'a> {
    facts: &'a Facts,
    sub: &'a Sub,
    log: &'a Log,
    replica: Replica,
    /// What the log says at `version`.
    known: BTreeMap<RowKey, Known>,
    version: u64,
}

impl<'a> Walk<'a> {
    fn new(facts: &'a Facts, sub: &'a Sub, log: &'a Log) -> Walk<'a> {
        // A subscription that goes on from another holds its rows; one with a cursor of its own is taken at its word.
        let replica = match &sub.cursor {
            Some((epoch, version)) if sub.resumes.is_none() && *epoch == sub.epoch => Replica::at(
                (epoch.clone(), *version),
                log.rows_at(*version, &sub.tables),
            ),
            _ => sub.base.resumed(),
        };
        Walk {
            facts,
            sub,
            log,
            replica,
            known: BTreeMap::new(),
            version: 0,
        }
    }

    fn check(mut self, findings: &mut Findings) {
        for (index, complete) in self.sub.completes.iter().enumerate() {
            let from = if index == 0 { 0 } else { complete.first };
            for part in &self.sub.parts[from..=complete.last] {
                if let Some(frame) = self.facts.frame(part.at) {
                    self.replica.take(&self.sub.epoch, frame);
                }
            }
            let since = self.version;
            let changed = self.advance(complete);
            let keys: BTreeSet<RowKey> = match index == 0 || complete.replacement {
                true => self
                    .known
                    .keys()
                    .chain(self.replica.rows.keys())
                    .cloned()
                    .collect(),
                false => self.named(complete).into_iter().chain(changed).collect(),
            };
            let kind = self.kind(index, complete);
            self.occasions(kind, complete, since, findings);
            for key in keys {
                self.compare(&key, kind, complete, findings);
            }
        }
    }

    /// Brings what the log says up to the update's `to`; gives the rows that changed on the way.
    fn advance(&mut self, complete: &Complete) -> BTreeSet<RowKey> {
        if complete.to < self.version || self.known.is_empty() {
            self.known = self.log.known_at(complete.to, &self.sub.tables);
            self.version = complete.to;
            return self.known.keys().cloned().collect();
        }
        let later =
            self.log
                .known_at_from(&mut self.known, self.version, complete.to, &self.sub.tables);
        self.version = complete.to;
        later
    }

    /// The rows that the update's frames name.
    fn named(&self, complete: &Complete) -> BTreeSet<RowKey> {
        let frames = self.sub.parts[complete.first..=complete.last]
            .iter()
            .filter_map(|part| self.facts.frame(part.at));
        let changes = frames
            .filter_map(|frame| frame.member("changes")?.as_array())
            .flatten();
        changes.filter_map(crate::facts::row_of).collect()
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
        let told_at = |step: &LogStep| {
            let outcomes = &self.facts.ledger.mutations[step.mutation].outcomes;
            outcomes.first().map_or(usize::MAX, |outcome| outcome.at)
        };
        let missed = self.log.steps.iter().filter(|step| step.version > cursor);
        let told_at = missed.map(told_at).min().unwrap_or(usize::MAX);
        self.facts.hooks.iter().any(|(hook, begun, done)| {
            *hook == Hook::Truncate && told_at < *begun && *done < self.sub.asked_at
        })
    }

    fn compare(&self, key: &RowKey, kind: Kind, complete: &Complete, findings: &mut Findings) {
        let held = self.replica.rows.get(key);
        let known = self.known.get(key).unwrap_or(&Known::Absent(None));
        match (known, held) {
            (Known::Indefinite, _) | (Known::Absent(_), None) => return,
            (Known::Row(row), Some(held))
                if row.version == held.version && equal(&row.value, &held.value) =>
            {
                return;
            }
            _ => {}
        }
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
        let at = self.sub.parts[complete.first].at..=self.sub.parts[complete.last].at;
        let at = self
            .sub
            .parts
            .iter()
            .map(|part| part.at)
            .filter(|part| at.contains(part));
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
        let tables = &self.sub.tables;
        let at = self.sub.parts[complete.last].at;
        let rows = self
            .known
            .values()
            .any(|known| matches!(known, Known::Row(_)));
        if rows {
            findings.judged("UPD-ROW-VERSION");
            findings.judged("JSON-VALUE-KEPT");
        }
        let ended = |outcome: usize| {
            self.facts.hooks.iter().any(|(hook, begun, done)| {
                hook.ends_connections() && *hook != Hook::Restore && outcome < *begun && *done < at
            })
        };
        for step in self
            .log
            .steps
            .iter()
            .filter(|step| step.version <= complete.to)
        {
            let mutation = &self.facts.ledger.mutations[step.mutation];
            let in_shape = step
                .effects
                .iter()
                .filter(|(key, _)| tables.contains(&key.0))
                .count();
            if in_shape == 0 {
                continue;
            }
            if mutation.sends.len() > 1 {
                findings.judged("PUSH-ONCE");
            }
            if mutation
                .outcomes
                .first()
                .is_some_and(|outcome| ended(outcome.at))
            {
                findings.judged("MODEL-DURABLE");
            }
            if step.version > since && in_shape > 1 {
                findings.judged("UPD-ATOMIC");
            }
            if step.version > since && kind == Kind::Live {
                findings.judged("UPD-DELIVERED");
            }
            let deletes = step
                .effects
                .iter()
                .any(|(key, value)| tables.contains(&key.0) && value.is_none());
            if deletes && step.version > complete.from && !complete.replacement {
                findings.judged("UPD-DELETE");
            }
        }
        self.refusals(at, findings);
    }

    /// Mutations that must not show: rejected, refused, of another workspace.
    fn refusals(&self, at: usize, findings: &mut Findings) {
        let workspace = self.facts.conns[self.sub.conn].workspace();
        for mutation in &self.facts.ledger.mutations {
            if !mutation
                .rows()
                .iter()
                .any(|(table, _)| self.sub.tables.contains(table))
            {
                continue;
            }
            if mutation.workspace != workspace {
                findings.judged("MODEL-ISOLATION");
                continue;
            }
            match mutation.outcome(&self.sub.epoch) {
                Some(outcome) if outcome.status == "rejected" && outcome.at < at => {
                    findings.judged("PUSH-ATOMIC")
                }
                None => mutation
                    .sends
                    .iter()
                    .filter(|send| send.at < at)
                    .for_each(|send| {
                        if let Answer::Not(code) = &send.answer
                            && let Some(requirement) = super::blame::of_refusal(code)
                        {
                            findings.judged(requirement);
                        }
                    }),
                Some(_) => {}
            }
        }
    }
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
}
