//! Updates: how the base follows the log.

use std::collections::BTreeMap;

use syncline_schemas::mark;
use syncline_schemas::{Change, Cursor, DeleteChange, Op, Remove, Update};

use crate::events::Event;
use crate::replica::Replica;
use crate::staging::Staging;
use crate::stored::{Entry, Row, StoreChange, Tables};

impl Replica {
    /// An update, or a part of one.
    pub(crate) fn on_update(&mut self, update: Update) {
        let epoch = self.durable.meta().epoch.clone();
        let Some(session) = self.session() else {
            return;
        };
        let Some((tables, shape)) = session.shape_named(&update.shape) else {
            mark!("client_stray_update");
            return;
        };
        if let Some(fault) = fault_of(&update, &tables, shape.staging.as_ref()) {
            return self.server_misbehaved(fault);
        }
        if update.replace || shape.staging.is_none() {
            shape.staging = Some(Staging::begin(&update));
        }
        let Some(staging) = shape.staging.as_mut() else {
            return;
        };
        let (replace, from) = (staging.replace, staging.from);
        let received = update.changes.len();
        staging.extend(update.changes);
        let complete = update.to.and_then(|to| Some((shape.staging.take()?, to)));
        self.changes_received(received);

        let cursor = self.durable.shapes.get(&tables).cloned().flatten();
        let cursor = cursor.filter(|cursor| Some(&cursor.epoch) == epoch.as_ref());
        if !replace && cursor.as_ref().is_none_or(|cursor| from > cursor.version) {
            return self.on_gap(&tables);
        }
        if let Some((staging, to)) = complete {
            self.complete_update(&tables, staging, cursor, to);
        }
    }

    /// Applies a complete update: rows and cursor in one transaction (`CLIENT-CURSOR-ATOMIC`), and what they
    /// release of the overlay with them, so that nothing flickers.
    fn complete_update(
        &mut self,
        tables: &Tables,
        staging: Staging,
        cursor: Option<Cursor>,
        to: u64,
    ) {
        let replaced = staging.replace;
        if replaced {
            if self.durable.pending() > 0 {
                mark!("client_replacement_with_pending");
            }
            let (latest, documents) = staging.into_latest();
            self.replace_rows(tables, latest);
            self.replace_documents(tables, documents);
            self.move_cursor(tables, to);
        } else if cursor.as_ref().is_some_and(|cursor| to > cursor.version) {
            let after = cursor.map_or(0, |cursor| cursor.version);
            let (latest, mut documents) = staging.into_latest();
            let news = latest.into_values();
            news.filter(|change| change.version() > after)
                .for_each(|change| self.apply_change(change));
            documents.retain(|change| change.version() > after);
            self.change_documents(documents);
            self.move_cursor(tables, to);
        }
        let Some(session) = self.session() else {
            return;
        };
        let Some(shape) = session.shapes.get_mut(tables) else {
            return;
        };
        let first = !shape.levelled;
        shape.levelled = true;
        shape.gapped = false;
        if first && !replaced {
            self.ask_for_digest(tables);
        }
    }

    /// Puts the rows of a replacement in the place of all rows of the shape. Rows that are as they were are left
    /// alone: a replacement of much that changes little costs the store little.
    fn replace_rows(&mut self, tables: &Tables, latest: BTreeMap<(String, String), Change>) {
        let held = tables
            .iter()
            .filter_map(|table| Some((table, self.durable.base.get(table)?)));
        let held =
            held.flat_map(|(table, rows)| rows.keys().map(move |key| (table.clone(), key.clone())));
        let gone: Vec<(String, String)> = held.filter(|row| !latest.contains_key(row)).collect();
        for (table, key) in gone {
            self.row_changed();
            self.durable.record(StoreChange::RowDropped { table, key });
        }
        latest
            .into_values()
            .for_each(|change| self.apply_change(change));
    }

