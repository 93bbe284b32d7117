//! The one place where the replica changes what it keeps.
//!
//! Every change goes through [`Durable::record`], which applies it to the memory, queues it for the store, keeps the overlay true
//! to the outbox and the sums to the base, and notes which rows of the view it may touch. Nothing can be changed and be forgotten in one of the five.

use std::collections::BTreeMap;
use std::ops::Deref;

use syncline_schemas::{Json, Op, RowsDigest};

use crate::events::RowChange;
use crate::overlay::Overlay;
use crate::stored::{Entry, Meta, StoreChange, StoredState, Tables, Transaction};
use crate::sums::Sums;

/// The kept state, with what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    state: StoredState,
    overlay: Overlay,
    sums: Sums,
    /// What the store has not been given yet.
    pending: Transaction,
    /// The rows that the current input may have changed, as the app saw them before it.
    touched: BTreeMap<(String, String), Option<Json>>,
}

impl Deref for Durable {
    type Target = StoredState;

    fn deref(&self) -> &StoredState {
        &self.state
    }
}

impl Durable {
    /// Takes over what a store holds.
    pub(crate) fn load(state: StoredState) -> Durable {
        let mut overlay = Overlay::default();
        for entry in state.outbox.values() {
            for op in entry.standing_ops() {
                overlay.add(entry.ordinal, op, state.base_of(op));
            }
        }
        Durable {
            state,
            overlay,
            sums: Sums::default(),
            pending: Transaction::default(),
            touched: BTreeMap::new(),
        }
    }

    /// Changes what is kept.
    pub(crate) fn record(&mut self, change: StoreChange) {
        match &change {
            StoreChange::EntryPut(entry) => {
                self.lift(entry.ordinal);
                self.lay(entry);
            }
            StoreChange::EntryDropped(ordinal) => self.lift(*ordinal),
            StoreChange::RowPut { table, key, .. } | StoreChange::RowDropped { table, key } => {
                self.touch(table, key);
                self.overlay.disturb(table, key);
            }
            _ => {}
        }
        self.sums.follow(&self.state, &change);
        self.pending.changes.push(change.clone());
        self.state.apply_change(change);
    }

    /// Changes the meta record.
    pub(crate) fn record_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        let mut meta = self.meta().clone();
        change(&mut meta);
        if meta != *self.meta() {
            self.record(StoreChange::MetaPut(meta));
        }
    }

    /// The meta record.
    pub(crate) fn meta(&self) -> &Meta {
        self.state
            .meta
            .as_ref()
            .expect("a replica records its meta when it is made")
    }

    /// Whether an entry of the outbox writes to a row.
    pub(crate) fn is_overlaid(&self, table: &str, key: &str) -> bool {
        self.overlay.top(table, key).is_some()
    }

    /// The first entry of the outbox that writes to a row.
    pub(crate) fn first_write(&self, table: &str, key: &str) -> Option<&Entry> {
        self.state.outbox.get(&self.overlay.first(table, key)?)
    }

    /// What the app sees of a row.
    pub(crate) fn view(&self, table: &str, key: &str) -> Option<&Json> {
        match self.overlay.top(table, key) {
            Some(top) => top,
            None => self.state.base_value(table, key),
        }
    }

    /// What the app sees of a table, by key.
    pub(crate) fn view_rows(&self, table: &str) -> BTreeMap<&str, &Json> {
        let base = self.state.base.get(table).into_iter().flatten();
        let mut rows: BTreeMap<&str, &Json> =
            base.map(|(key, row)| (key.as_str(), &row.value)).collect();
        for (key, top) in self.overlay.tops(table) {
            match top {
                Some(value) => rows.insert(key, value),
                None => rows.remove(key),
            };
        }
        rows
    }

    /// What the base's rows of some tables come to. None: a value cannot be read. The overlay is no part of it: the server does not know it.
    pub(crate) fn digest(&mut self, tables: &Tables) -> Option<RowsDigest> {
        self.sums.of(&self.state, tables)
    }

    /// The changes that the store has to make durable before anything that the replica says next.
    pub(crate) fn take_pending(&mut self) -> Option<Transaction> {
        (!self.pending.changes.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// Whether the store has not been given everything.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.changes.is_empty()
    }

    /// What has changed in the view since the last call.
    pub(crate) fn take_view_changes(&mut self) -> Vec<RowChange> {
        self.overlay
            .settle(|table, key| self.state.base_value(table, key));
        let touched = std::mem::take(&mut self.touched);
        let changed = touched.into_iter().filter_map(|((table, key), before)| {
            let value = self.view(&table, &key).cloned();
            (value != before).then_some(RowChange { table, key, value })
        });
        changed.collect()
    }

    /// Takes what an entry has in the overlay out of it.
    fn lift(&mut self, ordinal: u64) {
        let Some(entry) = self.state.outbox.get(&ordinal).cloned() else {
            return;
        };
        for op in entry.standing_ops() {
            self.touch_op(op);
            self.overlay.remove(ordinal, op);
        }
    }

    /// Puts what an entry has standing into the overlay.
    fn lay(&mut self, entry: &Entry) {
        for op in entry.standing_ops() {
            self.touch_op(op);
            self.overlay.add(entry.ordinal, op, self.state.base_of(op));
        }
    }

    fn touch_op(&mut self, op: &Op) {
        if let Some((table, key)) = op.row() {
            self.touch(table, key);
        }
    }

    /// Notes how the app sees a row, before its first change within an input.
    fn touch(&mut self, table: &str, key: &str) {
        let row = (table.to_owned(), key.to_owned());
        if !self.touched.contains_key(&row) {
            let before = self.view(table, key).cloned();
            self.touched.insert(row, before);
        }
    }
}
