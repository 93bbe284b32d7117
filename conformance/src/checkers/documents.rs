//! Documents: what was decided of ops on them is what their chapter says, as far as the log tells how each document stood.
//!
//! What replicas hold of documents is compared with the log where rows are: see `rows`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_schemas::base64;

use super::{Checker, Findings};
use crate::facts::{Facts, Log, LogStep, Mutation, Outcome, RowName, row_named};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "documents",
    requirements: &[
        "DOC-KIND",
        "DOC-DATA",
        "DOC-COMPACT-AHEAD",
        "DOC-BASE",
        "DOC-FULL",
    ],
    check,
};

fn check(facts: &Facts, findings: &mut Findings) {
    let histories: BTreeSet<(&str, &str)> = { facts.conns.iter() }
        .filter_map(|conn| Some((conn.workspace(), conn.epoch.as_deref()?)))
        .collect();
    for (workspace, epoch) in histories {
        let mut mutations = facts.ledger.of_workspace(workspace).iter();
        if mutations.any(|index| has_documents(&facts.ledger.mutations[*index])) {
            history(facts, workspace, epoch, findings);
        }
    }
}

fn has_documents(mutation: &Mutation) -> bool {
    let ops = mutation.sends.iter().filter_map(|send| send.ops.as_array());
    ops.flatten()
        .any(|op| is_of_documents(op) || op.get("kind").is_some())
}

fn is_of_documents(op: &Value) -> bool {
    op["op"] == "append" || op["op"] == "compact"
}

/// How documents stand, as far as a history was gone through.
#[derive(Default)]
struct Stand<'a> {
    /// The tables that hold documents.
    tables: BTreeSet<&'a str>,
    /// Tables of which nobody knows what they hold.
    unsure: BTreeSet<&'a str>,
    /// The entries of each document that is there, and the version at which it began.
    documents: BTreeMap<RowName<'a>, (Vec<Value>, u64)>,
}

fn history(facts: &Facts, workspace: &str, epoch: &str, findings: &mut Findings) {
    let log = Log::of(facts, workspace, epoch);
    let mut stand = Stand::default();
    for index in facts.ledger.of_workspace(workspace) {
        let mutation = &facts.ledger.mutations[*index];
        if mutation.outcome(epoch).is_none() {
            stand.unsure.extend(mutation.declared());
        }
    }
    for step in &log.steps {
        let mutation = &facts.ledger.mutations[step.mutation];
        let ops = mutation.ops_of(step.outcome);
        let Some(ops) = ops.and_then(Value::as_array) else {
            // Whatever it may have declared.
            stand.unsure.extend(mutation.declared());
            continue;
        };
        let declared = declares(ops);
        let judged = Judged {
            facts,
            log: &log,
            stand: &stand,
            declared: &declared,
            mutation,
            ops,
        };
        if let Some(outcome) = mutation.outcome(epoch) {
            judged.judge(step, outcome, findings);
        }
        if step.is_applied() {
            stand.tables.extend(declared);
            stand.step(step);
        }
    }
}

/// The tables that a mutation makes ones of documents.
fn declares(ops: &[Value]) -> BTreeSet<&str> {
    let declares = ops.iter().filter(|op| op["kind"] == "document");
    declares.filter_map(|op| op["table"].as_str()).collect()
}

impl<'a> Stand<'a> {
    fn step(&mut self, step: &LogStep<'a>) {
        for effect in &step.effects {
            match effect.value.as_deref().and_then(Value::as_array) {
                Some(entries) if effect.is_document() => {
                    let before = self.documents.get(&effect.row);
                    let life = before.map_or(step.version, |(_, life)| *life);
                    self.documents.insert(effect.row, (entries.clone(), life));
                }
                _ => drop(self.documents.remove(&effect.row)),
            }
        }
    }
}

/// A mutation that was decided, and how documents stood before.
struct Judged<'a> {
    facts: &'a Facts,
    log: &'a Log<'a>,
    stand: &'a Stand<'a>,
    declared: &'a BTreeSet<&'a str>,
    mutation: &'a Mutation,
    ops: &'a [Value],
}