    fn apply_change(&mut self, change: Change) {
        let held = self.durable.base_row(change.table(), change.key());
        match change {
            Change::Set(set) => {
                let row = Row {
                    version: set.version,
                    value: set.value,
                    siblings: set.siblings.unwrap_or_default(),
                };
                if held != Some(&row) {
                    if !row.siblings.is_empty() {
                        let (table, key) = (set.table.clone(), set.key.clone());
                        self.events.push_back(Event::Siblings { table, key });
                    }
                    self.row_changed();
                    self.durable.record(StoreChange::RowPut {
                        table: set.table,
                        key: set.key,
                        row,
                    });
                }
            }
            // Of a row that is not held, either changes nothing (`FLT-CLIENT-REMOVE`).
            Change::Delete(DeleteChange { table, key, .. })
            | Change::Remove(Remove { table, key, .. }) => {
                if held.is_some() {
                    self.row_changed();
                    self.durable.record(StoreChange::RowDropped { table, key });
                }
            }
            // Documents are changed beside rows: see `change_documents`.
            Change::Append(_) | Change::Compact(_) => {}
        }
    }

    fn move_cursor(&mut self, tables: &Tables, to: u64) {
        let epoch = self.durable.meta().epoch.clone().unwrap_or_default();
        let cursor = Cursor { epoch, version: to };
        self.durable
            .record(StoreChange::ShapePut(tables.clone(), Some(cursor)));
        self.release_overlay();
    }

    /// Lets go of the ops that have left the overlay (`CLIENT-OVERLAY-LEAVES`).
    pub(crate) fn release_overlay(&mut self) {
        let standing: Vec<Entry> = self.durable.standing().cloned().collect();
        standing
            .into_iter()
            .for_each(|entry| self.put_standing(entry));
    }

    /// Keeps of an applied entry the ops that still stand: those whose table's shape, connected or not, has not passed it.
    /// An entry of which none stands is dropped. An op that has left does not come back: it is no longer there.
    pub(crate) fn put_standing(&mut self, mut entry: Entry) {
        let Some(applied_at) = entry.applied_at.clone() else {
            return;
        };
        let current = self.durable.meta().epoch.clone();
        let stands = |op: &Op| match op.row().and_then(|(table, _)| self.durable.shape_of(table)) {
            None => false,
            Some((_, None)) => true,
            Some((_, Some(cursor))) => !has_passed(cursor, &applied_at, current.as_deref()),
        };
        let (stand, left): (Vec<Op>, _) = entry.ops.into_iter().partition(stands);
        entry.ops = stand;
        self.tell_unheld(&left, applied_at.version);
        let before = self.durable.outbox.get(&entry.ordinal);
        if entry.ops.is_empty() {
            self.durable
                .record(StoreChange::EntryDropped(entry.ordinal));
        } else if before != Some(&entry) {
            self.durable.record(StoreChange::EntryPut(entry));
        }
    }
}

/// Whether a cursor has passed a version: it is of the same epoch and not below it, or of a later epoch. A cursor of the
/// current epoch is of a later one than any version of another, for the workspace's current epoch is its last.
fn has_passed(cursor: &Cursor, applied_at: &Cursor, current_epoch: Option<&str>) -> bool {
    if cursor.epoch == applied_at.epoch {
        return cursor.version >= applied_at.version;
    }
    Some(cursor.epoch.as_str()) == current_epoch
}

/// What no server may send (`SUB-PARTS`, `UPD-FROM`, `UPD-TO`, `UPD-RANGE`).
fn fault_of(update: &Update, tables: &Tables, staging: Option<&Staging>) -> Option<&'static str> {
    let continued = staging.filter(|_| !update.replace);
    if update.to.is_some() == update.more {
        Some("sent a part of an update with `to`, or a last part without")
    } else if update.to.is_some_and(|to| to < update.from) {
        Some("sent an update that goes back")
    } else if continued.is_some_and(|staging| staging.from != update.from) {
        Some("sent parts of one update with different `from`")
    } else if update
        .changes
        .iter()
        .any(|change| !tables.contains(change.table()))
    {
        Some("sent a change of a table that is not in the shape")
    } else {
        None
    }
}
