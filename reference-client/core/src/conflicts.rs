//! Writes that meet others': what the app had seen when it wrote, and what it is told of how the server decided.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use syncline_schemas::{Applied, Json, Op, OpResult, SupersededInFields};

use crate::env::Env;
use crate::events::{Event, FieldConflict};
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
    /// The fields of its ops in which others' writes stand, where the table is decided by field.
    #[serde(default)]
    pub fields: Vec<FieldConflict>,
    /// The rows of which more fields were not taken, without the server's saying which.
    #[serde(default)]
    pub untold: Vec<UntoldFields>,
}

/// Fields of an own write in which others' stand, without their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntoldFields {
    /// The row's table.
    pub table: String,
    /// The row's key.
    pub key: String,
    /// How many.
    pub count: u64,
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
        if let Op::Append(_) = op {
            let known = self.document_base(table, key);
            set_base(&mut op, known);
            return op;
        }
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
        let mut kept = ConflictEntry {
            ordinal: entry.ordinal,
            op_id: entry.op_id.clone(),
            written_at_ms: entry.written_at_ms,
            conflicts: Vec::new(),
            fields: Vec::new(),
            untold: Vec::new(),
        };
        for told in applied.ops.iter().flatten() {
            kept.conflicts.extend(conflict(entry, told));
            if let OpResult::SupersededInFields(told) = told {
                kept.note_fields(entry, told);
            }
        }
        self.events.extend(kept.events());
        if !(kept.conflicts.is_empty() && kept.fields.is_empty() && kept.untold.is_empty()) {
            self.durable.record(StoreChange::ConflictPut(kept));
        }
    }
}

impl ConflictEntry {
    /// The fields of an op in which others' writes stand (`FLD-CLIENT-TOLD`).
    fn note_fields(&mut self, entry: &Entry, told: &SupersededInFields) {
        let op = usize::try_from(told.at)
            .ok()
            .and_then(|at| entry.ops.get(at));
        let Some((op, (table, key))) = op.and_then(|op| Some((op, op.row()?))) else {
            return;
        };
        let named = told.conflicts.as_deref().unwrap_or_default();
        self.fields
            .extend(named.iter().map(|conflict| FieldConflict {
                op_id: entry.op_id.clone(),
                table: table.to_owned(),
                key: key.to_owned(),
                field: conflict.field.clone(),
                mine: written(op, &conflict.field),
                theirs: conflict.value.clone(),
                gone: conflict.gone,
                version: conflict.version,
            }));
        let count = told.count.saturating_sub(named.len() as u64);
        if count > 0 {
            let (table, key) = (table.to_owned(), key.to_owned());
            self.untold.push(UntoldFields { table, key, count });
        }
    }

    /// What the app is told of it.
    fn events(&self) -> Vec<Event> {
        let ops = self.conflicts.iter().cloned();
        let ops = ops.map(|conflict| match conflict.kind {
            ConflictKind::Superseded => Event::Superseded(conflict),
            ConflictKind::Resolved => Event::Resolved(conflict),
        });
        let fields = self.fields.iter().cloned().map(Event::FieldConflict);
        let untold = self.untold.iter().cloned();
        let untold = untold.map(|fields| Event::FieldConflictsUntold {
            op_id: self.op_id.clone(),
            table: fields.table,
            key: fields.key,
            count: fields.count,
        });
        ops.chain(fields).chain(untold).collect()
    }
}

/// What the op makes of a field; nothing: it removes it.
fn written(op: &Op, field: &str) -> Option<Json> {
    match op {
        Op::Patch(patch) => patch.fields.as_ref()?.get(field).cloned(),
        Op::Set(set) => {
            let members = set.value.members()?;
            let (_, value) = members.into_iter().find(|(name, _)| name == field)?;
            Some(value.to_owned().into())
        }
        _ => None,
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
        OpResult::SupersededInFields(_) | OpResult::Allocated(_) => return None,
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
        Op::Append(op) => op.base = base,
        Op::Compact(_) | Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => {}
    }
}
