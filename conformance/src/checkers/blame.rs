//! Which promise a wrong row breaks: worked out from who wrote it, when, and what was told of that write.

use super::shape::same;
use crate::facts::{
    Answer, Effect, Facts, Known, Log, Mutation, Patched, Replica, Row, RowKey, Sub,
};
use crate::history::Frame;
use crate::matcher::equal;
use crate::scenario::Hook;
use serde_json::Value;

/// What an update was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first complete update from a cursor.
    Resume,
    /// The same, after the log was truncated.
    Truncated,
    /// A replacement.
    Replacement,
    /// Any other.
    Live,
}

impl Kind {
    /// The requirement that such an update be complete.
    pub(super) fn requirement(self) -> &'static str {
        match self {
            Kind::Resume => "SUB-RESUME",
            Kind::Truncated => "SUB-CURSOR-TRUNCATED",
            Kind::Replacement => "SUB-REPLACE-COMPLETE",
            Kind::Live => "UPD-COMPLETE",
        }
    }
}

/// A row that is not as the log has it.
pub(super) struct Difference<'a> {
    pub(super) facts: &'a Facts,
    pub(super) sub: &'a Sub,
    pub(super) log: &'a Log<'a>,
    pub(super) replica: &'a Replica,
    pub(super) key: &'a RowKey,
    /// What the log says.
    pub(super) known: &'a Known,
    /// What the replica holds.
    pub(super) held: Option<&'a Row>,
    /// What the update was for.
    pub(super) kind: Kind,
    /// Where it leads.
    pub(super) to: u64,
}

/// The requirement that a difference breaks.
pub(super) fn blame(difference: &Difference<'_>) -> &'static str {
    let held = difference.held.is_some_and(|row| row.document);
    let document = held || matches!(difference.known, Known::Row(row) if row.document);
    let filtered = difference.of_filter().map(|requirement| match document {
        // Both have it: it is of the shape, and not what it should be.
        true if difference.held.is_some() && !matches!(difference.known, Known::Absent(_)) => None,
        true => Some("DOC-FILTER"),
        false => Some(requirement),
    });
    if let Some(requirement) = filtered.flatten() {
        return requirement;
    }
    match (difference.known, of_rows(difference)) {
        (Known::Absent(Some(_)), _) if held => "DOC-DELETE",
        (Known::Row(row), "UPD-COMPLETE") if row.document => "DOC-COMPLETE",
        (_, requirement) => requirement,
    }
}

fn of_rows(difference: &Difference<'_>) -> &'static str {
    match (difference.known, difference.held) {
        (Known::Row(row), Some(held))
            if row.version == held.version && !same(&row.siblings, &held.siblings) =>
        {
            "CFL-SIBLINGS"
        }
        (Known::Row(row), Some(held)) if equal(&row.value, &held.value) => {
            difference.other_version(row, held)
        }
        (Known::Row(row), Some(held)) if row.version == held.version => {
            difference.other_value(row.version)
        }
        (Known::Row(row), held) => held
            .and_then(|held| difference.phantom(held))
            .unwrap_or_else(|| difference.missing(row)),
        (Known::Absent(deleted), Some(held)) => match deleted {
            Some(version) if held.version < *version => difference.stale(),
            _ => difference
                .phantom(held)
                .unwrap_or(difference.kind.requirement()),
        },
        _ => difference.kind.requirement(),
    }
}

/// The requirement that a mutation which was refused with this code must not show.
pub(super) fn of_refusal(code: &str) -> Option<&'static str> {
    match code {
        "seq_gap" => Some("PUSH-SEQ-GAP"),
        "chain_broken" => Some("PUSH-CHAIN-FOLLOWS"),
        "epoch_changed" => Some("PUSH-EPOCH"),
        "rate_limited" | "server_busy" => Some("PUSH-DEFER"),
        _ => None,
    }
}

/// The requirement that what is patched be so.
pub(super) fn of_patch(patched: Patched) -> &'static str {
    match patched {
        Patched::Row => "FLD-PATCH",
        Patched::Absent => "FLD-ABSENT",
        Patched::Appended => "DOC-APPEND",
        Patched::Compacted => "DOC-COMPACT",
    }
}

