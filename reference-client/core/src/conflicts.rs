//! Writes that meet others': what the app had seen when it wrote, and what it is told of how the server decided.

use std::borrow::Cow;

use syncline_schemas::{Applied, Json, Op, OpResult, SupersededInFields};

use crate::events::{Conflict, Event, FieldConflict};
use crate::replica::Replica;
use crate::stored::{Entry, Meta};

/// The capability's name.
pub(crate) const CONFLICTS: &str = "conflicts";

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

    /// Tells the app of what became of single ops of an applied mutation (`CFL-CLIENT-TOLD`).
    pub(crate) fn tell_conflicts(&mut self, entry: &Entry, applied: &Applied) {
        for told in applied.ops.iter().flatten() {
            let (at, stands) = match told {
                OpResult::Superseded(told) => (told.at, told.value.clone()),
                OpResult::Resolved(told) => (told.at, told.value.clone()),
                OpResult::SupersededInFields(told) => {
                    self.tell_field_conflicts(entry, told);
                    continue;
                }
                OpResult::Allocated(_) => continue,
            };
            let Some(op) = usize::try_from(at).ok().and_then(|at| entry.ops.get(at)) else {
                continue;
            };
            let conflict = Conflict {
                op_id: entry.op_id.clone(),
                op: op.clone(),
                stands,
            };
            self.events.push_back(match told {
                OpResult::Resolved(_) => Event::Resolved(conflict),
                _ => Event::Superseded(conflict),
            });
        }
    }

    /// Tells the app of the fields of an op in which others' writes stand (`FLD-CLIENT-TOLD`).
    fn tell_field_conflicts(&mut self, entry: &Entry, told: &SupersededInFields) {
        let op = usize::try_from(told.at)
            .ok()
            .and_then(|at| entry.ops.get(at));
        let Some((op, (table, key))) = op.and_then(|op| Some((op, op.row()?))) else {
            return;
        };
        let named = told.conflicts.as_deref().unwrap_or_default();
        self.events.extend(named.iter().map(|conflict| {
            Event::FieldConflict(FieldConflict {
                op_id: entry.op_id.clone(),
                table: table.to_owned(),
                key: key.to_owned(),
                field: conflict.field.clone(),
                mine: written(op, &conflict.field),
                theirs: conflict.value.clone(),
                gone: conflict.gone,
                version: conflict.version,
            })
        }));
        let count = told.count.saturating_sub(named.len() as u64);
        if count > 0 {
            self.events.push_back(Event::FieldConflictsUntold {
                op_id: entry.op_id.clone(),
                table: table.to_owned(),
                key: key.to_owned(),
                count,
            });
        }
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
