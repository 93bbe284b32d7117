//! Documents: what the model of a server makes of them, what apps do with them, and what must hold.

use std::collections::{BTreeMap, BTreeSet};

use syncline_client_core::{Document, DocumentEntry, DocumentNews};
use syncline_schemas::{
    AppendChange, AppendOp, Change, CompactChange, CompactOp, DeleteChange, DeleteOp, Op, base64,
};

use super::check::held_shape;
use super::filters::takes_document;
use super::server::{Commit, RowKey, Server};
use super::world::{Client, World};
use super::writes::Write;

/// The table that holds documents; it is in one shape with c.
pub(crate) const DOCUMENTS: &str = "docs";

/// The documents as a log left them at a version.
pub(crate) fn replay(log: &[Commit], to: u64) -> BTreeMap<RowKey, Document> {
    let mut documents: BTreeMap<RowKey, Document> = BTreeMap::new();
    let until = log.iter().take_while(|commit| commit.version <= to);
    for change in until.flat_map(|commit| &commit.changes) {
        let name = (change.table().to_owned(), change.key().to_owned());
        let document = documents.entry(name).or_default();
        match change.clone() {
            Change::Append(append) => drop(document.insert(append.version, append.into())),
            Change::Compact(compact) => {
                document.retain(|place, _| *place > compact.covers);
                document.insert(compact.covers, compact.into());
            }
            Change::Delete(_) => document.clear(),
            Change::Set(_) | Change::Remove(_) => {}
        }
    }
    documents.retain(|_, document| !document.is_empty());
    documents
}

/// A document as a replacement brings it.
pub(crate) fn told(((table, key), document): (RowKey, Document)) -> Vec<Change> {
    let change = |entry: DocumentEntry| {
        let (table, key, version, data) = (table.clone(), key.clone(), entry.version, entry.data);
        match entry.covers {
            None => Change::Append(AppendChange {
                table,
                key,
                version,
                data,
            }),
            Some(covers) => Change::Compact(CompactChange {
                table,
                key,
                version,
                covers,
                data,
            }),
        }
    };
    document.into_values().map(change).collect()
}

/// The server's part.
impl Server {
    pub(crate) fn document_fault(&self, op: &Op) -> Option<&'static str> {
        let Op::Append(append) = op else { return None };
        let base = append.base.filter(|base| *base > 0)?;
        let mut life = None;
        for change in self.history.log.iter().flat_map(|commit| &commit.changes) {
            if (change.table(), change.key()) == (&append.table, &append.key) {
                life = match change {
                    Change::Delete(_) => None,
                    _ => life.or(Some(change.version())),
                };
            }
        }
        let deleted = life.is_none_or(|life| base < life);
        deleted.then_some("document_deleted")
    }

    /// What an op on a document changes; nothing else names the table.
    pub(crate) fn apply_to_document(&self, op: &Op, version: u64) -> Option<Change> {
        let (table, key) = op.row()?;
        let (table, key) = (table.to_owned(), key.to_owned());
        let documents = replay(&self.history.log, u64::MAX);
        let document = documents.get(&(table.clone(), key.clone()));
        match op {
            Op::Append(op) => Some(Change::Append(AppendChange {
                table,
                key,
                version,
                data: op.data.clone(),
            })),
            Op::Compact(op) => {
                // The data says under which epoch it was made.
                let made = String::from_utf8(base64::decode(&op.data).unwrap()).unwrap();
                assert!(
                    made.starts_with(&format!("{}:", self.epoch)),
                    "DOC-CLIENT-EPOCH: {made}"
                );
                assert!(
                    op.covers < version,
                    "DOC-CLIENT-COMPACT: {op:?} at {version}"
                );
                let merges =
                    |entry: &DocumentEntry| entry.covers.is_none() && entry.version <= op.covers;
                document?.values().any(merges).then(|| {
                    Change::Compact(CompactChange {
                        table,
                        key,
                        version,
                        covers: op.covers,
                        data: op.data.clone(),
                    })
                })
            }
            Op::Delete(_) => document.map(|_| {
                Change::Delete(DeleteChange {
                    table,
                    key,
                    version,
                })
            }),
            _ => None,
        }
    }
}

