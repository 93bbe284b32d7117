//! The statements: what is done with the file, inside the writer's transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::log::{Append, LogError, Position};

use super::SLICE_BYTES;

/// The file, and what is known of the workspaces in it. As nobody else writes, what is known stays true.
pub(super) struct Store {
    connection: Connection,
    known: HashMap<String, Header>,
}

/// A workspace without its data.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Names the workspace inside the file.
    pub(super) workspace: i64,
    pub(super) position: Position,
    pub(super) truncated_to: u64,
    pub(super) checkpoint: Option<u64>,
}

/// Some of a log's or a checkpoint's texts, in order, and where to go on.
pub(super) struct Page {
    pub(super) texts: Vec<String>,
    pub(super) next: Option<u64>,
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> LogError {
        LogError::new(error)
    }
}

impl Store {
    pub(super) fn new(connection: Connection) -> Store {
        Store {
            connection,
            known: HashMap::new(),
        }
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
        let widest = self
            .connection
            .prepare_cached("UPDATE file SET window = max(window, ?1) RETURNING window")?
            .query_row([outcomes], |row| row.get(0))?;
        Ok(widest)
    }

    pub(super) fn open(&mut self, name: &str, fresh_epoch: &str) -> Result<Header, LogError> {
        if let Some(header) = self.find(name)? {
            return Ok(header);
        }
        self.connection
            .prepare_cached("INSERT INTO workspace (name, epoch, truncated_to) VALUES (?1, ?2, 0)")?
            .execute(params![name, fresh_epoch])?;
        self.header(name)
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
        let header = self
            .connection
            .prepare_cached(
                "SELECT id, epoch, truncated_to, checkpoint,
                        max(ifnull(checkpoint, 0), ifnull((SELECT max(last) FROM segment WHERE workspace = id), 0))
                 FROM workspace WHERE name = ?1",
            )?
            .query_row([name], |row| {
                Ok(Header {
                    workspace: row.get(0)?,
                    position: Position { epoch: row.get(1)?, version: row.get(4)? },
                    truncated_to: row.get(2)?,
                    checkpoint: row.get(3)?,
                })
            })
            .optional()?;
        if let Some(header) = &header {
            self.known.insert(name.to_owned(), header.clone());
        }
        Ok(header)
    }

    pub(super) fn append(
        &mut self,
        name: &str,
        at: &Position,
        first: u64,
        last: u64,
        lines: &str,
    ) -> Result<Append, LogError> {
        let header = self.header(name)?;
        if header.position != *at {
            return Ok(Append::Conflict);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO segment (workspace, last, first, lines) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![header.workspace, last, first, lines])?;
        if let Some(known) = self.known.get_mut(name) {
            known.position.version = last;
        }
        Ok(Append::Done {
            bytes: lines.len() as u64,
        })
    }

    /// Segments that end above a version, about [`SLICE_BYTES`] of them.
    pub(super) fn segments(&mut self, workspace: i64, after: u64) -> Result<Page, LogError> {
        let sql =
            "SELECT last, lines FROM segment WHERE workspace = ?1 AND last > ?2 ORDER BY last";
        self.page(sql, params![workspace, after])
    }

    /// Slices of a checkpoint from a number on, about [`SLICE_BYTES`] of them.
    pub(super) fn slices(
        &mut self,
        header: &Header,
        version: u64,
        after: u64,
    ) -> Result<Page, LogError> {
        let sql = "SELECT slice, lines FROM checkpoint
                   WHERE workspace = ?1 AND epoch = ?2 AND version = ?3 AND slice > ?4 ORDER BY slice";
        self.page(
            sql,
            params![header.workspace, header.position.epoch, version, after],
        )
    }

    fn page(&self, sql: &str, params: impl rusqlite::Params) -> Result<Page, LogError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut page = Page {
            texts: Vec::new(),
            next: None,
        };
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let text: String = row.get(1)?;
            bytes += text.len();
            page.texts.push(text);
            if bytes >= SLICE_BYTES {
                page.next = Some(row.get(0)?);
                break;
            }
        }
        Ok(page)
    }

    /// Removes what is left of checkpoints that were never finished.
    pub(super) fn begin_checkpoint(&mut self, name: &str) -> Result<(), LogError> {
        let header = self.header(name)?;
        self.connection
            .prepare_cached("DELETE FROM checkpoint WHERE workspace = ?1 AND NOT (epoch = ?2 AND version IS ?3)")?
            .execute(params![header.workspace, header.position.epoch, header.checkpoint])?;
        Ok(())
    }

    /// Slices count from 1.
    pub(super) fn put_slice(
        &mut self,
        name: &str,
        at: &Position,
        slice: u64,
        lines: &str,
    ) -> Result<(), LogError> {
        let header = self.header(name)?;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO checkpoint (workspace, epoch, version, slice, lines) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![header.workspace, at.epoch, at.version, slice, lines])?;
        Ok(())
    }

    /// From now on the checkpoint at `at`, written before, counts.
    pub(super) fn use_checkpoint(&mut self, name: &str, at: &Position) -> Result<(), LogError> {
        let header = self.header(name)?;
        if header.position.epoch == at.epoch
            && header.checkpoint.is_none_or(|version| version < at.version)
        {
            self.connection
                .prepare_cached("UPDATE workspace SET checkpoint = ?2 WHERE id = ?1")?
                .execute(params![header.workspace, at.version])?;
            self.known.remove(name);
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
        let up_to = up_to.min(header.checkpoint.unwrap_or(0));
        let gone: Option<u64> = self
            .connection
            .prepare_cached("SELECT max(last) FROM segment WHERE workspace = ?1 AND last <= ?2")?
            .query_row(params![header.workspace, up_to], |row| row.get(0))?;
        let Some(gone) = gone else { return Ok(()) };
        self.connection
            .prepare_cached("DELETE FROM segment WHERE workspace = ?1 AND last <= ?2")?
            .execute(params![header.workspace, gone])?;
        self.connection
            .prepare_cached("UPDATE workspace SET truncated_to = ?2 WHERE id = ?1")?
            .execute(params![header.workspace, gone])?;
        self.known.remove(name);
        Ok(())
    }

    /// From now on the history is the checkpoint at `at`, written before, and nothing else.
    pub(super) fn replace(&mut self, name: &str, at: &Position) -> Result<(), LogError> {
        let header = self.header(name)?;
        self.connection
            .prepare_cached("DELETE FROM segment WHERE workspace = ?1")?
            .execute([header.workspace])?;
        self.connection
            .prepare_cached(
                "UPDATE workspace SET epoch = ?2, checkpoint = ?3, truncated_to = ?3 WHERE id = ?1",
            )?
            .execute(params![header.workspace, at.epoch, at.version])?;
        self.known.remove(name);
        self.begin_checkpoint(name)
    }
}
