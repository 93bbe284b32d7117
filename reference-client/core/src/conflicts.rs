//! Writes that meet others': what the app had seen when it wrote, and what it is told of how the server decided.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Applied, Json, Op, OpResult};

use crate::env::Env;
use crate::events::Event;
use crate::replica::Replica;
use crate::stored::{Entry, Meta, Row, StoreChange};

/// The capability's name.
pub(crate) const CONFLICTS: &str = "conflicts";

/// A mutation of which the server did not take an op as it was (`CFL-CLIENT-KEPT`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictEntry {
    /// Where it stood among all writes.
    pub ordinal: u64,
    /// The mutation's name: confirm by it.
    pub op_id: String,
    /// When the app wrote it, by the client's clock.
    pub written_at_ms: u64,
    /// Its ops that were not taken as they were.
    pub conflicts: Vec<Conflict>,
}

/// An own write that met another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The mutation.
    pub op_id: String,
    /// The op, as the app wrote it.
    pub op: Op,
    /// What became of it.
    pub kind: ConflictKind,
    /// What stands instead.
    pub stands: Stands,
}

/// What became of a write that met another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConflictKind {
    /// It changed nothing.
    Superseded,
    /// The server made another value of it and of what was there.
    Resolved,
}

/// What stands in the place of a write, as the server said with its outcome. The base has it in any case, once it has passed the mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stands {
    /// The server has not said: it need not, where the mutation was decided before.
    Untold,
    /// No row.
    Gone,
    /// This value.
    Value(Json),
}

impl Stands {
    fn of(value: Option<&Json>, gone: bool) -> Stands {
        match value {
            _ if gone => Stands::Gone,
            Some(value) => Stands::Value(value.clone()),
            None => Stands::Untold,
        }
    }
}

/// The app's inputs and questions.
impl Replica {
    /// The app has seen the conflicts of a mutation: it leaves the list (`CFL-CLIENT-KEPT`). Says whether there was one.
    pub fn confirm_conflicts(&mut self, op_id: &str, env: Env) -> bool {
        self.env = env;
        let mut listed = self.durable.conflicts.values();
        let found = listed.find(|entry| entry.op_id == op_id);
        found
            .map(|entry| entry.ordinal)
            .map(|ordinal| self.durable.record(StoreChange::ConflictDropped(ordinal)))
            .is_some()
    }

    /// The rows that have several values, by table and key (`CFL-CLIENT-KEPT`): a write that has seen them leaves one. Looks at every row that is held.
    pub fn rows_with_siblings(&self) -> impl Iterator<Item = (&str, &str)> {
        let tables = self.durable.base.iter();
        let rows = tables.flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
        let several = |(_, (_, row)): &(&String, (&String, &Row))| !row.siblings.is_empty();
        rows.filter(several)
            .map(|(table, (key, _))| (table.as_str(), key.as_str()))
    }
}

impl Replica {
    /// The op, with the version that its writer sees as `base` (`CFL-CLIENT-BASE`); as it is, where a lock says more, or nothing is held of the table.
    pub(crate) fn with_base(&self, mut op: Op) -> Op {
        let Some((table, key)) = op.row() else {
            return op;
        };
        let seen = match self.durable.first_write(table, key) {
            Some(first) => self.seen_by(first, table, key),
            None => self.seen(table, key),
        };
        if op.if_version().is_none() {
            set_base(&mut op, seen);
        }
        op
    }

    /// What the writer of an entry saw of a row: below its own write, the app sees nothing of others'.
    fn seen_by(&self, entry: &Entry, table: &str, key: &str) -> Option<u64> {
        let of_row = |op: &&Op| op.row() == Some((table, key));
        let op = entry.ops.iter().find(of_row)?;
        let op = of_epoch(op, entry, self.durable.meta());
        op.if_version().or(op.base())
    }

    /// The version of a row in the base state; nothing, where no shape of the table is held.
    fn seen(&self, table: &str, key: &str) -> Option<u64> {
        let epoch = self.durable.meta().epoch.as_ref();
        let cursor = self
            .durable
            .shape_of(table)
            .and_then(|(_, cursor)| cursor.as_ref());
        let held = cursor.is_some_and(|cursor| Some(&cursor.epoch) == epoch);
        let row = self.durable.base_row(table, key);
        held.then(|| row.map_or(0, |row| row.version))
    }

    /// Keeps what became of single ops of an applied mutation, and tells the app (`CFL-CLIENT-TOLD`, `CFL-CLIENT-KEPT`).
    pub(crate) fn tell_conflicts(&mut self, entry: &Entry, applied: &Applied) {
        let told = applied.ops.iter().flatten();
        let conflicts: Vec<Conflict> = told.filter_map(|told| conflict(entry, told)).collect();
        if conflicts.is_empty() {
            return;
        }
        for conflict in &conflicts {
            let conflict = conflict.clone();
            self.events.push_back(match conflict.kind {
                ConflictKind::Superseded => Event::Superseded(conflict),
                ConflictKind::Resolved => Event::Resolved(conflict),
            });
        }
        self.durable.record(StoreChange::ConflictPut(ConflictEntry {
            ordinal: entry.ordinal,
            op_id: entry.op_id.clone(),
            written_at_ms: entry.written_at_ms,
            conflicts,
        }));
    }
}

/// What an outcome tells of an op, if that op was not taken as it was.
fn conflict(entry: &Entry, told: &OpResult) -> Option<Conflict> {
    let (at, kind, stands) = match told {
        OpResult::Superseded(told) => (
            told.at,
            ConflictKind::Superseded,
            Stands::of(told.value.as_ref(), told.gone),
        ),
        OpResult::Resolved(told) => (
            told.at,
            ConflictKind::Resolved,
            Stands::of(told.value.as_ref(), told.gone),
        ),
        OpResult::Allocated(_) => return None,
    };
    let op = entry.ops.get(usize::try_from(at).ok()?)?.clone();
    let op_id = entry.op_id.clone();
    Some(Conflict {
        op_id,
        op,
        kind,
        stands,
    })
}

/// The op as it is sent: without `base`, if that is a version of another history than the one that the replica follows now.
pub(crate) fn of_epoch<'a>(op: &'a Op, entry: &Entry, meta: &Meta) -> Cow<'a, Op> {
    if op.base().is_none() || entry.epoch == meta.epoch {
        return Cow::Borrowed(op);
    }
    Cow::Owned(without_base(op.clone()))
}

/// The op as one that has seen nothing.
pub(crate) fn without_base(mut op: Op) -> Op {
    set_base(&mut op, None);
    op
}

fn set_base(op: &mut Op, base: Option<u64>) {
    match op {
        Op::Set(op) => op.base = base,
        Op::Delete(op) => op.base = base,
        Op::Patch(op) => op.base = base,
        Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => {}
    }
}