impl Difference<'_> {
    /// Of a table with a filter: which requirement is broken, if it is one of filters. A row that is held, and is there and does not match, was not removed.
    fn of_filter(&self) -> Option<&'static str> {
        let filters = &self.sub.filters;
        filters.of_table(&self.key.0)?;
        let was =
            { self.held }.is_some_and(|held| filters.take((&self.key.0, &self.key.1), &held.value));
        let whole = matches!(self.kind, Kind::Replacement | Kind::Truncated);
        if whole || matches!(self.known, Known::Row(_)) {
            return Some("FLT-MATCH");
        }
        match self
            .log
            .known_at(self.to, &self.sub.tables)
            .remove(self.key)
        {
            Some(Known::Row(_)) if was => Some("FLT-REMOVE"),
            Some(Known::Row(_)) => Some("FLT-MATCH"),
            _ => None,
        }
    }

    /// Another value under the right version.
    fn other_value(&self, version: u64) -> &'static str {
        let step = self.log.steps.iter().find(|step| step.version == version);
        let mut effects = step.into_iter().flat_map(|step| &step.effects);
        let effect = effects.find(|effect| effect.row == (&*self.key.0, &*self.key.1));
        effect
            .and_then(|effect| effect.patched)
            .map_or("JSON-VALUE-KEPT", of_patch)
    }

    /// The right value under another version: applied again, if it was sent again.
    fn other_version(&self, row: &Row, held: &Row) -> &'static str {
        let writer = self
            .log
            .steps
            .iter()
            .find(|step| step.version == row.version);
        let again =
            writer.is_some_and(|step| self.facts.ledger.mutations[step.mutation].sends.len() > 1);
        if again && held.version > row.version {
            "PUSH-ONCE"
        } else {
            "UPD-ROW-VERSION"
        }
    }

    /// A change did not come: of its mutation others did, or it was lost in a crash, or the update is just not complete.
    fn missing(&self, row: &Row) -> &'static str {
        let Some(step) = self
            .log
            .steps
            .iter()
            .find(|step| step.version == row.version)
        else {
            return self.kind.requirement();
        };
        let came = |effect: &Effect<'_>| {
            let key = (effect.row.0.to_owned(), effect.row.1.to_owned());
            let held = self.replica.rows.get(&key);
            effect.value.is_some() && held.is_some_and(|held| held.version == step.version)
        };
        if step.effects.iter().any(came) {
            return "UPD-ATOMIC";
        }
        let told = self.facts.ledger.mutations[step.mutation]
            .outcomes
            .first()
            .map_or(usize::MAX, |outcome| outcome.at);
        let crashed = self.facts.hooks.iter().any(|(hook, begun, _)| {
            matches!(hook, Hook::Kill | Hook::Restart)
                && told < *begun
                && *begun < self.sub.subscribed_at
        });
        if crashed {
            "MODEL-DURABLE"
        } else {
            self.kind.requirement()
        }
    }

    /// A delete did not come.
    fn stale(&self) -> &'static str {
        match self.kind {
            Kind::Live if self.came_partly() => "UPD-ATOMIC",
            Kind::Live => "UPD-DELETE",
            other => other.requirement(),
        }
    }

    /// Whether other changes of the mutation that deleted the row are there.
    fn came_partly(&self) -> bool {
        let Known::Absent(Some(version)) = self.known else {
            return false;
        };
        let sent = |at: usize| {
            self.facts
                .frame(at)
                .is_some_and(|frame| has_version(frame, *version))
        };
        self.sub.parts.iter().any(|part| sent(part.at))
    }

    /// A row that nobody's applied mutation wrote so: whose is it?
    fn phantom(&self, held: &Row) -> Option<&'static str> {
        let workspace = self.facts.conns[self.sub.conn].workspace();
        let wrote = |mutation: &&Mutation| {
            mutation
                .sends
                .iter()
                .any(|send| writes(&send.ops, self.key, &held.value))
        };
        let writers: Vec<&Mutation> = self.facts.ledger.mutations.iter().filter(wrote).collect();
        let here = |mutation: &&&Mutation| mutation.workspace == workspace;
        let status = |mutation: &Mutation| {
            mutation
                .outcome(&self.sub.epoch)
                .map(|outcome| outcome.status.clone())
        };
        if writers
            .iter()
            .filter(here)
            .any(|mutation| status(mutation).as_deref() == Some("applied"))
        {
            return None;
        }
        if writers
            .iter()
            .filter(here)
            .any(|mutation| status(mutation).is_some())
        {
            return Some("PUSH-ATOMIC");
        }
        let refused = writers
            .iter()
            .filter(here)
            .flat_map(|mutation| &mutation.sends)
            .find_map(|send| match &send.answer {
                Answer::Not(code) => of_refusal(code),
                _ => None,
            });
        refused.or_else(|| {
            (!writers.is_empty() && !writers.iter().any(|writer| here(&writer)))
                .then_some("MODEL-ISOLATION")
        })
    }
}

