//! Locks: that `ifVersion` was decided as the log says, so that nobody writes over what they have not seen.
//!
//! The log of outcomes is replayed: at each mutation's place in it, who has changed the row, and when, says whether its locks hold. Rows that somebody
//! may have changed without its being known are left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{Facts, Log, LogStep, Mutation, Outcome, RowName, row_named};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "locks",
    requirements: &["OP-IF-VERSION", "OP-IF-VERSION-ABSENT"],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let histories: BTreeSet<(&str, &str)> = facts
        .conns
        .iter()
        .filter_map(|conn| Some((conn.workspace(), conn.epoch.as_deref()?)))
        .collect();
    for (workspace, epoch) in histories {
        let log = Log::of(facts, workspace, epoch);
        let mut rows: BTreeMap<RowName<'_>, Changes<'_>> = BTreeMap::new();
        for step in &log.steps {
            let mutation = &facts.ledger.mutations[step.mutation];
            if let Some(outcome) = mutation.outcome(epoch) {
                judge(&log, &rows, mutation, outcome, findings);
            }
            replay(&mut rows, step, &mutation.client);
        }
    }
}

/// Who has changed a row last, and at which version; whether it is there.
#[derive(Debug, Default)]
struct Changes<'a> {
    last: Option<(u64, &'a str)>,
    /// The last change by anybody but who changed it last.
    other: u64,
    present: bool,
}

/// Whether a lock holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// The server may know it or not.
    Either,
}

impl<'a> Changes<'a> {
    fn holds(&self, version: u64, client: &str) -> Holds {
        let (last, by) = self.last.unwrap_or((0, ""));
        match (self.present, version) {
            (false, 0) => Holds::Yes,
            (false, _) | (true, 0) => Holds::No,
            (true, _) if version == last => Holds::Yes,
            (true, _) if version > last => Holds::No,
            // All that came later is the client's own.
            (true, _) if by == client && self.other <= version => Holds::Either,
            (true, _) => Holds::No,
        }
    }

    fn changed(&mut self, version: u64, client: &'a str) {
        if let Some((last, by)) = self.last.replace((version, client))
            && by != client
        {
            self.other = last;
        }
    }
}

fn replay<'a>(rows: &mut BTreeMap<RowName<'a>, Changes<'a>>, step: &LogStep<'a>, client: &'a str) {
    for effect in &step.effects {
        let row = rows.entry(effect.row).or_default();
        if row.present || effect.value.is_some() {
            row.changed(step.version, client);
        }
        row.present = effect.value.is_some();
    }
}

/// Compares a mutation's outcome with what its locks ask for.
fn judge(
    log: &Log<'_>,
    rows: &BTreeMap<RowName<'_>, Changes<'_>>,
    mutation: &Mutation,
    outcome: &Outcome,
    findings: &mut Findings,
) {
    let ops = mutation.ops().and_then(Value::as_array);
    let locks: Vec<_> = ops.into_iter().flatten().filter_map(lock_of).collect();
    if locks.is_empty() || locks.iter().any(|(key, _)| log.indefinite.contains(key)) {
        return;
    }
    let none = Changes::default();
    let held = locks.iter().map(|(key, version)| {
        let row = rows.get(key).unwrap_or(&none);
        (
            row.holds(*version, &mutation.client),
            row.present && *version > 0,
        )
    });
    let held: Vec<(Holds, bool)> = held.collect();
    let of = |present: bool| match present {
        true => "OP-IF-VERSION",
        false => "OP-IF-VERSION-ABSENT",
    };
    let conflict = outcome.code.as_deref() == Some("version_conflict");
    let told = || {
        format!(
            "{} is {} {}",
            mutation.label(),
            outcome.status,
            outcome.code.as_deref().unwrap_or_default()
        )
    };
    if let Some((_, present)) = held.iter().find(|(holds, _)| *holds == Holds::No) {
        let expected = || "a lock does not hold: not applied".to_owned();
        findings.must(
            of(*present),
            outcome.status != "applied",
            [outcome.at],
            expected,
            told,
        );
    } else if held.iter().all(|(holds, _)| *holds == Holds::Yes) {
        let expected = || "all locks hold: no version_conflict".to_owned();
        findings.must(of(held[0].1), !conflict, [outcome.at], expected, told);
    }
}

