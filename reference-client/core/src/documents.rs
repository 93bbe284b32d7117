//! Documents: entries of bytes that the app's CRDT makes and reads, in the order in which the app sees them (`DOC-CLIENT-VIEW`).
//!
//! The base has the entries that the server has; the outbox has what the app has appended since. Nothing here looks into the bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline_schemas::{AppendChange, Change, CompactChange, Op};

use crate::durable::Durable;
use crate::events::{DocumentNews, Event, Origin};
use crate::replica::Replica;
use crate::stored::{Entry, StoreChange, StoredState, Tables};

/// The capability's name.
pub(crate) const DOCUMENTS: &str = "documents";

/// An entry of a document in the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentEntry {
    /// The version of the mutation that wrote it.
    pub version: u64,
    /// Up to which version it stands for all entries, if it is a compaction.
    pub covers: Option<u64>,
    /// The bytes, in base64.
    pub data: String,
}

impl DocumentEntry {
    /// Where it stands in its document: a compaction in the place of what it covers.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.covers.unwrap_or(self.version)
    }
}

/// A document of the base: its entries by their places.
pub type Document = BTreeMap<u64, DocumentEntry>;

/// An entry as the app sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenEntry {
    /// The entry of the base; none, while it is the app's own and not there yet.
    pub version: Option<u64>,
    /// Up to which version it stands for all entries, if it is a compaction.
    pub covers: Option<u64>,
    /// The bytes, in base64.
    pub data: String,
}

impl From<&DocumentEntry> for SeenEntry {
    fn from(entry: &DocumentEntry) -> SeenEntry {
        SeenEntry {
            version: Some(entry.version),
            covers: entry.covers,
            data: entry.data.clone(),
        }
    }
}

impl From<AppendChange> for DocumentEntry {
    fn from(append: AppendChange) -> DocumentEntry {
        DocumentEntry {
            version: append.version,
            covers: None,
            data: append.data,
        }
    }
}

impl From<CompactChange> for DocumentEntry {
    fn from(compact: CompactChange) -> DocumentEntry {
        DocumentEntry {
            version: compact.version,
            covers: Some(compact.covers),
            data: compact.data,
        }
    }
}

impl StoredState {
    /// The base's document of this table and key, if it is there.
    #[must_use]
    pub fn document(&self, table: &str, key: &str) -> Option<&Document> {
        self.documents.get(table)?.get(key)
    }
}

impl Durable {
    /// What the app sees of a document: the base's entries, then its own.
    pub(crate) fn view_document(&self, table: &str, key: &str) -> Vec<SeenEntry> {
        let base = self.document(table, key).into_iter().flatten();
        let mut seen: Vec<SeenEntry> = base.map(|(_, entry)| entry.into()).collect();
        let ops = self.outbox.values().flat_map(Entry::standing_ops);
        for op in ops.filter(|op| op.row() == Some((table, key))) {
            match op {
                Op::Append(append) => seen.push(SeenEntry {
                    version: None,
                    covers: None,
                    data: append.data.clone(),
                }),
                Op::Delete(_) => seen.clear(),
                _ => {}
            }
        }
        seen
    }
}

impl Replica {
    /// What the app sees of a document: the entries of the base in the order of their places, then its own that are not there yet, as it wrote them.
    /// Empty: the document is not there.
    #[must_use]
    pub fn document(&self, table: &str, key: &str) -> Vec<SeenEntry> {
        self.durable.view_document(table, key)
    }

    /// The keys of a table's documents, as the app sees them.
    #[must_use]
    pub fn documents(&self, table: &str) -> Vec<String> {
        let held = self.durable.documents.get(table).into_iter().flatten();
        let mut keys: BTreeSet<&str> = held.map(|(key, _)| key.as_str()).collect();
        let ops = self.durable.outbox.values().flat_map(Entry::standing_ops);
        for op in ops {
            match op {
                Op::Append(op) if op.table == table => drop(keys.insert(&op.key)),
                Op::Delete(op) if op.table == table => drop(keys.remove(op.key.as_str())),
                _ => {}
            }
        }
        keys.into_iter().map(str::to_owned).collect()
    }

    /// The entries of the base's document, and what a `compact` that merges them all may name as `covers`: none, if there is nothing to merge
    /// (`DOC-CLIENT-COMPACT`).
    #[must_use]
    pub fn compactable(&self, table: &str, key: &str) -> Option<(u64, Vec<SeenEntry>)> {
        let document = self.durable.document(table, key)?;
        let (covers, last) = document.last_key_value()?;
        // One that is a compaction already, and alone, has nothing to merge.
        if last.covers.is_some() || !self.follows_epoch(table) {
            return None;
        }
        let entries = document.values().map(SeenEntry::from);
        Some((*covers, entries.collect()))
    }

