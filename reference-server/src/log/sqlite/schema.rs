//! The file's format, and the opening of a file: everything that can be wrong with it is found out here, and said in one sentence.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::lock::{FileLock, beside};
use super::store::{Header, damaged};
use super::{sums, upgrade, wal};

/// Marks the file as ours (`SyLi`), so that the database of another program is not taken over.
const APPLICATION_ID: i64 = 0x5379_4c69;

/// The format that this program writes, in `user_version`. A file of a higher one is refused.
const FORMAT: i64 = 2;

/// Bytes of a page, for a new file. Group commit makes segments of hundreds of KiB, which cost a third less to write than in pages of 4 KiB;
/// small ones cost the same, as it is the sync that they wait for.
const PAGE_BYTES: u32 = 16 * 1024;

/// How long to wait for somebody who has the file for a moment: a backup that ends, say. A server has it by its [`FileLock`].
const BUSY: Duration = Duration::from_secs(5);

const NO_FILE: &str = "is no place for a write-ahead log";
const READ_ONLY: &str = "cannot be written";
const FOREIGN: &str = "is the database of another program";

fn newer(format: i64) -> String {
    format!(
        "was written by a newer version of this program (format {format}, this one knows up to {FORMAT})"
    )
}

/// A workspace's rows in the other tables are found by its `id`.
const TABLES: &str = "
    -- What concerns the whole file, in its one row.
    CREATE TABLE file (
        window INTEGER NOT NULL,  -- the widest that was ever announced (limits.inFlightMax)
        sum    INTEGER NOT NULL   -- this and every `sum`: the checksum of the row
    ) STRICT;

    -- A workspace and its history.
    CREATE TABLE workspace (
        id           INTEGER PRIMARY KEY,
        name         TEXT NOT NULL UNIQUE,
        epoch        TEXT NOT NULL,
        head         INTEGER NOT NULL,  -- its log ends here: with a segment, or with the checkpoint
        truncated_to INTEGER NOT NULL,  -- segments up to this version are gone
        checkpoint   INTEGER,           -- the version of the checkpoint in use, of this epoch
        slices       INTEGER,           -- and how many slices it has
        sum          INTEGER NOT NULL
    ) STRICT;

    -- The records of one append: versions first to last, one JSON line each, behind the version that was the last before.
    CREATE TABLE segment (
        workspace INTEGER NOT NULL REFERENCES workspace (id),
        last      INTEGER NOT NULL,
        first     INTEGER NOT NULL,
        behind    INTEGER NOT NULL,
        lines     TEXT NOT NULL,
        sum       INTEGER NOT NULL,
        PRIMARY KEY (workspace, last)
    ) STRICT;

    -- A checkpoint's lines, in slices. One that is not named by its workspace is unfinished.
    CREATE TABLE checkpoint (
        workspace INTEGER NOT NULL REFERENCES workspace (id),
        epoch     TEXT NOT NULL,
        version   INTEGER NOT NULL,
        slice     INTEGER NOT NULL,
        lines     TEXT NOT NULL,
        sum       INTEGER NOT NULL,
        PRIMARY KEY (workspace, epoch, version, slice)
    ) STRICT;
";

/// Opens or creates the file, and takes it for this process alone.
///
/// # Errors
/// A sentence without the path.
pub(super) fn open(path: &Path) -> Result<(Connection, FileLock), String> {
    if [Path::new(":memory:"), Path::new("")].contains(&path) {
        return Err(NO_FILE.to_owned());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| explain_creating(path, &error))?;
    let readonly = connection.is_readonly("main");
    if readonly.map_err(|error| explain(path, &error))? {
        // SQLite opens what it may not write all the same, to read it.
        return Err(READ_ONLY.to_owned());
    }
    // Before anything of the file is read or changed.
    let lock = FileLock::take(path)?;
    check_log(path)?;
    prepare(&connection).unwrap_or_else(|error| Err(explain(path, &error)))?;
    Ok((connection, lock))
}

