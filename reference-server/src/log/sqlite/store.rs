//! The statements: what is done with the file, inside the writer's transaction.

use std::collections::HashMap;
use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::log::{Append, LogError, Position};

use super::lock::FileLock;
use super::{SLICE_BYTES, sums};

/// The file, and what is known of the workspaces in it. As nobody else writes, what is known stays true.
pub(super) struct Store {
    connection: Connection,
    known: HashMap<String, Header>,
    /// Given back last.
    _lock: Option<FileLock>,
}

/// A workspace without its data.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Names the workspace inside the file.
    pub(super) workspace: i64,
    pub(super) position: Position,
    pub(super) truncated_to: u64,
    pub(super) checkpoint: Option<Known>,
}

/// The checkpoint in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) version: u64,
    /// How many slices it has.
    pub(super) slices: u64,
}

/// The records of one append.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) workspace: i64,
    /// The version that was the last before.
    pub(super) behind: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) lines: String,
}

/// A piece of a checkpoint.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    pub(super) workspace: i64,
    pub(super) epoch: &'a str,
    pub(super) version: u64,
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) lines: &'a str,
}

/// What is there is not what was written.
pub(super) fn damaged(what: impl fmt::Display) -> LogError {
    LogError::new(format!(
        "the file is damaged: {what}. Stop the server, keep a copy of the file, and put a backup in its place"
    ))
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> LogError {
        LogError::new(error)
    }
}

impl Header {
    /// From the columns id, epoch, head, truncated_to, checkpoint, slices.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Header> {
        let (version, slices): (Option<u64>, Option<u64>) = (row.get(4)?, row.get(5)?);
        let known = |(version, slices)| Known { version, slices };
        Ok(Header {
            workspace: row.get(0)?,
            position: Position {
                epoch: row.get(1)?,
                version: row.get(2)?,
            },
            truncated_to: row.get(3)?,
            checkpoint: version.zip(slices).map(known),
        })
    }
}

impl Store {
    pub(super) fn new(connection: Connection, lock: Option<FileLock>) -> Store {
        Store {
            connection,
            known: HashMap::new(),
            _lock: lock,
        }
    }

    /// The names of all workspaces, in order.
    pub(super) fn names(&mut self) -> Result<Vec<String>, LogError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM workspace ORDER BY name")?;
        let names = statement.query_map((), |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    /// Runs a statement that has neither parameters nor rows.
    pub(super) fn execute(&mut self, sql: &'static str) -> Result<(), LogError> {
        self.connection.prepare_cached(sql)?.execute(())?;
        Ok(())
    }

    /// Something was rolled back: reads everything again.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    pub(super) fn announce_window(&mut self, outcomes: u64) -> Result<u64, LogError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u32>(1)?));
        let (known, sum) = {
            self.connection
                .prepare_cached("SELECT window, sum FROM file")?
        }
        .query_row((), read)?;
        if sums::of_window(known) != sum {
            return Err(damaged("the window that was announced"));
        }
        let widest = known.max(outcomes);
        self.connection
            .prepare_cached("UPDATE file SET window = ?1, sum = ?2")?
            .execute(params![widest, sums::of_window(widest)])?;
        Ok(widest)
    }

    pub(super) fn open(&mut self, name: &str, fresh_epoch: &str) -> Result<Header, LogError> {
        if let Some(header) = self.find(name)? {
            return Ok(header);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO workspace (name, epoch, head, truncated_to, sum) VALUES (?1, ?2, 0, 0, 0)",
            )?
            .execute(params![name, fresh_epoch])?;
        let header = Header {
            workspace: self.connection.last_insert_rowid(),
            position: Position {
                epoch: fresh_epoch.to_owned(),
                version: 0,
            },
            truncated_to: 0,
            checkpoint: None,
        };
        self.save(name, &header)?;
        Ok(header)
    }

    /// Writes the row of a workspace.
    fn save(&mut self, name: &str, header: &Header) -> Result<(), LogError> {
        let (version, slices) = { header.checkpoint }
            .map(|known| (known.version, known.slices))
            .unzip();
        self.connection
            .prepare_cached(
                "UPDATE workspace SET epoch = ?2, head = ?3, truncated_to = ?4, checkpoint = ?5, slices = ?6, sum = ?7 WHERE id = ?1",
            )?
            .execute(params![
                header.workspace,
                header.position.epoch,
                header.position.version,
                header.truncated_to,
                version,
                slices,
                header.sum(name)
            ])?;
        self.known.insert(name.to_owned(), header.clone());
        Ok(())
    }

    /// The header of a workspace that must be there.
    pub(super) fn header(&mut self, name: &str) -> Result<Header, LogError> {
        self.find(name)?
            .ok_or_else(|| LogError::new("the workspace was never opened"))
    }

    fn find(&mut self, name: &str) -> Result<Option<Header>, LogError> {
        if let Some(header) = self.known.get(name) {
            return Ok(Some(header.clone()));
        }
        let found = self
            .connection
            .prepare_cached(
                "SELECT id, epoch, head, truncated_to, checkpoint, slices, sum FROM workspace WHERE name = ?1",
            )?
            .query_row([name], |row| Ok((Header::read(row)?, row.get::<_, u32>(6)?)))
            .optional()?;
        let Some((header, sum)) = found else {
            return Ok(None);
        };
        if header.sum(name) != sum {
            return Err(damaged(format!("what it says of the workspace {name}")));
        }
        self.known.insert(name.to_owned(), header.clone());
        Ok(Some(header))
    }

