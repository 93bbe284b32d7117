//! The shapes that are subscribed to, each once, whoever subscribes: so an update is encoded once for all of them.
//!
//! **Why one frame fits all.** A shape's `at` is the `to` of the last update that went to all its live subscribers, and no live
//! subscriber's cursor is below it: whoever becomes live does so at the head of a pump, after the shape's own update, and `at` moves
//! only by updates that all live subscribers get (who has no room stops being live first). So the next update, from
//! `at`, leaves nobody a gap (UPD-FROM). And a cursor above `at` means only that nothing of the
//! shape has changed in between, for a pump leaves no change behind; so nobody gets a change twice (UPD-NO-REPEAT).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::io::SessionKey;

/// Names a shape within an engine; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShapeId(u64);

/// The tables of a shape, sorted, each once.
pub(crate) type TableSet = Arc<[Arc<str>]>;

/// A set of tables that someone subscribes to.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its name on the wire, the same on every connection.
    pub(crate) name: String,
    pub(crate) tables: TableSet,
    /// The `to` of the last update that all live subscribers got.
    pub(crate) at: u64,
    pub(crate) live: BTreeSet<SessionKey>,
    /// How many subscribe, live or not.
    members: usize,
}

/// The shapes that have a table, and whether it has changed since the last pump.
#[derive(Debug, Default)]
struct Watched {
    shapes: BTreeSet<ShapeId>,
    changed: bool,
}

/// All shapes that anyone subscribes to.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    by_id: BTreeMap<ShapeId, Shape>,
    by_tables: BTreeMap<TableSet, ShapeId>,
    watched: BTreeMap<Arc<str>, Watched>,
    changed: Vec<Arc<str>>,
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
    pub(crate) fn join(&mut self, tables: &TableSet, head: u64) -> ShapeId {
        if let Some(id) = self.by_tables.get(tables) {
            if let Some(shape) = self.by_id.get_mut(id) {
                shape.members += 1;
            }
            return *id;
        }
        self.made += 1;
        let id = ShapeId(self.made);
        for table in tables.iter() {
            self.watched
                .entry(table.clone())
                .or_default()
                .shapes
                .insert(id);
        }
        self.by_tables.insert(tables.clone(), id);
        let name = format!("s{}", self.made);
        self.by_id.insert(
            id,
            Shape {
                name,
                tables: tables.clone(),
                at: head,
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
        let tables = shape.tables.clone();
        self.by_id.remove(&id);
        self.by_tables.remove(&tables);
        for table in tables.iter() {
            if let Some(watched) = self.watched.get_mut(table) {
                watched.shapes.remove(&id);
                if watched.shapes.is_empty() {
                    self.watched.remove(table);
                }
            }
        }
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
