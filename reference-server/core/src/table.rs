//! One table: its rows, the deletes that are still known, and both in the order of their versions.
//!
//! No history is kept: the order of versions, over rows that each know the version that last changed them, *is* the log with all
//! but the last change of each row left out. A resume is a range of it, coalesced by construction, and a
//! replacement is the range from 0.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use syncline_schemas::{Json, RowNumber, RowsDigest, Sibling};

use crate::conflicts::{Kept, Trail};
use crate::documents::Entry;

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
    /// What is kept beside, where the table's strategy asks for it.
    pub(crate) trail: Option<Box<Trail>>,
}

impl Row {
    /// The values beside the last one, as they are told.
    pub(crate) fn told_siblings(&self) -> Vec<Sibling> {
        self.siblings().iter().map(Kept::told).collect()
    }

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
    pub(crate) table: &'a str,
    pub(crate) key: &'a Arc<str>,
    pub(crate) position: Position,
    pub(crate) body: Body<'a>,
    /// Whether it is a row that is there and not in the shape that is told of it (FLT-REMOVE).
    pub(crate) leaves: bool,
}

/// What has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    Row(&'a Row),
    Entry(&'a Entry),
    /// A document is gone.
    Deleted,
}

impl<'a> ChangeRef<'a> {
    fn of_row(table: &'a str, key: &'a Arc<str>, row: &'a Row) -> ChangeRef<'a> {
        ChangeRef {
            table,
            key,
            position: row.position,
            body: Body::Row(row),
            leaves: false,
        }
    }

    /// The row, if it is one.
    pub(crate) fn row(&self) -> Option<&'a Row> {
        match self.body {
            Body::Row(row) => Some(row),
            Body::Entry(_) | Body::Deleted => None,
        }
    }

    /// The row's value, if it is a row that is there.
    pub(crate) fn value(&self) -> Option<&'a Json> {
        self.row()?.value.as_ref()
    }

    /// Bytes of what it tells.
    pub(crate) fn bytes(&self) -> usize {
        match self.body {
            Body::Row(row) => row.value.as_ref().map_or(0, |value| value.get().len()),
            Body::Entry(entry) => entry.data.get().len(),
            Body::Deleted => 0,
        }
    }

    /// Whether something is gone, and nothing in its place.
    pub(crate) fn is_delete(&self) -> bool {
        match self.body {
            Body::Row(row) => row.value.is_none(),
            Body::Entry(_) => false,
            Body::Deleted => true,
        }
    }
}

/// The rows of one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Where each row stands. Hashed, and so never iterated: nothing that anyone sees may depend on the order.
    positions: HashMap<Arc<str>, Position>,
    rows: BTreeMap<Position, (Arc<str>, Row)>,
    deletes: BTreeSet<Position>,
    /// What the rows come to, as far as anybody has asked.
    summed: Option<Summed>,
}

/// What a row costs to sum up beside its value, in bytes of value.
const ROW_BYTES: usize = 256;

/// What the rows come to that stand up to a position. Rows behind it cost nothing.
#[derive(Clone, Debug)]
struct Summed {
    /// The table's name: it counts.
    name: Arc<str>,
    to: Position,
    digest: RowsDigest,
}

impl Summed {
    /// The number of a row that stands up to where was summed; a delete has none.
    fn number(&self, key: &str, row: &Row) -> Option<RowNumber> {
        let value = row.value.as_ref().filter(|_| row.position <= self.to)?;
        number(&self.name, key, row, value)
    }
}

