//! A replica of one subscription, by the rules of a client, which trusts nothing: each update is held against the rules for servers and
//! against the log.

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::{Change, JsonObject, Update};
use syncline_server_core::Record;

use super::documents::{self, Documents};
use super::filters;
use super::log::{self, Rows};

/// What a subscriber has of a shape.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) tables: BTreeMap<String, JsonObject>,
    /// `None`: only a replacement will do.
    pub(crate) cursor: Option<u64>,
    pub(crate) rows: Rows,
    documents: Documents,
    /// How low the first `to` may be (SUB-FIRST-UPDATE).
    first_to_min: u64,
    last_to: u64,
    staged: Option<Staged>,
    /// What was sent outside replacements.
    sent: BTreeSet<(String, String, u64)>,
}

#[derive(Debug)]
struct Staged {
    from: u64,
    replace: bool,
    changes: Vec<Change>,
}

/// The rows of some tables, as far as their filters take them, in the log replayed to a version (FLT-MATCH).
fn rows_of(tables: &BTreeMap<String, JsonObject>, version: u64, log: &[Record]) -> Rows {
    let mut rows = log::rows_at(log, version);
    rows.retain(|(table, _), _| tables.contains_key(table));
    for (table, settings) in tables {
        filters::retain(&mut rows, table, settings);
    }
    rows
}

/// The documents of some tables, as far as their filters take them (DOC-FILTER).
fn documents_of(tables: &BTreeMap<String, JsonObject>, version: u64, log: &[Record]) -> Documents {
    let mut documents = documents::at(log, version);
    documents.retain(|(table, key), _| {
        let settings = tables.get(table);
        settings.is_some_and(|settings| filters::take_document(settings, key))
    });
    documents
}

impl Replica {
    /// A subscriber that has the state at its cursor, if it has one.
    pub(crate) fn new(
        tables: BTreeMap<String, JsonObject>,
        cursor: Option<u64>,
        first_to_min: u64,
        log: &[Record],
    ) -> Replica {
        let rows = rows_of(&tables, cursor.unwrap_or(0), log);
        let documents = documents_of(&tables, cursor.unwrap_or(0), log);
        Replica {
            tables,
            cursor,
            rows,
            documents,
            first_to_min,
            last_to: 0,
            staged: None,
            sent: BTreeSet::new(),
        }
    }

    /// Takes an update. Gives the `to` of a complete one.
    pub(crate) fn take(&mut self, update: Update, log: &[Record]) -> Option<u64> {
        self.stage(&update);
        assert_eq!(update.more, update.to.is_none(), "SUB-PARTS");
        let to = update.to?;
        let staged = self.staged.take().expect("staged above");
        self.complete(staged, to, log);
        Some(to)
    }

    fn stage(&mut self, update: &Update) {
        if update.replace {
            assert_eq!(update.from, 0, "UPD-FROM");
            self.staged = Some(Staged {
                from: 0,
                replace: true,
                changes: Vec::new(),
            });
        }
        let staged = self.staged.get_or_insert_with(|| {
            assert!(
                self.cursor.is_some_and(|cursor| update.from <= cursor),
                "UPD-FROM {update:?} at {:?}",
                self.cursor
            );
            Staged {
                from: update.from,
                replace: false,
                changes: Vec::new(),
            }
        });
        assert_eq!(update.from, staged.from, "SUB-PARTS");
        for change in &update.changes {
            let name = (
                change.table().to_owned(),
                change.key().to_owned(),
                change.version(),
            );
            assert!(
                self.tables.contains_key(change.table()) && change.version() > update.from,
                "UPD-RANGE"
            );
            assert!(
                staged.replace || self.sent.insert(name),
                "UPD-NO-REPEAT {change:?}"
            );
            if matches!(change, Change::Append(_) | Change::Compact(_)) {
                let settings = &self.tables[change.table()];
                assert!(
                    filters::take_document(settings, change.key()),
                    "DOC-FILTER {change:?}"
                );
            }
            staged.changes.push(change.clone());
        }
    }

    fn complete(&mut self, staged: Staged, to: u64, log: &[Record]) {
        let head = log.last().map_or(0, |record| record.version);
        assert!(
            to >= staged.from && to >= self.last_to && to <= head,
            "UPD-TO"
        );
        assert!(to >= self.first_to_min, "SUB-FIRST-UPDATE");
        assert!(
            staged.changes.iter().all(|change| change.version() <= to),
            "UPD-RANGE"
        );
        let mut changes = staged.changes;
        if staged.replace {
            self.rows.clear();
            self.documents.clear();
        } else {
            changes.retain(|change| Some(change.version()) > self.cursor);
        }
        changes.sort_by_key(Change::version);
        for change in changes {
            let row = (change.table().to_owned(), change.key().to_owned());
            documents::take(&mut self.documents, &change);
            let there = log::rows_at(log, change.version()).contains_key(&row);
            let removed = matches!(change, Change::Remove(_));
            let deleted = matches!(change, Change::Delete(_));
            assert!(
                !(removed && !there || deleted && there),
                "FLT-REMOVE {change:?}"
            );
            match change {
                Change::Set(set) => self.rows.insert(row, (set.version, set.value)),
                Change::Delete(_) | Change::Remove(_) => self.rows.remove(&row),
                Change::Append(_) | Change::Compact(_) => None,
            };
        }
        self.last_to = to;
        self.cursor = self.cursor.filter(|_| !staged.replace).max(Some(to));
        self.check_rows(to, log);
    }

    /// The rows are those of the log replayed to a version (UPD-COMPLETE, SUB-REPLACE-COMPLETE).
    pub(crate) fn check_rows(&self, version: u64, log: &[Record]) {
        let expected = rows_of(&self.tables, version, log);
        assert_eq!(self.rows, expected, "the log replayed to {version}");
        let expected = documents_of(&self.tables, version, log);
        assert_eq!(self.documents, expected, "the log replayed to {version}");
    }

    /// Nothing is missing: what can be sent has been.
    pub(crate) fn check_caught_up(&self, log: &[Record]) {
        assert!(
            self.staged.is_none() && self.cursor.is_some(),
            "UPD-DELIVERED: {self:?}"
        );
        self.check_rows(u64::MAX, log);
    }
}
