//! Which promise a wrong row breaks: worked out from who wrote it, when, and what was told of that write.

use crate::facts::{Answer, Effect, Facts, Known, Log, Mutation, Replica, Row, RowKey, Sub};
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
}

/// The requirement that a difference breaks.
pub(super) fn blame(difference: &Difference<'_>) -> &'static str {
    match (difference.known, difference.held) {
        (Known::Row(row), Some(held)) if equal(&row.value, &held.value) => {
            difference.other_version(row, held)
        }
        (Known::Row(row), Some(held)) if row.version == held.version => "JSON-VALUE-KEPT",
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

impl Difference<'_> {
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
        let came = |((table, key), value): &Effect<'_>| {
            let key = ((*table).to_owned(), (*key).to_owned());
            let held = self.replica.rows.get(&key);
            value.is_some() && held.is_some_and(|held| held.version == step.version)
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