/// The apps' part.
impl World {
    /// An op on a document; an empty one, where there is nothing to compact.
    pub(crate) fn document_op(&self, index: usize, write: Write, key: String) -> Vec<Op> {
        let stored = &self.clients[index].stored;
        let epoch = stored.meta.as_ref().and_then(|meta| meta.epoch.clone());
        let data = format!("{}:{}", epoch.unwrap_or_default(), self.written);
        let data = base64::encode(data.as_bytes());
        let table = DOCUMENTS.to_owned();
        match write {
            Write::Append => vec![Op::Append(AppendOp {
                table,
                key,
                data,
                base: None,
            })],
            Write::Compact => {
                let replica = &self.clients[index].replica;
                let found = replica.compactable(DOCUMENTS, &key);
                let compact = |(covers, _)| {
                    Op::Compact(CompactOp {
                        table,
                        key,
                        covers,
                        data,
                    })
                };
                found.map(compact).into_iter().collect()
            }
            _ => vec![Op::Delete(DeleteOp::new(table, key))],
        }
    }
}

/// What an app was told of documents since they had last to be read anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    entries: BTreeMap<RowKey, Vec<String>>,
    /// What it has to read anew, and has not yet.
    anew: BTreeSet<RowKey>,
}

impl Client {
    pub(crate) fn hear(&mut self, news: DocumentNews) {
        let name = (news.table, news.key);
        if news.anew {
            // What was told together with it is in the document.
            self.told.anew.insert(name);
            return;
        }
        let told = self.told.entries.entry(name).or_default();
        told.extend(news.entries.into_iter().map(|entry| entry.data));
    }

    /// Reads what it was told to read anew.
    pub(crate) fn read_documents(&mut self) {
        for name in std::mem::take(&mut self.told.anew) {
            let seen = self.replica.document(&name.0, &name.1);
            let seen = seen.into_iter().map(|entry| entry.data).collect();
            self.told.entries.insert(name, seen);
        }
    }

    /// After a restart the app reads all documents.
    pub(crate) fn read_all_documents(&mut self) {
        self.told = Told::default();
        for key in self.replica.documents(DOCUMENTS) {
            self.told.anew.insert((DOCUMENTS.to_owned(), key));
        }
        self.read_documents();
    }
}

/// DOC-CLIENT-APPLY: the base's documents are those of the log at the cursor.
pub(crate) fn base_is_the_log(client: &Client, server: &Server) {
    for (tables, cursor) in &client.stored.shapes {
        if cursor.is_none() && client.filtered {
            // Those of the filter before stay until there are those of the new one.
            continue;
        }
        let shape = held_shape(client, tables);
        let held = client.stored.documents.iter();
        let held = held.filter(|(table, _)| tables.contains(*table));
        let held = held.flat_map(|(table, documents)| {
            let named = documents.iter();
            named.map(move |(key, document)| ((table.clone(), key.clone()), document.clone()))
        });
        let held: BTreeMap<RowKey, Document> = held.collect();
        let said = cursor
            .as_ref()
            .map(|cursor| replay(server.log_of(&cursor.epoch), cursor.version));
        let mut said = said.unwrap_or_default();
        said.retain(|(table, key), _| takes_document(&shape, table, key));
        assert_eq!(
            held, said,
            "the base's documents are the log's at {cursor:?}"
        );
    }
}

/// DOC-CLIENT-ONCE, DOC-CLIENT-VIEW: no entry was told twice, and all that is seen was told, or is the app's own compaction.
pub(crate) fn all_is_told_once(client: &Client, twice: bool) {
    // Applied again, an entry in doubt may be there twice. A copy may hear, as another's, what it has itself yet to send.
    for (name, told) in client.told.entries.iter().filter(|_| !twice) {
        let once: BTreeSet<&String> = told.iter().collect();
        assert_eq!(once.len(), told.len(), "DOC-CLIENT-ONCE: {name:?} {told:?}");
    }
    for key in client.replica.documents(DOCUMENTS) {
        let name = (DOCUMENTS.to_owned(), key.clone());
        let told = client.told.entries.get(&name);
        for entry in client.replica.document(DOCUMENTS, &key) {
            let was_told = told.is_some_and(|told| told.contains(&entry.data));
            let own = { client.written.iter().flat_map(|(_, ops)| ops) }
                .any(|op| matches!(op, Op::Compact(op) if op.data == entry.data));
            assert!(
                was_told || own,
                "DOC-CLIENT-ONCE: {entry:?} was not told: {told:?}"
            );
        }
    }
}
