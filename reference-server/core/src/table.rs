//! One table: its rows, the deletes that are still known, and both in the order of their versions.
//!
//! No history is kept: the order of versions, over rows that each know the version that last changed them, *is* the log with all
//! but the last change of each row left out. A resume is a range of it, coalesced by construction, and a
//! replacement is the range from 0.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use syncline_schemas::Json;

/// A place in the order of all changes: the version, and which of the version's effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) version: u64,
    pub(crate) slot: u32,
}

impl Position {
    /// Behind all effects of a version.
    pub(crate) const fn after(version: u64) -> Position {
        Position {
            version,
            slot: u32::MAX,
        }
    }
}

/// A row, or a delete that is still known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// `None`: deleted.
    pub(crate) value: Option<Json>,
    /// What last changed it.
    pub(crate) position: Position,
    /// Who last changed it.
    pub(crate) writer: Arc<str>,
    /// The last version at which anyone but `writer` changed it. Of a row that was made where no delete was
    /// known, that is the version up to which deletes were forgotten.
    pub(crate) others_version: u64,
}

impl Row {
    /// Whether `ifVersion: expected` of this client holds (OP-IF-VERSION, OP-IF-VERSION-OWN, OP-IF-VERSION-ABSENT).
    pub(crate) fn is_at(row: Option<&Row>, expected: u64, client: &str) -> bool {
        match row {
            Some(row) if row.value.is_some() => {
                let version = row.position.version;
                let own_since =
                    *row.writer == *client && row.others_version <= expected && expected < version;
                expected > 0 && (expected == version || own_since)
            }
            _ => expected == 0,
        }
    }
}

/// A change as it stands in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeRef<'a> {
    pub(crate) position: Position,
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    pub(crate) value: Option<&'a Json>,
}

/// The rows of one table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Hashed, and so never iterated: nothing that anyone sees may depend on the order.
    rows: HashMap<Arc<str>, Row>,
    by_position: BTreeMap<Position, Entry>,
    deletes: BTreeSet<Position>,
}

/// What the order of changes knows of a row: all that a subscriber is told, so that a snapshot looks nothing up.
#[derive(Debug)]
struct Entry {
    key: Arc<str>,
    value: Option<Json>,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn row(&self, key: &str) -> Option<&Row> {
        self.rows.get(key)
    }

    /// The key as the table holds it, so that its text is shared, not copied.
    pub(crate) fn key(&self, key: &str) -> Option<(&Arc<str>, &Row)> {
        self.rows.get_key_value(key)
    }

    /// Puts a row in the place of the one that is there, which it gives back.
    pub(crate) fn put(&mut self, key: Arc<str>, row: Row) -> Option<Row> {
        if row.value.is_none() {
            self.deletes.insert(row.position);
        }
        let entry = Entry {
            key: key.clone(),
            value: row.value.clone(),
        };
        self.by_position.insert(row.position, entry);
        let before = self.rows.insert(key, row);
        if let Some(before) = &before {
            self.forget_position(before);
        }
        before
    }

    /// Takes a row out without a trace.
    pub(crate) fn take(&mut self, key: &str) -> Option<Row> {
        let row = self.rows.remove(key)?;
        self.forget_position(&row);
        Some(row)
    }

    fn forget_position(&mut self, row: &Row) {
        self.by_position.remove(&row.position);
        if row.value.is_none() {
            self.deletes.remove(&row.position);
        }
    }

    /// Forgets the deletes up to a version, and gives them back.
    pub(crate) fn forget_deletes(&mut self, to: u64) -> Vec<(Arc<str>, Row)> {
        let kept = self.deletes.split_off(&Position::after(to));
        let forgotten = std::mem::replace(&mut self.deletes, kept);
        let keys = forgotten
            .iter()
            .filter_map(|position| self.by_position.remove(position));
        keys.filter_map(|entry| self.rows.remove_entry(&entry.key))
            .collect()
    }

    /// The rows and deletes behind a position, in order.
    pub(crate) fn changes_after<'a>(
        &'a self,
        name: &'a str,
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> {
        let behind = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        self.by_position
            .range(behind)
            .map(move |(position, entry)| ChangeRef {
                position: *position,
                table: name,
                key: &entry.key,
                value: entry.value.as_ref(),
            })
    }

    /// All rows and deletes with their keys, in the order of their versions.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Row)> {
        self.by_position
            .values()
            .filter_map(|entry| self.rows.get_key_value(&entry.key))
    }
}
