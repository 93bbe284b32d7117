//! A log in one SQLite file: the embedded default.
//!
//! One thread owns the file and writes for everyone. Whatever is asked while a transaction is being made durable waits and goes into the next one
//! together, whichever workspaces it concerns: *group commit*, by which the cost of `fsync` is shared by all who wait for it. A call
//! returns only after its transaction is durable (WAL, `synchronous=FULL`).
//!
//! The file is locked for as long as it is open, by a file beside it (`lock`): a second server on it would decide
//! on its own, so it is refused at start. There is therefore never a conflict, unless a caller errs. Others may read: [`copy`] is how backups are made.
//!
//! Large things (checkpoints, the reading of a long log) go through the thread in slices, so that nobody's append waits behind all of them.

mod copy;
mod faults;
mod lock;
mod schema;
mod store;
mod sums;
mod upgrade;
mod wal;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use syncline_server_core::{Checkpoint, Record};

use super::{Append, Log, LogError, Opened, Position, Tail, check_order, lines};
use store::{Header, Store, damaged};
use writer::Writer;

pub(crate) use copy::{Replaced, allow_as, copy, finish, remove};
pub(crate) use lock::beside;

/// Bytes of a checkpoint that go into one row, and roughly what one reading takes.
const SLICE_BYTES: usize = 1024 * 1024;

/// A log in a SQLite file, owned by its handles together: when the last one is dropped, the file is closed and may be opened again.
#[derive(Clone)]
pub struct SqliteLog(Arc<Shared>);