/// Whether the write-ahead log that was left beside a file is whole, as far as it was acknowledged. Only for who has the file's lock.
///
/// # Errors
/// A sentence without the path.
pub(super) fn check_log(path: &Path) -> Result<(), String> {
    wal::check(&beside(path, "-wal")).map_err(|what| damaged(what).to_string())
}

/// Opens a file that must be there and be of this program, of this format or an older one, to read it: whoever writes meanwhile is not disturbed.
///
/// # Errors
/// A sentence without the path.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let explained = |error: rusqlite::Error| explain(path, &error);
    let connection = Connection::open_with_flags(path, flags).map_err(explained)?;
    connection.busy_timeout(BUSY).map_err(explained)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || Ok((pragma("application_id")?, pragma("user_version")?));
    let (application, format) = read().map_err(explained)?;
    if application != APPLICATION_ID {
        return Err(FOREIGN.to_owned());
    }
    if format > FORMAT {
        return Err(newer(format));
    }
    Ok(connection)
}

/// Makes a file one that stands for itself: what its write-ahead log holds goes into it, and the log goes.
///
/// # Errors
/// A sentence without the path.
pub(super) fn settle(path: &Path) -> Result<(), String> {
    drop(open_to_read(path)?);
    let settled = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update_and_check(None, "journal_mode", "delete", |row| {
            row.get::<_, String>(0)
        })
    };
    match settled() {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(mode) => Err(format!("is in use (its journal stays in the mode {mode})")),
        Err(error) => Err(explain(path, &error)),
    }
}

/// The outer error is SQLite's, the inner one ours.
fn prepare(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let verdict = format(connection)?;
    if verdict.is_err() {
        return Ok(verdict);
    }
    connection.execute_batch("COMMIT")?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Ok(Err(NO_FILE.to_owned()));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(Ok(()))
}

/// Writes the format into an empty file, and refuses what is not of this format.
fn format(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    if objects == 0 && application == 0 {
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO file VALUES (0, ?1)", [sums::of_window(0)])?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        return Ok(Ok(()));
    }
    if application != APPLICATION_ID {
        return Ok(Err(FOREIGN.to_owned()));
    }
    match format {
        FORMAT => {}
        1 => {
            upgrade::from_1(connection)?;
            connection.pragma_update(None, "user_version", FORMAT)?;
        }
        0 => return Ok(Err(damaged("it has no format").to_string())),
        _ => return Ok(Err(newer(format))),
    }
    check_names(connection)
}

/// Whether all workspaces are found under their names: one that is not would be taken for a new one, and begun anew.
fn check_names(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let check = "SELECT * FROM pragma_integrity_check('workspace')";
    let said: String = connection.query_row(check, (), |row| row.get(0))?;
    if said != "ok" {
        return Ok(Err(
            damaged(format!("its list of workspaces: {said}")).to_string()
        ));
    }
    let rows = "SELECT id, epoch, head, truncated_to, checkpoint, slices, sum, name FROM workspace";
    let mut statement = connection.prepare(rows)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(7)?;
        if Header::read(row)?.sum(&name) != row.get::<_, u32>(6)? {
            return Ok(Err(damaged(format!(
                "what it says of a workspace, {name:?} it seems"
            ))
            .to_string()));
        }
    }
    Ok(Ok(()))
}

fn explain(path: &Path, error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has this file open".to_owned()
        }
        Some(ErrorCode::NotADatabase) => "is not a SQLite database".to_owned(),
        Some(ErrorCode::ReadOnly) => READ_ONLY.to_owned(),
        Some(ErrorCode::CannotOpen) => cannot_open(path, error, false),
        _ => error.to_string(),
    }
}

fn explain_creating(path: &Path, error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => cannot_open(path, error, true),
        _ => explain(path, error),
    }
}

/// What the system says, which is clearer than what SQLite says.
fn cannot_open(path: &Path, error: &rusqlite::Error, create: bool) -> String {
    let mut options = OpenOptions::new();
    let opened = options.read(true).append(true).create(create).open(path);
    let reason = opened
        .err()
        .map_or_else(|| error.to_string(), |error| error.to_string());
    format!("cannot be opened: {reason}")
}
