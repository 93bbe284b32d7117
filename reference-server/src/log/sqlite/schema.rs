//! The file's format, and the opening of a file: everything that can be wrong with it is found out here, and said in one sentence.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Marks the file as ours (`SyLi`), so that the database of another program is not taken over.
const APPLICATION_ID: i64 = 0x5379_4c69;

/// The format that this program writes, in `user_version`. A file of a higher one is refused.
const FORMAT: i64 = 1;

/// Bytes of a page, for a new file. Group commit makes segments of hundreds of KiB, which cost a third less to write than in pages of 4 KiB;
/// small ones cost the same, as it is the sync that they wait for.
const PAGE_BYTES: u32 = 16 * 1024;

/// A workspace's rows in the other tables are found by its `id`.
const TABLES: &str = "
    -- What concerns the whole file, in its one row.
    CREATE TABLE file (
        window INTEGER NOT NULL  -- the widest that was ever announced (limits.inFlightMax)
    ) STRICT;
    INSERT INTO file VALUES (0);

    -- A workspace and its history. Its log ends at the highest segment.last, or at the checkpoint.
    CREATE TABLE workspace (
        id           INTEGER PRIMARY KEY,
        name         TEXT NOT NULL UNIQUE,
        epoch        TEXT NOT NULL,
        truncated_to INTEGER NOT NULL,  -- segments up to this version are gone
        checkpoint   INTEGER            -- the version of the checkpoint in use, of this epoch
    ) STRICT;

    -- The records of one append: versions first to last, one JSON line each.
    CREATE TABLE segment (
        workspace INTEGER NOT NULL REFERENCES workspace (id),
        last      INTEGER NOT NULL,
        first     INTEGER NOT NULL,
        lines     TEXT NOT NULL,
        PRIMARY KEY (workspace, last)
    ) STRICT;

    -- A checkpoint's lines, in slices. One that is not named by its workspace is unfinished.
    CREATE TABLE checkpoint (
        workspace INTEGER NOT NULL REFERENCES workspace (id),
        epoch     TEXT NOT NULL,
        version   INTEGER NOT NULL,
        slice     INTEGER NOT NULL,
        lines     TEXT NOT NULL,
        PRIMARY KEY (workspace, epoch, version, slice)
    ) STRICT;
";

/// Opens or creates the file, and takes it for this process alone.
///
/// # Errors
/// A sentence without the path.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| explain(path, &error))?;
    prepare(&connection).unwrap_or_else(|error| Err(explain(path, &error)))?;
    Ok(connection)
}

/// The outer error is SQLite's, the inner one ours.
fn prepare(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    // The first transaction that writes takes the lock, and an exclusive one is kept until the end.
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    let verdict = format(connection)?;
    if verdict.is_err() {
        return Ok(verdict);
    }
    connection.execute_batch("COMMIT")?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Ok(Err("is no place for a write-ahead log".to_owned()));
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
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        return Ok(Ok(()));
    }
    Ok(if application != APPLICATION_ID {
        Err("is the database of another program".to_owned())
    } else if format > FORMAT {
        Err(format!(
            "was written by a newer version of this program (format {format}, this one knows up to {FORMAT})"
        ))
    } else {
        Ok(())
    })
}

fn explain(path: &Path, error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another server has this file open".to_owned()
        }
        Some(ErrorCode::NotADatabase) => "is not a SQLite database".to_owned(),
        Some(ErrorCode::ReadOnly) => "cannot be written".to_owned(),
        Some(ErrorCode::CannotOpen) => format!("cannot be opened: {}", system_reason(path, error)),
        _ => error.to_string(),
    }
}

/// What the system says, which is clearer than what SQLite says.
fn system_reason(path: &Path, error: &rusqlite::Error) -> String {
    let opened = OpenOptions::new().read(true).append(true).open(path);
    opened
        .err()
        .map_or_else(|| error.to_string(), |error| error.to_string())
}
