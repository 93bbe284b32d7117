//! Fields that are decided one by one: each op was superseded in the fields in which it had to be, and in no other, and its writer was told so.
//!
//! What had to become of each field follows from the log ([`FieldsFate`]); where moments or what was forgotten leave it open, nothing is claimed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Findings};
use crate::facts::{
    Facts, FieldFate, FieldsFate, Log, Mutation, Outcome, named_in, says_what_stands,
};
use crate::history::whole;

pub(super) const CHECKER: Checker = Checker {
    name: "fields",
    requirements: &[
        "FLD-APART",
        "FLD-SET",
        "FLD-WHOLE",
        "FLD-FIELD-MOMENT",
        "FLD-TOLD",
        "FLD-WITH-LOCKS",
    ],
    check,
};

/// So many fields of a mutation a server names, and names of so many bytes (FLD-TOLD).
const NAMED_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 64;

fn check(facts: &Facts, findings: &mut Findings) {
    let histories: BTreeSet<(&str, &str)> = { facts.conns.iter() }
        .filter_map(|conn| Some((conn.workspace(), conn.epoch.as_deref()?)))
        .collect();
    for (workspace, epoch) in histories {
        let mut mutations = facts.ledger.of_workspace(workspace).iter();
        if !mutations.any(|index| declares_fields(&facts.ledger.mutations[*index])) {
            continue;
        }
        let log = Log::of(facts, workspace, epoch);
        for step in &log.steps {
            let mutation = &facts.ledger.mutations[step.mutation];
            let Some(outcome) = mutation.outcome(epoch) else {
                continue;
            };
            for fate in &step.field_fates {
                if !log.indefinite.contains(&fate.row) {
                    let judge = Judge {
                        has_room: has_room(facts, mutation, outcome, &step.field_fates),
                        mutation,
                        outcome,
                        fate,
                    };
                    judge.judge(findings);
                }
            }
        }
    }
}

fn declares_fields(mutation: &Mutation) -> bool {
    let ops = mutation.ops().and_then(Value::as_array);
    ops.into_iter()
        .flatten()
        .any(|op| op["granularity"] == "field")
}

/// An op and what became of it.
struct Judge<'a, 'f> {
    /// Whether the answer surely has room for what stands.
    has_room: bool,
    mutation: &'f Mutation,
    outcome: &'f Outcome,
    fate: &'a FieldsFate<'f>,
}

impl Judge<'_, '_> {
    fn judge(&self, findings: &mut Findings) {
        let told = self.fate.told.map(|told| &told["result"]);
        let in_fields = told.is_some_and(|told| told == "superseded_in_fields");
        let Some(fields) = &self.fate.fields else {
            let expected = || format!("{} is decided whole", self.name());
            findings.must("FLD-WHOLE", !in_fields, [self.outcome.at], expected, || {
                self.said()
            });
            return;
        };
        let expected = || format!("{} is decided field by field", self.name());
        let fits = told.is_none() || in_fields;
        findings.must("FLD-TOLD", fits, [self.outcome.at], expected, || {
            self.said()
        });
        fields.iter().for_each(|field| self.field(field, findings));
        if let Some(told) = self.fate.told.filter(|_| in_fields) {
            self.told(told, fields, findings);
            self.locks(findings);
        }
    }

    /// Whether a field was superseded if and only if it had to be.
    fn field(&self, field: &FieldFate, findings: &mut Findings) {
        let (Some(loses), Some(superseded)) = (field.loses, field.superseded) else {
            return;
        };
        let by_moment = self.fate.strategy == "last_write_wins" && field.concurrent == Some(true);
        let requirement = match by_moment {
            true => "FLD-FIELD-MOMENT",
            false if self.fate.is_set => "FLD-SET",
            false => "FLD-APART",
        };
        findings.judged("FLD-APART");
        let said = |superseded| match superseded {
            true => "superseded",
            false => "not superseded",
        };
        findings.must(
            requirement,
            loses == superseded,
            [self.outcome.at],
            || {
                format!(
                    "{} is {} in the field {:?}",
                    self.name(),
                    said(loses),
                    field.name
                )
            },
            || said(superseded).to_owned(),
        );
    }

    /// Whether what was told fits: which fields, how many, and what stands.
    fn told(&self, told: &Value, fields: &[FieldFate], findings: &mut Findings) {
        let names: Vec<&str> = named_in(told).collect();
        let count = told.get("count").and_then(whole).unwrap_or(0);
        let is_field = |name: &&&str| fields.iter().any(|field| field.name == **name);
        let odd = names.iter().find(|name| !is_field(name));
        let in_order = names.is_sorted_by(|a, b| a < b);
        let untold = count.checked_sub(names.len() as u64);
        let complete =
            untold.is_some_and(|untold| untold == 0 || self.may_leave_out(untold, fields));
        let expected = || {
            format!(
                "of {} each superseded field is told, in the order of their names, and how many there are",
                self.name()
            )
        };
        let holds = odd.is_none() && in_order && complete && count <= fields.len() as u64;
        findings.must("FLD-TOLD", holds, [self.outcome.at], expected, || {
            self.said()
        });
        let conflicts = told.get("conflicts").and_then(Value::as_array);
        for conflict in conflicts.into_iter().flatten() {
            let field = fields.iter().find(|field| conflict["field"] == field.name);
            if let Some(field) = field {
                self.stands(conflict, field, findings);
            }
        }
    }