impl Judged<'_> {
    fn judge(&self, step: &LogStep<'_>, outcome: &Outcome, findings: &mut Findings) {
        let code = outcome.code.as_deref();
        let known = self.ops.iter().all(|op| self.is_known(op));
        for op in self.ops {
            for (requirement, code, fault) in [
                ("DOC-DATA", "invalid_op", self.bad_data(op)),
                ("DOC-KIND", "wrong_kind", self.wrong_kind(op)),
                (
                    "DOC-COMPACT-AHEAD",
                    "invalid_op",
                    self.ahead(op, step.version),
                ),
                ("DOC-BASE", "document_deleted", self.deleted(op)),
                ("DOC-FULL", "document_full", self.full(op, outcome)),
            ] {
                // Of what is not known nothing is claimed; what is no fault must not be one.
                let Some(fault) = fault else { continue };
                let expected = || format!("{} is rejected with {code}", self.mutation.label());
                let applied = outcome.status == "applied";
                if fault || applied {
                    findings.must(
                        requirement,
                        !(fault && applied),
                        [outcome.at],
                        expected,
                        || format!("it was applied: {op}"),
                    );
                }
            }
        }
        let asked = |judge: &dyn Fn(&Value) -> Option<bool>| {
            self.ops.iter().any(|op| judge(op) != Some(false))
        };
        let unasked = match code {
            Some("wrong_kind") if !asked(&|op| self.wrong_kind(op)) => "DOC-KIND",
            Some("document_deleted") if !asked(&|op| self.deleted(op)) => "DOC-BASE",
            Some("document_full") if !asked(&|op| self.full(op, outcome)) => "DOC-FULL",
            _ => return,
        };
        if known {
            let expected = format!("{} is not rejected for that", self.mutation.label());
            let actual = code.unwrap_or_default().to_owned();
            findings.broken(unasked, [outcome.at], expected, actual);
        }
    }

    fn is_known(&self, op: &Value) -> bool {
        let table = op["table"].as_str().unwrap_or_default();
        let row = row_named(op);
        !self.stand.unsure.contains(table)
            && row.is_none_or(|row| !self.log.indefinite.contains(&row))
    }

    fn bad_data(&self, op: &Value) -> Option<bool> {
        let data = op.get("data")?.as_str()?;
        is_of_documents(op).then(|| !base64::is_valid(data))
    }

    /// Whether an op is of the other kind than its table.
    fn wrong_kind(&self, op: &Value) -> Option<bool> {
        let table = op["table"].as_str()?;
        if self.stand.unsure.contains(table) {
            return None;
        }
        let documents = self.stand.tables.contains(table) || self.declared.contains(table);
        match op["op"].as_str()? {
            "append" | "compact" => Some(!documents),
            "set" | "patch" => Some(documents),
            "delete" => Some(documents && op.get("ifVersion").is_some()),
            _ => Some(false),
        }
    }

    fn ahead(&self, op: &Value, version: u64) -> Option<bool> {
        let covers = op.get("covers").and_then(whole)?;
        (op["op"] == "compact").then_some(covers >= version)
    }

    /// Whether the document that the writer knew is gone.
    fn deleted(&self, op: &Value) -> Option<bool> {
        if op["op"] != "append" || !self.is_known(op) {
            return (op["op"] != "append").then_some(false);
        }
        let base = op.get("base").and_then(whole).unwrap_or(0);
        let document = self.stand.documents.get(&row_named(op)?);
        Some(base > 0 && document.is_none_or(|(_, life)| base < *life))
    }

    /// Whether there is no room for another entry. (A compaction makes room, mostly: it is let be.)
    fn full(&self, op: &Value, outcome: &Outcome) -> Option<bool> {
        if op["op"] != "append" || !self.is_known(op) {
            return (op["op"] != "append" && op["op"] != "compact").then_some(false);
        }
        let limit = |name| self.facts.limit(outcome.conn, name);
        let document = self.stand.documents.get(&row_named(op)?);
        let entries = document.map_or(&[][..], |(entries, _)| entries);
        let size = |data: &Value| data.to_string().len() as u64;
        let bytes: u64 = entries.iter().map(|entry| size(&entry["data"])).sum();
        let count = entries.len() as u64 + 1;
        let bytes = bytes + size(op.get("data")?);
        Some(count > limit("documentEntriesMax")? || bytes > limit("documentBytesMax")?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    #[test]
    fn good_and_bad_decisions() {
        let begun = "a > hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\n\
                     a > push 1 x t!document | 2 y t/k>AQ== | 3 z t/k>Ag==\n\
                     a < ack 2 1 x applied 1, 2 y applied 2, 3 z applied 3\n";
        let bob =
            |ops: &str, result: &str| format!("{begun}b > push 1 y {ops}\nb < ack 2 1 y {result}");
        let gone = |ops: &str, result: &str| {
            format!(
                "{begun}a > push 4 d t/k-\na < ack 3 4 d applied 4\nb > push 1 y {ops}\nb < ack 2 1 y {result}"
            )
        };
        let good = [
            (
                "DOC-BASE DOC-KIND DOC-DATA DOC-FULL",
                bob("t/k>Aw==$2", "applied 4"),
            ),
            ("DOC-BASE", bob("t/k>Aw==$1", "rejected 4 document_deleted")),
            (
                "DOC-BASE",
                gone("t/k>Aw==$3", "rejected 5 document_deleted"),
            ),
            ("DOC-BASE", gone("t/k>Aw==", "applied 5")),
            ("DOC-KIND", bob("t/k=1", "rejected 4 wrong_kind")),
            ("DOC-KIND", bob("u/k>AQ==", "rejected 4 wrong_kind")),
            ("DOC-KIND", bob("t/k-?3", "rejected 4 wrong_kind")),
            ("DOC-DATA", bob("t/k>AQ", "rejected 4 invalid_op")),
            ("DOC-COMPACT-AHEAD", bob("t/k>3>AQ==", "applied 4")),
            (
                "DOC-COMPACT-AHEAD",
                bob("t/k>4>AQ==", "rejected 4 invalid_op"),
            ),
            // Nobody knows whether it was declared.
            (
                "",
                bob(
                    "u!document",
                    "rejected 4 no_ops\nb > push 2 q u!document\na > push 4 w u/k>AQ==\na < ack 3 4 w applied 6",
                ),
            ),
        ];
        let bad = [
            ("DOC-BASE", bob("t/k>Aw==$1", "applied 4")),
            ("DOC-BASE", bob("t/k>Aw==$2", "rejected 4 document_deleted")),
            ("DOC-BASE", bob("t/k>Aw==", "rejected 4 document_deleted")),
            ("DOC-BASE", gone("t/k>Aw==$3", "applied 5")),
            ("DOC-KIND", bob("t/k=1", "applied 4")),
            ("DOC-KIND", bob("u/k>AQ==", "applied 4")),
            ("DOC-KIND", bob("t/k>AQ==", "rejected 4 wrong_kind")),
            ("DOC-DATA", bob("t/k>AQ", "applied 4")),
            ("DOC-COMPACT-AHEAD", bob("t/k>4>AQ==", "applied 4")),
            ("DOC-FULL", bob("t/k>Aw==", "rejected 4 document_full")),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