    /// Whether the base's versions of a table are of the history that is followed.
    fn follows_epoch(&self, table: &str) -> bool {
        let cursor = { self.durable.shape_of(table) }.and_then(|(_, cursor)| cursor.as_ref());
        cursor.is_some_and(|cursor| Some(&cursor.epoch) == self.durable.meta().epoch.as_ref())
    }

    /// An `append` with the version of the document that its writer knows (`DOC-CLIENT-BASE`).
    pub(crate) fn document_base(&self, table: &str, key: &str) -> Option<u64> {
        let document = self.durable.document(table, key)?;
        let last = document.values().map(|entry| entry.version).max();
        last.filter(|_| self.follows_epoch(table))
    }

    /// Tells the app of what it writes itself (`DOC-CLIENT-ONCE`).
    pub(crate) fn tell_own_entries(&mut self, ops: &[Op]) {
        for op in ops {
            let Some((table, key)) = op.row() else {
                continue;
            };
            let news = match op {
                Op::Append(append) => vec![SeenEntry {
                    version: None,
                    covers: None,
                    data: append.data.clone(),
                }],
                Op::Delete(_) if self.is_document(table, key) => Vec::new(),
                _ => continue,
            };
            let anew = matches!(op, Op::Delete(_));
            self.tell_document((table, key), Origin::Local, news, anew);
        }
    }

    /// Tells the app that own writes to documents do not stand: it reads them anew.
    pub(crate) fn tell_taken_back(&mut self, ops: &[Op]) {
        for op in ops {
            let Some((table, key)) = op.row() else {
                continue;
            };
            let document = match op {
                Op::Append(_) => true,
                Op::Delete(_) => self.is_document(table, key),
                _ => false,
            };
            if document {
                self.tell_document((table, key), Origin::Server, Vec::new(), true);
            }
        }
    }

    /// Whether there is a document that a delete hides: in the base, or own entries that are on their way there.
    fn is_document(&self, table: &str, key: &str) -> bool {
        let mut ops = self.durable.outbox.values().flat_map(Entry::standing_ops);
        let appends = |op: &Op| matches!(op, Op::Append(_)) && op.row() == Some((table, key));
        self.durable.document(table, key).is_some() || ops.any(appends)
    }

    pub(crate) fn tell_document(
        &mut self,
        (table, key): (&str, &str),
        origin: Origin,
        entries: Vec<SeenEntry>,
        anew: bool,
    ) {
        self.events.push_back(Event::Document(DocumentNews {
            table: table.to_owned(),
            key: key.to_owned(),
            origin,
            entries,
            anew,
        }));
    }
}

/// What an update has brought of documents.
#[derive(Clone, Debug, Default)]
struct News {
    entries: BTreeMap<(String, String), Vec<SeenEntry>>,
    /// Those that have lost what was told of them.
    anew: BTreeSet<(String, String)>,
}

/// Following the server.
impl Replica {
    /// Applies the changes of documents of a complete update, in the order of their versions (`DOC-CLIENT-APPLY`).
    pub(crate) fn change_documents(&mut self, changes: Vec<Change>) {
        let mut news = News::default();
        for change in changes {
            let name = (change.table().to_owned(), change.key().to_owned());
            let own = self.is_own(&change);
            match change {
                Change::Append(append) => self.put_entry(name, append.into(), own, &mut news),
                Change::Compact(compact) => {
                    self.drop_entries(&name, |entry| entry.place() <= compact.covers);
                    self.put_entry(name, compact.into(), own, &mut news);
                }
                Change::Delete(delete) => {
                    let older = |entry: &DocumentEntry| entry.version < delete.version;
                    if self.drop_entries(&name, older) && !own {
                        news.entries.remove(&name);
                        news.anew.insert(name);
                    }
                }
                Change::Set(_) | Change::Remove(_) => {}
            }
        }
        self.tell_news(news);
    }

    /// Puts the documents that a replacement brings in the place of those of the shape. What is as it was is left alone.
    pub(crate) fn replace_documents(&mut self, tables: &Tables, changes: Vec<Change>) {
        let mut brought: BTreeMap<(String, String), Document> = BTreeMap::new();
        let mut own: BTreeSet<u64> = BTreeSet::new();
        for change in changes {
            own.extend(self.is_own(&change).then_some(change.version()));
            let name = (change.table().to_owned(), change.key().to_owned());
            let document = brought.entry(name).or_default();
            match change {
                Change::Append(append) => put(document, append.into()),
                Change::Compact(compact) => {
                    document.retain(|place, _| *place > compact.covers);
                    put(document, compact.into());
                }
                Change::Delete(delete) => {
                    document.retain(|_, entry| entry.version > delete.version)
                }
                Change::Set(_) | Change::Remove(_) => {}
            }
        }
        let held = self.durable.documents.iter();
        let held = held.filter(|(table, _)| tables.contains(*table));
        let held = held.flat_map(|(table, all)| all.keys().map(|key| (table.clone(), key.clone())));
        let names: BTreeSet<_> = held.chain(brought.keys().cloned()).collect();
        let mut news = News::default();
        for name in names {
            let document = brought.remove(&name).unwrap_or_default();
            self.replace_document(name, document, &own, &mut news);
        }
        self.tell_news(news);
    }

