//! Documents: entries of opaque bytes under one key, and what compactions leave of them (chapter *documents*).
//!
//! Each entry stands at a position of its own, so that a resume is a range of positions, as for rows. A compaction needs no trace of what it has removed:
//! its `covers` tells every reader what it stands for. A deleted document leaves a trace, until deletes are forgotten.
//!
//! The order of a document is that of *places*: an entry's place is its version, a compaction's is its `covers`. At most one entry is a
//! compaction, the first: each removes the one before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use syncline_schemas::Json;

use crate::record::DocumentEffect;
use crate::table::{Body, ChangeRef, Position};

mod decide;
mod sessions;

pub(crate) use decide::{Done, Turn, check_declares, check_kinds};

/// An entry that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// A JSON string: bytes in base64.
    pub(crate) data: Json,
    /// Up to which version it stands for all entries, if it is a compaction.
    pub(crate) covers: Option<u64>,
    /// The version at which the document began that it is of.
    pub(crate) life: u64,
}

impl Entry {
    /// Its bytes, under this key, as `limits.workspaceBytesMax` counts them.
    pub(crate) fn bytes(&self, key: &str) -> u64 {
        entry_bytes(key, &self.data)
    }
}

/// Bytes of an entry as `limits.workspaceBytesMax` counts them.
pub(crate) fn entry_bytes(key: &str, data: &Json) -> u64 {
    (key.len() + data.get().len()) as u64
}

/// What stands at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Entry(Entry),
    /// The document was deleted: all entries before are gone.
    Deleted,
}

impl Item {
    /// As a change of a document.
    fn told<'a>(&'a self, table: &'a str, key: &'a Arc<str>, position: Position) -> ChangeRef<'a> {
        ChangeRef {
            table,
            key,
            position,
            body: match self {
                Item::Entry(entry) => Body::Entry(entry),
                Item::Deleted => Body::Deleted,
            },
            leaves: false,
        }
    }
}

/// A document, or what is still known of a deleted one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    /// Where its entries stand, in the order of their places.
    entries: VecDeque<Position>,
    /// Where it was deleted last, if that is still known.
    deleted: Option<Position>,
    /// Bytes of its entries' data as JSON text (`limits.documentBytesMax`).
    pub(crate) bytes: u64,
}

impl Document {
    /// How many entries stand.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    fn is_forgotten(&self) -> bool {
        self.entries.is_empty() && self.deleted.is_none()
    }
}

/// What a change has put and taken: enough to take it back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replaced {
    added: Option<Position>,
    /// In the order of their places; a delete last.
    removed: Vec<(Position, Item)>,
}

impl Replaced {
    /// The bytes of what it has taken, as `limits.workspaceBytesMax` counts them.
    pub(crate) fn bytes(&self, key: &str) -> u64 {
        let entries = self.removed.iter().map(|(_, item)| match item {
            Item::Entry(entry) => entry.bytes(key),
            Item::Deleted => 0,
        });
        entries.sum()
    }
}

/// The documents of one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    /// Hashed, and so never iterated: nothing that anyone sees may depend on the order.
    by_key: HashMap<Arc<str>, Document>,
    items: BTreeMap<Position, (Arc<str>, Item)>,
    deletes: BTreeSet<Position>,
}

impl Documents {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many entries and deletes it holds.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// A document, if it has entries.
    pub(crate) fn document(&self, key: &str) -> Option<&Document> {
        let document = self.by_key.get(key)?;
        (document.len() > 0).then_some(document)
    }

    /// The version at which a document began that is there.
    pub(crate) fn life(&self, key: &str) -> Option<u64> {
        let first = self.by_key.get(key)?.entries.front()?;
        self.entry(*first).map(|entry| entry.life)
    }