    pub(super) fn append(
        &mut self,
        name: &str,
        at: &Position,
        (first, last): (u64, u64),
        lines: String,
    ) -> Result<Append, LogError> {
        let header = self.header(name)?;
        if header.position != *at {
            return Ok(Append::Conflict);
        }
        let segment = Segment {
            workspace: header.workspace,
            behind: at.version,
            first,
            last,
            lines,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO segment (workspace, last, first, behind, lines, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                segment.workspace,
                last,
                first,
                segment.behind,
                segment.lines,
                segment.sum()
            ])?;
        let mut header = header;
        header.position.version = last;
        self.save(name, &header)?;
        Ok(Append::Done {
            bytes: segment.lines.len() as u64,
        })
    }

    /// Segments that end above a version, about [`SLICE_BYTES`] of them; none, if there are no more.
    pub(super) fn segments(
        &mut self,
        workspace: i64,
        after: u64,
    ) -> Result<Vec<Segment>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT behind, first, last, lines, sum FROM segment WHERE workspace = ?1 AND last > ?2 ORDER BY last",
        )?;
        let mut rows = statement.query(params![workspace, after])?;
        let (mut segments, mut bytes) = (Vec::new(), 0);
        while bytes < SLICE_BYTES
            && let Some(row) = rows.next()?
        {
            let segment = Segment {
                workspace,
                behind: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
                lines: row.get(3)?,
            };
            if segment.sum() != row.get::<_, u32>(4)? {
                let (first, last) = (segment.first, segment.last);
                return Err(damaged(format!("the records {first} to {last}")));
            }
            bytes += segment.lines.len();
            segments.push(segment);
        }
        Ok(segments)
    }

    /// A slice of the checkpoint in use. They count from 1.
    pub(super) fn slice(
        &mut self,
        header: &Header,
        version: u64,
        number: u64,
    ) -> Result<String, LogError> {
        let epoch = &header.position.epoch;
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?));
        let found = self
            .connection
            .prepare_cached(
                "SELECT lines, sum FROM checkpoint WHERE workspace = ?1 AND epoch = ?2 AND version = ?3 AND slice = ?4",
            )?
            .query_row(params![header.workspace, epoch, version, number], read)
            .optional()?;
        let whole = |(lines, sum): &(String, u32)| {
            let slice = Slice {
                workspace: header.workspace,
                epoch,
                version,
                number,
                lines,
            };
            slice.sum() == *sum
        };
        let found = found.filter(whole).map(|(lines, _)| lines);
        found.ok_or_else(|| damaged(format!("slice {number} of the checkpoint {version}")))
    }

    /// Removes what is left of checkpoints that were never finished.
    pub(super) fn begin_checkpoint(&mut self, name: &str) -> Result<(), LogError> {
        let header = self.header(name)?;
        self.connection
            .prepare_cached("DELETE FROM checkpoint WHERE workspace = ?1 AND NOT (epoch = ?2 AND version IS ?3)")?
            .execute(params![
                header.workspace,
                header.position.epoch,
                header.checkpoint.map(|known| known.version)
            ])?;
        Ok(())
    }

    /// Slices count from 1.
    pub(super) fn put_slice(
        &mut self,
        name: &str,
        at: &Position,
        number: u64,
        lines: &str,
    ) -> Result<(), LogError> {
        let slice = Slice {
            workspace: self.header(name)?.workspace,
            epoch: &at.epoch,
            version: at.version,
            number,
            lines,
        };
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO checkpoint (workspace, epoch, version, slice, lines, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![slice.workspace, at.epoch, at.version, number, lines, slice.sum()])?;
        Ok(())
    }

    /// From now on the checkpoint at `at`, of so many slices, written before, counts.
    pub(super) fn use_checkpoint(
        &mut self,
        name: &str,
        at: &Position,
        slices: u64,
    ) -> Result<(), LogError> {
        let header = self.header(name)?;
        let version = at.version;
        if header.position.epoch == at.epoch
            && header
                .checkpoint
                .is_none_or(|known| known.version < version)
        {
            let checkpoint = Some(Known { version, slices });
            self.save(
                name,
                &Header {
                    checkpoint,
                    ..header
                },
            )?;
        }
        self.begin_checkpoint(name)
    }

    pub(super) fn truncate(&mut self, name: &str, up_to: &Position) -> Result<(), LogError> {
        let header = self.header(name)?;
        let up_to = if header.position.epoch == up_to.epoch {
            up_to.version
        } else {
            0
        };
        let up_to = up_to.min(header.checkpoint.map_or(0, |known| known.version));
        let gone: Option<u64> = self
            .connection
            .prepare_cached("SELECT max(last) FROM segment WHERE workspace = ?1 AND last <= ?2")?
            .query_row(params![header.workspace, up_to], |row| row.get(0))?;
        let Some(truncated_to) = gone else {
            return Ok(());
        };
        self.connection
            .prepare_cached("DELETE FROM segment WHERE workspace = ?1 AND last <= ?2")?
            .execute(params![header.workspace, truncated_to])?;
        self.save(
            name,
            &Header {
                truncated_to,
                ..header
            },
        )
    }

    /// From now on the history is the checkpoint at `at`, of so many slices, written before, and nothing else.
    pub(super) fn replace(
        &mut self,
        name: &str,
        at: &Position,
        slices: u64,
    ) -> Result<(), LogError> {
        let workspace = self.header(name)?.workspace;
        self.connection
            .prepare_cached("DELETE FROM segment WHERE workspace = ?1")?
            .execute([workspace])?;
        let version = at.version;
        let header = Header {
            workspace,
            position: at.clone(),
            truncated_to: version,
            checkpoint: Some(Known { version, slices }),
        };
        self.save(name, &header)?;
        self.begin_checkpoint(name)
    }
}
