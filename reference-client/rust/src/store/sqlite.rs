//! A store in an SQLite file.
//!
//! One table for each part of the state; what is only ever read whole (entries, the meta record) is kept as JSON text, rows and cursors as columns. The
//! write-ahead log with `synchronous = FULL` makes a commit durable; the exclusive lock keeps a second process out, which
//! would otherwise write under the same identity without either knowing.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_client_core::{
    DocumentEntry, Filters, Row, Sequence, StoreChange, StoredState, Tables, Transaction,
};
use syncline_schemas::{Cursor, Json, Sibling};

use crate::{Error, Storage};

/// The layout's version, kept in `user_version`.
const LAYOUT: i64 = UPGRADES.len() as i64 + 1;

/// Marks the file as a store of a Syncline client ("SynC"), kept in `application_id`.
const APPLICATION: i64 = 0x5379_6e43;

const CREATE: &str = "
    CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), record TEXT NOT NULL) STRICT;
    CREATE TABLE outbox (ordinal INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
    CREATE TABLE rejected (ordinal INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
    CREATE TABLE in_doubt (ordinal INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
    CREATE TABLE shapes (tables TEXT PRIMARY KEY, epoch TEXT, version INTEGER) STRICT;
    CREATE TABLE base (
        tbl TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, value TEXT NOT NULL, siblings TEXT,
        PRIMARY KEY (tbl, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sequences (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE filters (tables TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE conflicts (ordinal INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
    CREATE TABLE documents (
        tbl TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL, version INTEGER NOT NULL, covers INTEGER, data TEXT NOT NULL,
        PRIMARY KEY (tbl, key, place)
    ) STRICT, WITHOUT ROWID;
";

/// What brings a store of layout 1 to 2, of 2 to 3, and so on.
const UPGRADES: [&str; 4] = [
    "ALTER TABLE base ADD COLUMN siblings TEXT;
    CREATE TABLE sequences (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;",
    "CREATE TABLE filters (tables TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;",
    "CREATE TABLE conflicts (ordinal INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;",
    "CREATE TABLE documents (
        tbl TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL, version INTEGER NOT NULL, covers INTEGER, data TEXT NOT NULL,
        PRIMARY KEY (tbl, key, place)
    ) STRICT, WITHOUT ROWID;",
];

/// A store in an SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the file, or creates it.
    pub(crate) fn open(path: &Path) -> Result<SqliteStore, Error> {
        let failed = |error: rusqlite::Error| explain(error, path);
        let mut connection = Connection::open(path).map_err(failed)?;
        if connection.is_readonly("main").map_err(failed)? {
            // SQLite opens what it may not write all the same, and fails later, with other words.
            return Err(trouble(path, "cannot be written"));
        }
        connection
            .busy_timeout(std::time::Duration::ZERO)
            .map_err(failed)?;
        // Before anything is read: the lock is then taken at once, and no file of shared memory is needed.
        connection
            .pragma_update(None, "locking_mode", "EXCLUSIVE")
            .map_err(failed)?;
        let found = inspect(&connection, path)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(failed)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(failed)?;
        let sql = match usize::try_from(found) {
            Err(_) => String::new(),
            Ok(0) => CREATE.to_owned(),
            Ok(found) => UPGRADES[found - 1..].concat(),
        };
        lay_out(&mut connection, &sql).map_err(failed)?;
        Ok(SqliteStore { connection })
    }
}

/// Refuses a file that is not one of ours, before anything of it is changed. Gives its layout: 0, if it is new.
fn inspect(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let failed = |error: rusqlite::Error| explain(error, path);
    let number = |query: &str| {
        connection
            .query_row(query, [], |row| row.get::<_, i64>(0))
            .map_err(failed)
    };
    let application = number("PRAGMA application_id")?;
    let layout = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application, layout) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION, found) if found > LAYOUT => Err(Error::StoreNewer {
            path: path.to_owned(),
            found,
            known: LAYOUT,
        }),
        (APPLICATION, found) => Ok(found),
        _ => Err(Error::StoreForeign(path.to_owned())),
    }
}

/// Brings a store to this layout.
fn lay_out(connection: &mut Connection, sql: &str) -> rusqlite::Result<()> {
    if sql.is_empty() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", LAYOUT)?;
    transaction.commit()
}

fn explain(error: rusqlite::Error, path: &Path) -> Error {
    let path: PathBuf = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::StoreInUse(path),
        Some(ErrorCode::NotADatabase) => Error::StoreForeign(path),
        Some(ErrorCode::CannotOpen) => {
            // What the system says is clearer than what SQLite says.
            let opened = OpenOptions::new().append(true).create(true).open(&path);
            let reason = opened.err().map(|reason| reason.to_string());
            let reason = reason.unwrap_or_else(|| error.to_string());
            trouble(&path, format!("cannot be opened: {reason}"))
        }
        _ => trouble(&path, error),
    }
}

fn trouble(path: &Path, reason: impl std::fmt::Display) -> Error {
    let reason = format!("{}: {reason}", path.display());
    Error::store(std::io::Error::other(reason))
}

impl Storage for SqliteStore {
    fn load(&mut self) -> Result<StoredState, Error> {
        let meta = self
            .connection
            .query_row("SELECT record FROM meta", [], |row| row.get::<_, String>(0));
        let meta = meta.optional().map_err(Error::store)?;
        let mut state = StoredState {
            meta: meta.as_deref().map(decode).transpose()?,
            ..StoredState::default()
        };
        state.outbox = self.entries("outbox")?.into_iter().collect();
        state.rejected = self.entries("rejected")?.into_iter().collect();
        state.conflicts = self.entries("conflicts")?.into_iter().collect();
        state.in_doubt = self.entries("in_doubt")?.into_iter().collect();
        state.shapes = self.shapes()?.into_iter().collect();
        state.sequences = self.sequences()?.into_iter().collect();
        state.filters = self.filters()?.into_iter().collect();
        for (table, key, row) in self.base()? {
            state.base.entry(table).or_default().insert(key, row);
        }
        for (table, key, entry) in self.documents()? {
            let document = { state.documents.entry(table).or_default() }.entry(key);
            document.or_default().insert(entry.place(), entry);
        }
        Ok(state)
    }

    fn apply(&mut self, transaction: Transaction) -> Result<(), Error> {
        let target = self.connection.transaction().map_err(Error::store)?;
        for change in &transaction.changes {
            apply_change(&target, change)?;
        }
        target.commit().map_err(Error::store)
    }
}

impl SqliteStore {
    fn entries<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(u64, T)>, Error> {
        let rows = self.rows(&format!("SELECT ordinal, entry FROM {table}"), |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(ordinal, entry): (i64, _)| Ok((ordinal.cast_unsigned(), decode(&entry)?)))
            .collect()
    }

    fn shapes(&self) -> Result<Vec<(Tables, Option<Cursor>)>, Error> {
        let rows = self.rows("SELECT tables, epoch, version FROM shapes", |row| {
            let cursor: (Option<String>, Option<i64>) = (row.get(1)?, row.get(2)?);
            Ok((row.get::<_, String>(0)?, cursor.0.zip(cursor.1)))
        })?;
        let cursor = |(epoch, version): (String, i64)| Cursor {
            epoch,
            version: version.cast_unsigned(),
        };
        rows.into_iter()
            .map(|(tables, at)| Ok((decode(&tables)?, at.map(cursor))))
            .collect()
    }

    fn sequences(&self) -> Result<Vec<(String, Sequence)>, Error> {
        let rows = self.rows("SELECT name, record FROM sequences", |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(name, record)| Ok((name, decode(&record)?)))
            .collect()
    }

    fn filters(&self) -> Result<Vec<(Tables, Filters)>, Error> {
        let rows = self.rows("SELECT tables, record FROM filters", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(tables, record)| Ok((decode(&tables)?, decode(&record)?)))
            .collect()
    }

    fn base(&self) -> Result<Vec<(String, String, Row)>, Error> {
        let query = "SELECT tbl, key, version, value, siblings FROM base";
        let rows = self.rows(query, |row| {
            let (version, value) = (row.get::<_, i64>(2)?, row.get::<_, String>(3)?);
            let siblings = row.get::<_, Option<String>>(4)?;
            Ok((row.get(0)?, row.get(1)?, (version, value, siblings)))
        })?;
        let row = |(version, value, siblings): (i64, String, Option<String>)| {
            let siblings = siblings.map(|siblings| decode::<Vec<Sibling>>(&siblings));
            Ok::<_, Error>(Row {
                version: version.cast_unsigned(),
                value: decode::<Json>(&value)?,
                siblings: siblings.transpose()?.unwrap_or_default(),
            })
        };
        rows.into_iter()
            .map(|(table, key, held)| Ok((table, key, row(held)?)))
            .collect()
    }

    fn documents(&self) -> Result<Vec<(String, String, DocumentEntry)>, Error> {
        let query = "SELECT tbl, key, version, covers, data FROM documents";
        self.rows(query, |row| {
            let entry = DocumentEntry {
                version: row.get::<_, i64>(2)?.cast_unsigned(),
                covers: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
                data: row.get(4)?,
            };
            Ok((row.get(0)?, row.get(1)?, entry))
        })
    }

    fn rows<T>(
        &self,
        query: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.connection.prepare(query).map_err(Error::store)?;
        let rows = statement.query_map([], read).map_err(Error::store)?;
        rows.collect::<rusqlite::Result<Vec<T>>>()
            .map_err(Error::store)
    }
}

fn apply_change(target: &Connection, change: &StoreChange) -> Result<(), Error> {
    match change {
        StoreChange::MetaPut(meta) => {
            let values = params![encode(meta)?];
            run(target, "INSERT OR REPLACE INTO meta VALUES (1, ?)", values)
        }
        StoreChange::EntryPut(entry) => put(target, "outbox", entry.ordinal, entry),
        StoreChange::EntryDropped(ordinal) => remove(target, "outbox", *ordinal),
        StoreChange::RejectedPut(entry) => put(target, "rejected", entry.ordinal, entry),
        StoreChange::RejectedDropped(ordinal) => remove(target, "rejected", *ordinal),
        StoreChange::ConflictPut(entry) => put(target, "conflicts", entry.ordinal, entry),
        StoreChange::ConflictDropped(ordinal) => remove(target, "conflicts", *ordinal),
        StoreChange::DoubtPut(entry) => put(target, "in_doubt", entry.ordinal, entry),
        StoreChange::DoubtDropped(ordinal) => remove(target, "in_doubt", *ordinal),
        StoreChange::SequencePut { name, sequence } => run(
            target,
            "INSERT OR REPLACE INTO sequences VALUES (?, ?)",
            params![name, encode(sequence)?],
        ),
        StoreChange::RowPut { table, key, row } => {
            let (version, value) = (row.version.cast_signed(), row.value.get());
            let siblings = match row.siblings.as_slice() {
                [] => None,
                siblings => Some(encode(&siblings)?),
            };
            run(
                target,
                "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?)",
                params![table, key, version, value, siblings],
            )
        }
        StoreChange::DocumentPut { table, key, entry } => {
            let (place, version) = (entry.place().cast_signed(), entry.version.cast_signed());
            let covers = entry.covers.map(u64::cast_signed);
            run(
                target,
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                params![table, key, place, version, covers, entry.data],
            )
        }
        StoreChange::DocumentDropped { table, key, place } => run(
            target,
            "DELETE FROM documents WHERE tbl = ? AND key = ? AND place = ?",
            params![table, key, place.cast_signed()],
        ),
        StoreChange::RowDropped { table, key } => run(
            target,
            "DELETE FROM base WHERE tbl = ? AND key = ?",
            params![table, key],
        ),
        StoreChange::ShapePut(tables, cursor) => {
            let (epoch, version) = cursor
                .as_ref()
                .map(|at| (&at.epoch, at.version.cast_signed()))
                .unzip();
            let values = params![encode(tables)?, epoch, version];
            run(
                target,
                "INSERT OR REPLACE INTO shapes VALUES (?, ?, ?)",
                values,
            )
        }
        StoreChange::ShapeFiltered(tables, filters) if filters.is_empty() => {
            drop_shape(target, "filters", tables)
        }
        StoreChange::ShapeFiltered(tables, filters) => {
            let values = params![encode(tables)?, encode(filters)?];
            run(
                target,
                "INSERT OR REPLACE INTO filters VALUES (?, ?)",
                values,
            )
        }
        StoreChange::ShapeDropped(tables) => {
            drop_shape(target, "filters", tables)?;
            drop_shape(target, "shapes", tables)
        }
    }
}

/// Takes a shape out of one of the tables of shapes.
fn drop_shape(target: &Connection, table: &str, tables: &Tables) -> Result<(), Error> {
    let query = format!("DELETE FROM {table} WHERE tables = ?");
    run(target, &query, params![encode(tables)?])
}

/// Puts an entry into one of the tables of entries.
fn put(
    target: &Connection,
    table: &str,
    ordinal: u64,
    entry: &impl Serialize,
) -> Result<(), Error> {
    let values = params![ordinal.cast_signed(), encode(entry)?];
    run(
        target,
        &format!("INSERT OR REPLACE INTO {table} VALUES (?, ?)"),
        values,
    )
}

/// Takes an entry out of one of the tables of entries.
fn remove(target: &Connection, table: &str, ordinal: u64) -> Result<(), Error> {
    run(
        target,
        &format!("DELETE FROM {table} WHERE ordinal = ?"),
        params![ordinal.cast_signed()],
    )
}

fn run(target: &Connection, query: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), Error> {
    let mut statement = target.prepare_cached(query).map_err(Error::store)?;
    statement.execute(values).map(drop).map_err(Error::store)
}

fn encode(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::store)
}

/// Reads what [`encode`] wrote; anything else is a store that was tampered with, or is broken.
fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::store)
}