fn lock_of(op: &Value) -> Option<(RowName<'_>, u64)> {
    Some((row_named(op)?, op.get("ifVersion").and_then(whole)?))
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_locks() {
        let begun = "a > hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\na > push 1 x t/k=1\na < ack 2 1 x applied 1\n";
        let bob =
            |ops: &str, result: &str| format!("{begun}b > push 1 y {ops}\nb < ack 2 1 y {result}");
        let alice =
            |ops: &str, result: &str| format!("{begun}a > push 2 y {ops}\na < ack 3 2 y {result}");
        let twice = |ops: &str, result: &str| {
            format!(
                "{}\na > push 3 z {ops}\na < ack 4 3 z {result}",
                alice("t/k=2", "applied 2")
            )
        };
        let conflict = "rejected 2 version_conflict";
        // Each applied, from version 2 on.
        let chain = |mutations: &[&str]| {
            let (mut history, mut sent) = (begun.to_owned(), BTreeMap::from([("a", 1)]));
            for (version, mutation) in (2..).zip(mutations) {
                let (client, op) = mutation.split_once(' ').expect("a client and an op");
                let seq = sent.entry(client).or_insert(0);
                *seq += 1;
                history += &format!(
                    "{client} > push {seq} y{version} {op}\n{client} < ack {} {seq} y{version} applied {version}\n",
                    *seq + 1
                );
            }
            history
        };
        let lost = |history: &str| format!("{history}\na > push 2 q t/k=9");
        let good = [
            ("OP-IF-VERSION", bob("t/k=2?1", "applied 2")),
            ("OP-IF-VERSION", bob("t/k=2?7", conflict)),
            ("OP-IF-VERSION-ABSENT", bob("t/k=2?0", conflict)),
            ("OP-IF-VERSION-ABSENT", bob("t/j=2?0", "applied 2")),
            ("OP-IF-VERSION-ABSENT", bob("t/j-?5", conflict)),
            // The server may have forgotten that nobody else was there.
            ("", twice("t/k=3?1", "applied 3")),
            ("", twice("t/k=3?1", "rejected 3 version_conflict")),
            // Nobody knows what became of it.
            (
                "",
                format!(
                    "{}\nb > push 1 y t/k=2?1\nb < ack 2 1 y applied 3",
                    begun.to_owned() + "a > push 2 q t/k=9"
                ),
            ),
            // Nobody else was there after that version, however often its writer was.
            ("", chain(&["a t/k=2", "a t/k=3", "a t/k=4?1"])),
            ("", chain(&["b t/k=2", "a t/k=3", "a t/k=4?2"])),
            ("", chain(&["a t/k-", "a t/k=3", "a t/k=4?1"])),
            ("", chain(&["b t/k-", "a t/k=3", "a t/k=4?2"])),
            // A delete of what is not there is no change.
            ("", chain(&["a t/k-", "b t/k-", "a t/k=4", "a t/k=5?1"])),
            (
                "OP-IF-VERSION-ABSENT",
                chain(&["a t/k-", "b t/k-", "b t/k=4?0"]),
            ),
            ("OP-IF-VERSION", chain(&["a t/k-", "a t/k=3", "b t/k=4?3"])),
            // It is not known from some time on: nothing is said of its locks before either, nor of those beside them.
            ("", lost(&bob("t/k=2?7 t/j=1?5", "applied 2"))),
        ];
        let bad = [
            ("OP-IF-VERSION", bob("t/k=2?1", conflict)),
            ("OP-IF-VERSION", bob("t/k=2?7", "applied 2")),
            ("OP-IF-VERSION-ABSENT", bob("t/k=2?0", "applied 2")),
            ("OP-IF-VERSION-ABSENT", bob("t/j=2?0", conflict)),
            ("OP-IF-VERSION-ABSENT", bob("t/j-?5", "applied 2")),
            (
                "OP-IF-VERSION",
                format!(
                    "{}\nb > push 1 z t/k=3?1\nb < ack 2 1 z applied 3",
                    alice("t/k=2", "applied 2")
                ),
            ),
            // Somebody else was there after that version: before all that is the client's own, amid it, with a delete.
            (
                "OP-IF-VERSION",
                chain(&["b t/k=2", "a t/k-", "a t/k=4", "a t/k=5?1"]),
            ),
            (
                "OP-IF-VERSION",
                chain(&["b t/k=2", "a t/k=3", "b t/k=4", "a t/k=5", "a t/k=6?3"]),
            ),
            ("OP-IF-VERSION", chain(&["b t/k-", "a t/k=3", "a t/k=4?1"])),
            ("OP-IF-VERSION", chain(&["a t/k-", "a t/k=3", "b t/k=4?1"])),
            // Of the rows that are known something is said still.
            ("OP-IF-VERSION-ABSENT", lost(&bob("t/j=1?5", "applied 2"))),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