fn writes(ops: &Value, key: &RowKey, value: &Value) -> bool {
    let is_it = |op: &Value| {
        crate::facts::row_of(op).as_ref() == Some(key)
            && op.get("value").is_some_and(|written| equal(written, value))
    };
    ops.as_array().is_some_and(|ops| ops.iter().any(is_it))
}

fn has_version(frame: &Frame, version: u64) -> bool {
    let changes = frame
        .member("changes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    changes
        .filter_map(|change| change.get("version").and_then(crate::history::whole))
        .any(|of| of == version)
}

#[cfg(test)]
mod tests {
    use super::super::notation::table;
    use super::super::rows::CHECKER;

    #[test]
    fn patched_rows() {
        let log = "a > hello alice\na < welcome 0 0\n\
                   a > push 1 x t/k={\"a\":1,\"b\":1} | 2 y t/k~{\"b\":2} t/n~{\"c\":1} | 3 z t/k~-a\n\
                   a < ack 2 1 x applied 1, 2 y applied 2, 3 z applied 3\n\
                   c > hello\nc < welcome 3 0\nc > subscribe i t\nc < subscribed i s t\n";
        let read = |rows: &str| format!("{log}c < update s 0..3 replace {rows}");
        let good = read("t/k={\"b\":2}@3 t/n={\"c\":1}@2");
        let bad = [
            ("FLD-PATCH", read("t/k={\"a\":1,\"b\":2}@3 t/n={\"c\":1}@2")),
            ("FLD-PATCH", read("t/k={\"b\":1}@3 t/n={\"c\":1}@2")),
            ("FLD-PATCH", read("t/k={}@3 t/n={\"c\":1}@2")),
            ("FLD-ABSENT", read("t/k={\"b\":2}@3 t/n={}@2")),
            ("SUB-REPLACE-COMPLETE", read("t/k={\"b\":2}@3")),
        ];
        table(
            &CHECKER,
            &[("FLD-PATCH FLD-ABSENT", good.as_str())],
            &bad.each_ref().map(|(ids, text)| (*ids, text.as_str())),
        );
        // What became of a row that could not be patched is not known.
        let odd = "a > hello alice\na < welcome 0 0\na > push 1 x t/k=1 | 2 y t/k~{\"b\":2}\na < ack 2 1 x applied 1, 2 y applied 2\n\
                   c > hello\nc < welcome 2 0\nc > subscribe i t\nc < subscribed i s t\nc < update s 0..2 replace t/k=7@2";
        table(&CHECKER, &[("", odd)], &[]);
    }

    #[test]
    fn rows_with_several_values() {
        let log = "a > hello alice\na < welcome 0 0\nb > hello bob\nb < welcome 0 0\n\
                   a > push 1 x t!keep_both t/k=1\na < ack 2 1 x applied 1\nb > push 1 y t/k=2 | 2 z t/n=1\nb < ack 2 1 y applied 2, 2 z applied 3\n\
                   c > hello\nc < welcome 3 0\nc > subscribe i t\nc < subscribed i s t\n";
        let read = |rows: &str| format!("{log}c < update s 0..3 replace {rows} t/n=1@3");
        let good = read("t/k=2@2&1=1");
        let bad = ["t/k=2@2", "t/k=2@2&1=7", "t/k=2@2&2=1", "t/k=2@2&1=1&2=2"].map(read);
        table(
            &CHECKER,
            &[("CFL-SIBLINGS", good.as_str())],
            &bad.each_ref().map(|text| ("CFL-SIBLINGS", text.as_str())),
        );
        // Who has seen both leaves one, and what one's own write replaced does not stay.
        let resolved = log.replace("c > hello\n", "a > push 2 v t/k=3$2\na < ack 3 2 v applied 4\nb > push 3 w t/n=2\nb < ack 3 3 w applied 5\nc > hello\n");
        let good = format!("{resolved}c < update s 0..5 replace t/k=3@4 t/n=2@5");
        let bad = good.replace("t/n=2@5", "t/n=2@5&3=1");
        table(
            &CHECKER,
            &[("CFL-SIBLINGS", &good)],
            &[("CFL-SIBLINGS", &bad)],
        );
    }
}