    fn replace_document(
        &mut self,
        name: (String, String),
        brought: Document,
        own: &BTreeSet<u64>,
        news: &mut News,
    ) {
        let covered = brought.values().next().and_then(|first| first.covers);
        let stays = |entry: &DocumentEntry| brought.get(&entry.place()) == Some(entry);
        // What a compaction covers is not lost.
        let lost = {
            self.durable
                .document(&name.0, &name.1)
                .into_iter()
                .flatten()
        }
        .any(|(_, entry)| !stays(entry) && Some(entry.place()) > covered);
        self.drop_entries(&name, |entry| !stays(entry));
        if lost {
            news.anew.insert(name.clone());
        }
        for entry in brought.into_values() {
            let is_own = own.contains(&entry.version);
            self.put_entry(name.clone(), entry, is_own, news);
        }
    }

    fn put_entry(
        &mut self,
        (table, key): (String, String),
        entry: DocumentEntry,
        own: bool,
        news: &mut News,
    ) {
        let document = self.durable.document(&table, &key);
        if document.is_some_and(|document| document.get(&entry.place()) == Some(&entry)) {
            return;
        }
        if !own {
            let name = (table.clone(), key.clone());
            let told = news.entries.entry(name).or_default();
            told.push(SeenEntry::from(&entry));
        }
        self.row_changed();
        self.durable
            .record(StoreChange::DocumentPut { table, key, entry });
    }

    /// Drops the entries of a document that are meant. Says whether there were any.
    fn drop_entries(
        &mut self,
        (table, key): &(String, String),
        meant: impl Fn(&DocumentEntry) -> bool,
    ) -> bool {
        let held = self.durable.document(table, key).into_iter().flatten();
        let meant = held.filter(|(_, entry)| meant(entry));
        let places: Vec<u64> = meant.map(|(place, _)| *place).collect();
        for place in &places {
            self.durable.record(StoreChange::DocumentDropped {
                table: table.clone(),
                key: key.clone(),
                place: *place,
            });
        }
        !places.is_empty()
    }

    /// Drops all documents of a table that is not wanted any more.
    pub(crate) fn drop_documents(&mut self, table: &str) {
        let held = self.durable.documents.get(table).into_iter().flatten();
        let names: Vec<_> = held
            .map(|(key, _)| (table.to_owned(), key.clone()))
            .collect();
        for name in names {
            self.drop_entries(&name, |_| true);
            self.tell_document((&name.0, &name.1), Origin::Local, Vec::new(), true);
        }
    }

    /// Whether a change is what an own mutation did that stands in the overlay: it was told to the app when it was written. A backup that is
    /// restored under another epoch has the same entries at the same versions.
    fn is_own(&self, change: &Change) -> bool {
        let epoch = self.durable.meta().epoch.as_ref();
        let did = |op: &Op, here: bool| match (op, change) {
            (Op::Append(op), Change::Append(change)) => op.data == change.data,
            (Op::Compact(op), Change::Compact(change)) => op.data == change.data,
            (Op::Delete(_), Change::Delete(_)) => here,
            _ => false,
        };
        let names = |op: &Op| op.row() == Some((change.table(), change.key()));
        self.durable.standing().any(|entry| {
            let at = entry.applied_at.as_ref();
            let at = at.filter(|at| at.version == change.version());
            let here = at.is_some_and(|at| Some(&at.epoch) == epoch);
            at.is_some() && entry.ops.iter().any(|op| names(op) && did(op, here))
        })
    }

    fn tell_news(&mut self, news: News) {
        let News { mut entries, anew } = news;
        let names: BTreeSet<_> = entries
            .keys()
            .cloned()
            .chain(anew.iter().cloned())
            .collect();
        for name in names {
            let told = entries.remove(&name).unwrap_or_default();
            let anew = anew.contains(&name);
            self.tell_document((&name.0, &name.1), Origin::Server, told, anew);
        }
    }
}

fn put(document: &mut Document, entry: DocumentEntry) {
    document.insert(entry.place(), entry);
}