    /// Whether a server need not name so many fields.
    fn may_leave_out(&self, untold: u64, fields: &[FieldFate]) -> bool {
        let long = { fields.iter() }.filter(|field| field.name.len() > NAME_BYTES_MAX);
        let all = self.outcome.told.as_ref().and_then(Value::as_array);
        let named: usize = all
            .into_iter()
            .flatten()
            .map(|told| named_in(told).count())
            .sum();
        untold <= long.count() as u64 || named >= NAMED_MAX
    }

    /// Whether what is said to stand is what stood. Where the version was made before anything that is known, only the value is.
    fn stands(&self, conflict: &Value, field: &FieldFate, findings: &mut Findings) {
        let says = says_what_stands(conflict);
        let value = match &field.stood {
            Some(stood) => conflict["gone"] != true && conflict.get("value") == Some(stood),
            None => conflict["gone"] == true && conflict.get("value").is_none(),
        };
        let version = conflict.get("version").and_then(whole);
        let version_holds =
            version.is_none_or(|version| field.version == 0 || version == field.version);
        let complete = says && version.is_some() || !self.has_room;
        let holds = (value || !says) && version_holds && complete;
        let expected = || {
            let what = field
                .stood
                .as_ref()
                .map_or("nothing".to_owned(), Value::to_string);
            let (name, version) = (&field.name, field.version);
            format!(
                "of {name:?} in {} stands {what}, of version {version}",
                self.name()
            )
        };
        findings.must("FLD-TOLD", holds, [self.outcome.at], expected, || {
            conflict.to_string()
        });
    }

    fn locks(&self, findings: &mut Findings) {
        let ops = self.mutation.ops().and_then(Value::as_array);
        let mut ops = ops.into_iter().flatten();
        let has_lock = ops.any(|op| op.get("ifVersion").is_some());
        let expected =
            || "a mutation with a lock is rejected if a field of it is superseded".into();
        findings.must(
            "FLD-WITH-LOCKS",
            !has_lock,
            [self.outcome.at],
            expected,
            || self.name(),
        );
    }

    fn name(&self) -> String {
        let (table, key) = self.fate.row;
        let (at, strategy) = (self.fate.at, self.fate.strategy);
        format!(
            "op {at} of {}, a write of {table}/{key} under {strategy}",
            self.mutation.label()
        )
    }

    fn said(&self) -> String {
        self.fate
            .told
            .map_or_else(|| "nothing".to_owned(), Value::to_string)
    }
}