/// The number of a row that has this value.
fn number(table: &str, key: &str, row: &Row, value: &Json) -> Option<RowNumber> {
    let version = row.position.version;
    // What is in a log was checked when it came as a frame.
    RowNumber::with_siblings(table, key, version, value, &row.told_siblings()).ok()
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a row is there, not only deletes.
    pub(crate) fn has_rows(&self) -> bool {
        self.rows.len() > self.deletes.len()
    }

    /// How many rows and deletes it holds.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row, and its key as the table holds it, so that its text is shared, not copied.
    pub(crate) fn row(&self, key: &str) -> Option<&(Arc<str>, Row)> {
        self.rows.get(self.positions.get(key)?)
    }

    /// Puts a row, made from the one that is there, in its place. Gives that one back.
    pub(crate) fn put(
        &mut self,
        key: Arc<str>,
        position: Position,
        row: impl FnOnce(Option<&Row>) -> Row,
    ) -> Option<Row> {
        let known = self.positions.insert(key.clone(), position);
        let before = known.and_then(|known| self.take_at(known));
        let row = row(before.as_ref());
        if row.value.is_none() {
            self.deletes.insert(position);
        }
        if let Some(summed) = &mut self.summed
            && let Some(number) = summed.number(&key, &row)
        {
            summed.digest.add(number);
        }
        self.rows.insert(position, (key, row));
        before
    }

    /// Takes a row out without a trace.
    pub(crate) fn take(&mut self, key: &str) -> Option<Row> {
        let position = self.positions.remove(key)?;
        self.take_at(position)
    }

    fn take_at(&mut self, position: Position) -> Option<Row> {
        let (key, row) = self.rows.remove(&position)?;
        if let Some(summed) = &mut self.summed
            && let Some(number) = summed.number(&key, &row)
        {
            summed.digest.take(number);
        }
        if row.value.is_none() {
            self.deletes.remove(&position);
        }
        Some(row)
    }

    /// Forgets the deletes up to a version, and gives them back.
    pub(crate) fn forget_deletes(&mut self, to: u64) -> Vec<(Arc<str>, Row)> {
        let kept = self.deletes.split_off(&Position::after(to));
        let forgotten = std::mem::replace(&mut self.deletes, kept);
        let rows: Vec<_> = forgotten
            .iter()
            .filter_map(|position| self.rows.remove(position))
            .collect();
        for (key, _) in &rows {
            self.positions.remove(key);
        }
        rows
    }

    /// What all rows come to; nothing yet, if that takes more than is left of a budget of bytes. What was summed up stays so.
    pub(crate) fn digest(&mut self, name: &Arc<str>, budget: &mut usize) -> Option<RowsDigest> {
        let summed = self.summed.get_or_insert_with(|| Summed {
            name: name.clone(),
            to: Position::after(0),
            digest: RowsDigest::default(),
        });
        let behind = (
            std::ops::Bound::Excluded(summed.to),
            std::ops::Bound::Unbounded,
        );
        for (position, (key, row)) in self.rows.range(behind) {
            if *budget == 0 {
                return None;
            }
            let bytes = row.value.as_ref().map_or(0, |value| value.get().len());
            *budget = budget.saturating_sub(ROW_BYTES + bytes);
            summed.to = *position;
            if let Some(number) = summed.number(key, row) {
                summed.digest.add(number);
            }
        }
        Some(summed.digest)
    }

    /// What those rows come to whose values are wanted, summed up now.
    pub(crate) fn scan(&self, name: &Arc<str>, wanted: impl Fn(&str, &Json) -> bool) -> RowsDigest {
        let mut digest = RowsDigest::default();
        for (key, row) in self.rows.values() {
            let number = { row.value.as_ref() }
                .filter(|value| wanted(key, value))
                .and_then(|value| number(name, key, row, value));
            number.into_iter().for_each(|number| digest.add(number));
        }
        digest
    }

    /// The rows and deletes behind a position, in order.
    pub(crate) fn changes_after<'a>(
        &'a self,
        name: &'a str,
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> {
        let behind = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        { self.rows.range(behind) }.map(move |(_, (key, row))| ChangeRef::of_row(name, key, row))
    }

    /// The last change of a row, if any is known.
    pub(crate) fn change_of<'a>(&'a self, name: &'a str, key: &str) -> Option<ChangeRef<'a>> {
        let (key, row) = self.row(key)?;
        Some(ChangeRef::of_row(name, key, row))
    }

    /// All rows and deletes with their keys, in the order of their versions.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &(Arc<str>, Row)> {
        self.rows.values()
    }
}
