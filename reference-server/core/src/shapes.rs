//! The shapes that are subscribed to, each once, whoever subscribes: so an update is encoded once for all of them.
//!
//! **Why one frame fits all.** A shape's `at` is the `to` of the last update that went to all its live subscribers, and no live
//! subscriber's cursor is below it: whoever becomes live does so at the head of a pump, after the shape's own update, and `at` moves
//! only by updates that all live subscribers get (who has no room stops being live first). So the next update, from
//! `at`, leaves nobody a gap (UPD-FROM). And a cursor above `at` means only that nothing of the
//! shape has changed in between, for a pump leaves no change behind; so nobody gets a change twice (UPD-NO-REPEAT).
//!
//! A filtered shape is a shape of its own for each set of filters that differ, so a filter is looked at once however many share it. What
//! does not concern it is not sent, and leaves `at` where it is: `seen` says up to where there is nothing left to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::filters::ShapeFilters;
use crate::io::SessionKey;

/// Names a shape within an engine; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShapeId(u64);

/// The tables of a shape, sorted, each once.
pub(crate) type TableSet = Arc<[Arc<str>]>;

/// What makes two shapes the same: their tables, and what of them they have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShapeKey {
    pub(crate) tables: TableSet,
    pub(crate) filters: ShapeFilters,
}

/// A set of tables, whole or filtered, that someone subscribes to.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Its name on the wire, the same on every connection.
    pub(crate) name: String,
    pub(crate) tables: TableSet,
    pub(crate) filters: ShapeFilters,
    /// The `to` of the last update that all live subscribers got.
    pub(crate) at: u64,
    /// Up to where the live subscribers have what concerns them. Above `at`, where what has changed is not in a filtered shape, and was not.
    pub(crate) seen: u64,
    pub(crate) live: BTreeSet<SessionKey>,
    /// How many subscribe, live or not.
    members: usize,
}

/// The shapes that have a table, and whether it has changed since the last pump.
#[derive(Clone, Debug, Default)]
struct Watched {
    shapes: BTreeSet<ShapeId>,
    /// How many of them are filtered.
    filtered: usize,
    changed: bool,
}

/// All shapes that anyone subscribes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shapes {
    by_id: BTreeMap<ShapeId, Shape>,
    by_key: BTreeMap<ShapeKey, ShapeId>,
    watched: BTreeMap<Arc<str>, Watched>,
    changed: Vec<Arc<str>>,
    /// How many shapes are filtered.
    filtered: usize,
    made: u64,
}

impl Shapes {
    pub(crate) fn find(&self, id: ShapeId) -> Option<&Shape> {
        self.by_id.get(&id)
    }

    pub(crate) fn find_mut(&mut self, id: ShapeId) -> Option<&mut Shape> {
        self.by_id.get_mut(&id)
    }

    /// Counts one more subscriber of a shape, which is made if nobody subscribes to it yet. Nothing of a new shape needs to be sent to
    /// all before `head`.
    pub(crate) fn join(&mut self, key: ShapeKey, head: u64) -> ShapeId {
        if let Some(id) = self.by_key.get(&key) {
            if let Some(shape) = self.by_id.get_mut(id) {
                shape.members += 1;
            }
            return *id;
        }
        self.made += 1;
        let id = ShapeId(self.made);
        let filtered = usize::from(key.filters.is_some());
        self.filtered += filtered;
        for table in key.tables.iter() {
            let watched = self.watched.entry(table.clone()).or_default();
            watched.shapes.insert(id);
            watched.filtered += filtered;
        }
        self.by_key.insert(key.clone(), id);
        let name = format!("s{}", self.made);
        self.by_id.insert(
            id,
            Shape {
                name,
                tables: key.tables,
                filters: key.filters,
                at: head,
                seen: head,
                live: BTreeSet::new(),
                members: 1,
            },
        );
        id
    }

    /// Counts a subscriber less; the last one takes the shape along.
    pub(crate) fn leave(&mut self, id: ShapeId, session: SessionKey) {
        let Some(shape) = self.by_id.get_mut(&id) else {
            return;
        };
        shape.live.remove(&session);
        shape.members -= 1;
        if shape.members > 0 {
            return;
        }
        let (tables, filters) = (shape.tables.clone(), shape.filters.clone());
        let filtered = usize::from(filters.is_some());
        let key = ShapeKey { tables, filters };
        self.by_id.remove(&id);
        self.by_key.remove(&key);
        self.filtered -= filtered;
        for table in key.tables.iter() {
            if let Some(watched) = self.watched.get_mut(table) {
                watched.shapes.remove(&id);
                watched.filtered -= filtered;
                if watched.shapes.is_empty() {
                    self.watched.remove(table);
                }
            }
        }
    }

    /// Whether any shape is filtered.
    pub(crate) fn has_filtered(&self) -> bool {
        self.filtered > 0
    }

    /// Whether anyone filters a shape that has this table.
    pub(crate) fn is_filtered(&self, table: &str) -> bool {
        let watched = { self.filtered > 0 }.then(|| self.watched.get(table));
        watched
            .flatten()
            .is_some_and(|watched| watched.filtered > 0)
    }

    /// Notes that a table has changed.
    pub(crate) fn touch(&mut self, table: &Arc<str>) {
        if let Some(watched) = self.watched.get_mut(table)
            && !watched.changed
        {
            watched.changed = true;
            self.changed.push(table.clone());
        }
    }

    /// The shapes of which a table has changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<ShapeId> {
        let mut shapes = BTreeSet::new();
        for table in self.changed.drain(..) {
            if let Some(watched) = self.watched.get_mut(&table) {
                watched.changed = false;
                shapes.extend(&watched.shapes);
            }
        }
        shapes
    }
}