struct Shared {
    writer: Writer,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteLog {
    /// Opens the file, creating it if it is not there, or empty, as a crash within its creation leaves it. This blocks, briefly.
    ///
    /// # Errors
    /// One sentence: the path cannot be written, is no database of this kind, is of a newer version, or another server has it.
    pub fn open(path: &Path) -> Result<SqliteLog, LogError> {
        let (connection, lock) = schema::open(path).map_err(|reason| of(path, reason))?;
        let (writer, thread) = Writer::start(connection, Some(lock))?;
        Ok(SqliteLog(Arc::new(Shared {
            writer,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// The names of all workspaces that were ever opened, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn workspaces(&self) -> Result<Vec<String>, LogError> {
        self.0.writer.run(Store::names).await
    }

    /// Commits nothing any more, as if the process had crashed: calls that wait are never answered, and what they asked for is undone.
    /// [`SqliteLog::close`] then closes the file. For tests of what a crash leaves.
    pub fn abandon(&self) {
        self.0.writer.abandon();
    }

    /// Closes the file, whoever else still has a handle: calls that wait are finished, later ones fail. Blocks until it is closed.
    pub fn close(&self) {
        self.0.close();
    }
}

/// An error that says of which file it is.
fn of(path: &Path, reason: impl std::fmt::Display) -> LogError {
    LogError::new(format!("{}: {reason}", path.display()))
}

impl Shared {
    fn close(&self) {
        self.writer.stop();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by itself; the file is closed either way.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

impl Log for SqliteLog {
    const SHARED: bool = false;

    async fn announce_window(&self, outcomes: u64) -> Result<u64, LogError> {
        self.0
            .writer
            .run(move |store| store.announce_window(outcomes))
            .await
    }

    async fn open(&self, workspace: &str, fresh_epoch: &str) -> Result<Opened, LogError> {
        let (name, epoch) = (workspace.to_owned(), fresh_epoch.to_owned());
        let header = self
            .0
            .writer
            .run(move |store| store.open(&name, &epoch))
            .await?;
        let checkpoint = self.read_checkpoint(&header).await?;
        let after = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.version);
        let (records, record_bytes) = self.read_records(&header, after).await?;
        Ok(Opened {
            position: header.position,
            checkpoint,
            records,
            record_bytes,
        })
    }

    async fn append(
        &self,
        workspace: &str,
        at: &Position,
        records: &[Record],
    ) -> Result<Append, LogError> {
        check_order(at, records)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(Append::Done { bytes: 0 });
        };
        let versions = (first.version, last.version);
        let lines = lines::encode(records);
        let (name, at) = (workspace.to_owned(), at.clone());
        self.0
            .writer
            .run(move |store| store.append(&name, &at, versions, lines))
            .await
    }

    async fn tail(&self, workspace: &str, after: &Position) -> Result<Tail, LogError> {
        let name = workspace.to_owned();
        let header = self.0.writer.run(move |store| store.header(&name)).await?;
        if header.position.epoch != after.epoch || after.version < header.truncated_to {
            return Ok(Tail::Gone);
        }
        let (records, _) = self.read_records(&header, after.version).await?;
        Ok(Tail::Records(records))
    }

    async fn checkpoint(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        let at = Position {
            epoch: epoch.to_owned(),
            version: checkpoint.version,
        };
        let slices = self.write_checkpoint(workspace, &at, checkpoint).await?;
        let name = workspace.to_owned();
        self.0
            .writer
            .run(move |store| store.use_checkpoint(&name, &at, slices))
            .await
    }

    async fn truncate(&self, workspace: &str, epoch: &str, up_to: u64) -> Result<(), LogError> {
        let (name, up_to) = (
            workspace.to_owned(),
            Position {
                epoch: epoch.to_owned(),
                version: up_to,
            },
        );
        self.0
            .writer
            .run(move |store| store.truncate(&name, &up_to))
            .await
    }

    async fn replace(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        let name = workspace.to_owned();
        let at = Position {
            epoch: epoch.to_owned(),
            version: checkpoint.version,
        };
        let _ = self.open(workspace, epoch).await?;
        let slices = self.write_checkpoint(workspace, &at, checkpoint).await?;
        self.0
            .writer
            .run(move |store| store.replace(&name, &at, slices))
            .await
    }

    async fn changed(&self, _workspace: &str, _position: &Position) {
        std::future::pending().await
    }
}

impl SqliteLog {
    async fn read_checkpoint(&self, header: &Header) -> Result<Option<Checkpoint>, LogError> {
        let Some(known) = header.checkpoint else {
            return Ok(None);
        };
        let mut text = String::new();
        for number in 1..=known.slices {
            let header = header.clone();
            let read = move |store: &mut Store| store.slice(&header, known.version, number);
            text += &self.0.writer.run(read).await?;
        }
        let version = known.version;
        Ok(Some(Checkpoint { version, text }))
    }

    /// The records above a version, and the bytes of the segments that they stand in. Each segment must follow on the one before.
    async fn read_records(
        &self,
        header: &Header,
        after: u64,
    ) -> Result<(Vec<Record>, u64), LogError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let (workspace, mut at) = (header.workspace, after);
        while at < header.position.version {
            let read = move |store: &mut Store| store.segments(workspace, at);
            let segments = self.0.writer.run(read).await?;
            if segments.is_empty() {
                return Err(damaged(format!("the records after {at} are missing")));
            }
            for segment in segments {
                if segment.behind > at || segment.last <= at {
                    return Err(damaged(format!("the records after {at} are missing")));
                }
                at = segment.last;
                bytes += segment.lines.len() as u64;
                lines::decode_after(&segment.lines, after, &mut records)?;
            }
        }
        Ok((records, bytes))
    }

    /// Writes a checkpoint that does not count yet. Gives the number of its slices.
    async fn write_checkpoint(
        &self,
        workspace: &str,
        at: &Position,
        checkpoint: &Checkpoint,
    ) -> Result<u64, LogError> {
        let name = workspace.to_owned();
        self.0
            .writer
            .run(move |store| store.begin_checkpoint(&name))
            .await?;
        let mut written = 0;
        for (slice, lines) in (1..).zip(slices(&checkpoint.text)) {
            let (name, at, lines) = (workspace.to_owned(), at.clone(), lines.to_owned());
            self.0
                .writer
                .run(move |store| store.put_slice(&name, &at, slice, &lines))
                .await?;
            written = slice;
        }
        Ok(written)
    }
}

/// The text in pieces of about [`SLICE_BYTES`], cut between lines.
fn slices(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let beyond = rest.as_bytes().get(SLICE_BYTES..).unwrap_or_default();
        let end = beyond
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| SLICE_BYTES + end + 1);
        let (slice, behind) = rest.split_at(end);
        rest = behind;
        (!slice.is_empty()).then_some(slice)
    })
}
