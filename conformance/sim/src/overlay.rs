//! The overlay, by what the app wrote and by the archive: an own write stands in the view until its shape has passed it, and no longer (CLIENT-OVERLAY-LEAVES).
//!
//! What the replica has stored is not asked whether a write still counts: one that forgets too early shows the app its write, then not, then again.

use std::collections::BTreeMap;

use syncline_client_core::Entry;
use syncline_schemas::{Cursor, Op};

use crate::app::{App, DOCUMENTS};
use crate::world::World;

impl World<'_> {
    /// Whether of the app's own writes those stand over the base that must.
    pub(crate) fn own_writes_stand(&self, app: &App, found: &mut Vec<String>) {
        let outbox = app.stored.outbox.values();
        let entries: BTreeMap<&str, &Entry> =
            outbox.map(|entry| (entry.op_id.as_str(), entry)).collect();
        for (op_id, ops) in &app.known.ops {
            let entry = entries.get(op_id.as_str()).copied();
            if self.is_given_up(app, op_id, ops, entry) {
                continue;
            }
            for op in ops {
                let Some(cursor) = cursor_of(app, op) else {
                    continue;
                };
                let stands = entry.is_some_and(|entry| has(&entry.ops, op));
                let applied_at = entry.and_then(|entry| entry.applied_at.as_ref());
                let what = match (stands, cursor) {
                    (false, None) => "has left, and has no cursor to pass it",
                    (false, Some(cursor)) if !self.has_passed(cursor, op_id) => {
                        "has left too early"
                    }
                    (true, Some(cursor)) if applied_at.is_some_and(|at| covers(cursor, at)) => {
                        "stays too long"
                    }
                    _ => continue,
                };
                let name = &app.name;
                found.push(format!(
                    "CLIENT-OVERLAY-LEAVES: in the view of {name} {op_id} {what}"
                ));
            }
        }
    }

    /// Whether a mutation counts for the view no more, for another reason than that it was applied.
    fn is_given_up(&self, app: &App, op_id: &str, ops: &[Op], entry: Option<&Entry>) -> bool {
        let rejected = { self.store.decided.get(op_id) }.is_some_and(|decided| decided.rejected);
        let doubted = app.known.doubted.contains(op_id) || { app.stored.in_doubt.values() }
            .any(|doubt| doubt.op_id == op_id);
        // With another epoch, an edit that names a version of the old one is given up.
        let locked = self.store.eras.len() > 1 && ops.iter().any(is_locked);
        rejected || doubted || locked || entry.is_some_and(|entry| entry.given_up.is_some())
    }

    /// Whether a cursor has passed a mutation, wherever that was applied: with a history that was put back it is perhaps applied again.
    fn has_passed(&self, cursor: &Cursor, op_id: &str) -> bool {
        let decided = self.store.decided.get(op_id);
        let mut applied = { decided.iter() }.flat_map(|decided| &decided.applied);
        applied.any(|at| self.is_behind(at, cursor))
    }

    /// Whether a version of an epoch, by number, is not above a cursor.
    fn is_behind(&self, (era, version): &(usize, u64), cursor: &Cursor) -> bool {
        let of = { self.store.eras.iter() }.position(|era| era.epoch == cursor.epoch);
        match of {
            Some(of) if of == *era => *version <= cursor.version,
            Some(of) => *era < of,
            None => false,
        }
    }
}

/// The cursor of the shape of an op's row, if it has one yet; nothing, if the row has no shape, or is a document.
fn cursor_of<'a>(app: &'a App, op: &Op) -> Option<Option<&'a Cursor>> {
    let (table, _) = op.row().filter(|(table, _)| *table != DOCUMENTS)?;
    let (_, cursor) = { app.stored.shapes.iter() }.find(|(of, _)| of.contains(table))?;
    Some(cursor.as_ref())
}

fn covers(cursor: &Cursor, at: &Cursor) -> bool {
    cursor.epoch == at.epoch && cursor.version >= at.version
}

fn has(ops: &[Op], op: &Op) -> bool {
    ops.iter().any(|standing| standing.row() == op.row())
}

fn is_locked(op: &Op) -> bool {
    match op {
        Op::Set(op) => op.if_version.is_some(),
        Op::Delete(op) => op.if_version.is_some(),
        Op::Patch(op) => op.if_version.is_some(),
        _ => false,
    }
}