/// Whether an answer surely has room for all that stands: it is the first, of this mutation alone, and would not pass half a frame.
fn has_room(
    facts: &Facts,
    mutation: &Mutation,
    outcome: &Outcome,
    fates: &[FieldsFate<'_>],
) -> bool {
    let before = { mutation.sends.iter() }.filter(|send| send.at < outcome.at);
    let (Some(frame), 1) = (facts.frame(outcome.at), before.count()) else {
        return false;
    };
    let results = frame.member("results").and_then(Value::as_array);
    let alone = results.is_some_and(|results| results.len() == 1);
    let told = outcome.told.as_ref().and_then(Value::as_array);
    let of_fields = |told: &Value| told["result"] == "superseded_in_fields";
    if !(alone && frame.member("re").is_some() && told.into_iter().flatten().all(of_fields)) {
        return false;
    }
    let fields = fates.iter().flat_map(|fate| fate.fields.iter().flatten());
    let bytes = |field: &FieldFate| {
        let stood = field
            .stood
            .as_ref()
            .map_or(0, |value| value.to_string().len());
        stood + MEMBERS_BYTES
    };
    let more: usize = fields.map(bytes).sum();
    let most = facts.limit(outcome.conn, "frameBytesMax");
    most.is_some_and(|most| (frame.to_string().len() + more) as u64 <= most / 2)
}

/// Bytes that the members of a field take beside its name and value.
const MEMBERS_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::*;

    const ROW: &str = r#"t/k={"a":1,"b":1}"#;

    /// Alice has declared the table and made a row of two fields at version 1; Bob has changed `a` at version 2, and pushes this.
    fn bob(strategy: &str, ops: &str, result: &str) -> String {
        let hello = "hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\nc > hello cyd\nc < welcome 0 0";
        format!(
            "a > {hello}\na > push 1 x t!{strategy}.field {ROW}\na < ack 2 1 x applied 1\n\
             c > push 1 z t/k~{{\"a\":2}}$1\nc < ack 2 1 z applied 2\n\
             b > push 1 y {ops}\nb < ack 2 1 y applied 3 {result}"
        )
    }

    #[test]
    fn good_and_bad_fates() {
        let server = |ops, result| bob("server_wins", ops, result);
        let last = |ops, result| bob("last_write_wins", ops, result);
        let good = [
            ("FLD-APART", server(r#"t/k~{"b":3}$1"#, "")),
            (
                "FLD-APART FLD-TOLD FLD-WITH-LOCKS",
                server(r#"t/k~{"a":3,"b":3}$1"#, "fields:0:a@2=2"),
            ),
            ("FLD-APART", server(r#"t/k~{"a":3,"b":3}$2"#, "")),
            ("FLD-APART", server(r#"t/k~{"new":3}"#, "")),
            (
                "FLD-APART",
                server(r#"t/k~{"a":3,"b":3}"#, "fields:0:a@2=2&b@1=1"),
            ),
            ("FLD-SET", server(r#"t/k={"b":3}$1"#, "fields:0:a@2=2")),
            ("FLD-WHOLE", server("t/k-$1", "superseded:0")),
            ("FLD-WHOLE", server("t/k=1$1", "superseded:0")),
            ("FLD-WHOLE", server(r#"t/n={"a":1}"#, "")),
            (
                "FLD-FIELD-MOMENT",
                last(r#"age=5000 t/k~{"a":3}$1"#, "fields:0:a@2=2"),
            ),
            ("FLD-APART", last(r#"age=5000 t/k~{"b":3}$1"#, "")),
            (
                "FLD-TOLD",
                server(r#"t/k~{"a":3}$1"#, "fields:0:a")
                    .replace("b < ack", "b > push 1 y t/k~{\"a\":3}$1\nb < ack"),
            ),
            // Nobody knows which was first, nor which of two it was.
            ("", last(r#"t/k~{"a":3}$1"#, "")),
            ("", last(r#"t/k~{"a":3}$1"#, "fields:0:a@2=2")),
            ("", last(r#"t/k~{"a":3,"b":3}"#, "fields:0:+1")),
        ];
        let bad = [
            ("FLD-APART", server(r#"t/k~{"b":3}$1"#, "fields:0:b@1=1")),
            ("FLD-APART", server(r#"t/k~{"a":3,"b":3}$1"#, "")),
            (
                "FLD-APART",
                server(r#"t/k~{"a":3,"b":3}$1"#, "fields:0:a@2=2&b@1=1"),
            ),
            ("FLD-SET", server(r#"t/k={"b":3}$1"#, "")),
            ("FLD-WHOLE", server("t/k=1$1", "fields:0:a@2=2")),
            ("FLD-FIELD-MOMENT", last(r#"age=5000 t/k~{"a":3}$1"#, "")),
            (
                "FLD-FIELD-MOMENT",
                last(r#"t/k~{"a":3}$1"#, "fields:0:a@2=2")
                    .replace("b > push", "wait 500\nb > push"),
            ),
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "superseded:0")),
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "fields:0:a@2=1")),
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "fields:0:a@1=2")),
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "fields:0:+1")),
            (
                "FLD-TOLD",
                server(r#"t/k~{"a":3,"b":1}"#, "fields:0:b@1=1&a@2=2"),
            ),
            (
                "FLD-TOLD",
                server(r#"t/k~{"a":3}$1"#, "fields:0:a@2=2&c@1-"),
            ),
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "fields:0:a@2-")),
            // A first answer with room says what stands.
            ("FLD-TOLD", server(r#"t/k~{"a":3}$1"#, "fields:0:a")),
            (
                "FLD-WITH-LOCKS",
                server(r#"t/k~{"a":3}$1 t/n=1?0"#, "fields:0:a@2=2"),
            ),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }

    /// Who sets a field that the row has not got meets the last removal, and what a delete has left.
    #[test]
    fn removals_are_one() {
        let history = |ops: &str, result: &str| {
            let removed = bob("server_wins", "t/k~-b$1", "");
            format!("{removed}\na > push 2 w {ops}\na < ack 3 2 w applied 4 {result}")
        };
        let anew = |ops: &str, result: &str| {
            let gone = bob("server_wins", "t/k-$2", "");
            let made = r#"c > push 2 v t/k={"c":1}$0"#;
            format!(
                "{gone}\n{made}\nc < ack 3 2 v applied 4\na > push 2 w {ops}\na < ack 3 2 w applied 5 {result}"
            )
        };
        let good = [
            ("FLD-APART", history(r#"t/k~{"z":1}$2"#, "fields:0:z@3-")),
            ("FLD-APART", history(r#"t/k~{"z":1}$3"#, "")),
            ("FLD-APART", anew(r#"t/k~{"z":1}$2"#, "fields:0:z@3-")),
            ("FLD-APART", anew(r#"t/k~{"z":1}"#, "")),
            ("FLD-APART", anew(r#"t/k~{"c":1}"#, "fields:0:c@4=1")),
        ];
        let bad = [
            ("FLD-APART", history(r#"t/k~{"z":1}$2"#, "")),
            ("FLD-APART", anew(r#"t/k~{"z":1}"#, "fields:0:z@3-")),
        ];
        table(
            &CHECKER,
            &good.each_ref().map(|(ids, text)| (*ids, text.as_str())),
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
    }
}