    /// The entries of a document, in the order of their places.
    pub(crate) fn entries<'a>(
        &'a self,
        key: &str,
    ) -> impl Iterator<Item = (Position, &'a Entry)> + use<'a> {
        let document = self.by_key.get(key).into_iter();
        let positions = document.flat_map(|document| &document.entries);
        positions.filter_map(|position| Some((*position, self.entry(*position)?)))
    }

    fn entry(&self, position: Position) -> Option<&Entry> {
        match self.items.get(&position)? {
            (_, Item::Entry(entry)) => Some(entry),
            (_, Item::Deleted) => None,
        }
    }

    /// Changes a document at a position behind all others.
    pub(crate) fn apply(
        &mut self,
        key: &Arc<str>,
        position: Position,
        effect: &DocumentEffect,
        data: Option<&Json>,
    ) -> Replaced {
        let life = self.life(key).unwrap_or(position.version);
        let (covers, removed) = match effect {
            DocumentEffect::Append => (None, Vec::new()),
            DocumentEffect::Compact { covers } => (Some(*covers), self.take_covered(key, *covers)),
            DocumentEffect::Delete => (None, self.take_all(key)),
        };
        let item = match data {
            Some(data) => Item::Entry(Entry {
                data: data.clone(),
                covers,
                life,
            }),
            None => Item::Deleted,
        };
        self.put(key.clone(), position, item);
        let added = Some(position);
        Replaced { added, removed }
    }

    /// Takes a change back.
    pub(crate) fn undo(&mut self, key: &Arc<str>, replaced: Replaced) {
        if let Some(added) = replaced.added {
            self.take(key, added);
        }
        for (position, item) in replaced.removed.into_iter().rev() {
            self.put_before(key.clone(), position, item);
        }
    }

    /// Puts an item where it belongs: an entry behind the others of its document, a compaction before them.
    pub(crate) fn put(&mut self, key: Arc<str>, position: Position, item: Item) {
        let is_last = matches!(&item, Item::Entry(entry) if entry.covers.is_none());
        if !is_last {
            return self.put_before(key, position, item);
        }
        self.count(&key, &item);
        self.document_mut(&key).entries.push_back(position);
        self.items.insert(position, (key, item));
    }

    fn put_before(&mut self, key: Arc<str>, position: Position, item: Item) {
        self.count(&key, &item);
        let document = self.document_mut(&key);
        match item {
            Item::Entry(_) => document.entries.push_front(position),
            Item::Deleted => {
                document.deleted = Some(position);
                self.deletes.insert(position);
            }
        }
        self.items.insert(position, (key, item));
    }

    fn count(&mut self, key: &Arc<str>, item: &Item) {
        if let Item::Entry(entry) = item {
            self.document_mut(key).bytes += entry.data.get().len() as u64;
        }
    }

    fn document_mut(&mut self, key: &Arc<str>) -> &mut Document {
        self.by_key.entry(key.clone()).or_default()
    }

    /// Takes out the entries whose places are up to `covers`.
    fn take_covered(&mut self, key: &Arc<str>, covers: u64) -> Vec<(Position, Item)> {
        let place = |(position, entry): &(Position, &Entry)| {
            entry.covers.unwrap_or(position.version) <= covers
        };
        let covered: Vec<Position> = self
            .entries(key)
            .take_while(place)
            .map(|(position, _)| position)
            .collect();
        self.take_each(key, covered)
    }

    /// Takes out all entries, and the delete before them.
    fn take_all(&mut self, key: &Arc<str>) -> Vec<(Position, Item)> {
        let Some(document) = self.by_key.get(key) else {
            return Vec::new();
        };
        let all = { document.entries.iter().copied() }.chain(document.deleted);
        let all = all.collect();
        self.take_each(key, all)
    }

    fn take_each(&mut self, key: &Arc<str>, positions: Vec<Position>) -> Vec<(Position, Item)> {
        let taken = positions.into_iter();
        taken
            .filter_map(|position| Some((position, self.take(key, position)?)))
            .collect()
    }

    fn take(&mut self, key: &Arc<str>, position: Position) -> Option<Item> {
        let (_, item) = self.items.remove(&position)?;
        let document = self.by_key.get_mut(key)?;
        match &item {
            Item::Entry(entry) => {
                document.bytes -= entry.data.get().len() as u64;
                if document.entries.front() == Some(&position) {
                    document.entries.pop_front();
                } else {
                    document.entries.retain(|other| *other != position);
                }
            }
            Item::Deleted => {
                document.deleted = None;
                self.deletes.remove(&position);
            }
        }
        if document.is_forgotten() {
            self.by_key.remove(key);
        }
        Some(item)
    }

    /// Forgets the deletes up to a version, and gives them back.
    pub(crate) fn forget_deletes(&mut self, to: u64) -> Vec<(Arc<str>, Replaced)> {
        let forgotten: Vec<Position> = self
            .deletes
            .range(..=Position::after(to))
            .copied()
            .collect();
        let take = |position: Position| {
            let key = self.items.get(&position)?.0.clone();
            let item = self.take(&key, position)?;
            let removed = vec![(position, item)];
            let added = None;
            Some((key, Replaced { added, removed }))
        };
        forgotten.into_iter().filter_map(take).collect()
    }

    /// The entries and deletes behind a position, in order.
    pub(crate) fn changes_after<'a>(
        &'a self,
        name: &'a str,
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> {
        let behind = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let changes = self.items.range(behind);
        changes.map(move |(position, (key, item))| item.told(name, key, *position))
    }

    /// What stands of one document behind a position: in no order.
    pub(crate) fn changes_of<'a>(
        &'a self,
        name: &'a str,
        key: &str,
        after: Position,
    ) -> impl Iterator<Item = ChangeRef<'a>> + use<'a> {
        let document = self.by_key.get(key).into_iter();
        let positions = document.flat_map(move |document| {
            // All but the first, which may be a compaction, stand in the order of their positions.
            let last = document.entries.iter().skip(1).rev();
            last.take_while(move |position| **position > after)
                .chain(document.entries.front())
                .chain(&document.deleted)
        });
        let behind = positions.filter(move |position| **position > after);
        behind.filter_map(move |position| {
            let (key, item) = self.items.get(position)?;
            Some(item.told(name, key, *position))
        })
    }

    /// All entries and deletes with their keys, in the order of their versions.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&Position, &Arc<str>, &Item)> {
        let items = self.items.iter();
        items.map(|(position, (key, item))| (position, key, item))
    }
}
