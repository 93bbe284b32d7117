//! The conditional log: where everything durable lives, and the only thing that the server asks of a store.
//!
//! A workspace is a log of records, of which a prefix may be folded into a checkpoint. Appending is *conditional*: it says where the
//! log must end for the records to be true, and is refused if it ends elsewhere. The engine is a deterministic machine over
//! the log, so several servers may share one: whoever is refused reads what is there, decides again, and no
//! mutation can get two outcomes (`PUSH-ONCE`). A store needs no more than this, which most databases can give.
//!
//! ```text
//!   open ──▶ Opened {position, checkpoint, records after it}        the workspace is created durably, if it was not there
//!   append(at, records) ──▶ Done | Conflict                        durable when it answers (MODEL-DURABLE)
//!   tail(after) ──▶ Records | Gone                                 what others appended since
//!   checkpoint(c), truncate(v)                                     the prefix up to c.version may be forgotten
//!   announce_window(n) ──▶ the widest ever                         before anyone is served
//!   replace(epoch, c)                                              another history: whoever holds the old one gets Conflict, Gone
//! ```
//!
//! [`MemoryLog`] keeps it in the process, and may be shared by several servers there; [`SqliteLog`] keeps it in one file that one server owns.
//! `tests/log_suite.rs` holds what any log must pass.

mod lines;
mod memory;
pub(crate) mod sqlite;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use syncline_server_core::{Checkpoint, Record};

pub use memory::MemoryLog;
pub use sqlite::SqliteLog;

/// Where a workspace's log ends: in which history, after which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub epoch: String,
    /// The version of the last record; 0 if there is none.
    pub version: u64,
}

/// A workspace as the log has it.
#[derive(Debug)]
pub struct Opened {
    /// Where the log ends.
    pub position: Position,
    /// The state up to some version; none: from the beginning.
    pub checkpoint: Option<Checkpoint>,
    /// What came after it, in order.
    pub records: Vec<Record>,
    /// Bytes of those records as they are stored.
    pub record_bytes: u64,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// The records are durable.
    Done {
        /// Bytes of them as they are stored.
        bytes: u64,
    },
    /// The log does not end where it should: nothing was appended.
    Conflict,
}

/// What came after a position.
#[derive(Debug)]
pub enum Tail {
    /// These records, in order; perhaps none.
    Records(Vec<Record>),
    /// The log cannot say: it has another epoch, or has forgotten. Open it again.
    Gone,
}

/// A store of workspaces' logs. Clones are handles of the same store.
///
/// Calls for different workspaces do not disturb each other, and may come at once. All answers reflect every call that was answered
/// before they were asked, whichever handle it went through.
pub trait Log: Clone + Send + Sync + 'static {
    /// Whether servers other than this one may append too. Where it is `false`, a server need not look for what others did.
    const SHARED: bool;

    /// Notes durably that a window of so many outcomes is announced to clients, and returns the widest that ever was: an
    /// announced window must never shrink (`CONN-LIMITS`).
    fn announce_window(&self, outcomes: u64) -> impl Future<Output = Result<u64, LogError>> + Send;

    /// The workspace's log; if there is none it is created first, durably, with `fresh_epoch` (`CONN-WORKSPACE-CREATED`).
    fn open(
        &self,
        workspace: &str,
        fresh_epoch: &str,
    ) -> impl Future<Output = Result<Opened, LogError>> + Send;

    /// Appends the records, all or none, if the log ends at `at`. Their versions rise strictly, from above `at.version`; there may be
    /// holes. After an error it is unknown whether they were appended.
    fn append(
        &self,
        workspace: &str,
        at: &Position,
        records: &[Record],
    ) -> impl Future<Output = Result<Append, LogError>> + Send;

    /// What was appended after a position.
    fn tail(
        &self,
        workspace: &str,
        after: &Position,
    ) -> impl Future<Output = Result<Tail, LogError>> + Send;

    /// Keeps a checkpoint, in place of an older one, unless the history is no longer `epoch`.
    fn checkpoint(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Forgets records up to a version, as far as the checkpoint holds them and the history is still `epoch`. A log may keep more than it must.
    fn truncate(
        &self,
        workspace: &str,
        epoch: &str,
        up_to: u64,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Replaces the whole history by a checkpoint under a new epoch, creating the workspace if need be (`MODEL-EPOCH-NEW`).
    fn replace(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Returns when the log may no longer end at `position`, by another server's doing; never, for a log that is not shared.
    fn changed(&self, workspace: &str, position: &Position) -> impl Future<Output = ()> + Send;
}

/// Why a log could not do what it was asked. Cheap to clone: one failure may concern many callers.
#[derive(Clone, Debug)]
pub struct LogError(Arc<str>);

impl LogError {
    /// An error with a sentence for whoever operates the server.
    pub fn new(reason: impl fmt::Display) -> LogError {
        LogError(reason.to_string().into())
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

/// Refuses records that no log may hold after `at`: for the logs' own use, before anything is written.
fn check_order(at: &Position, records: &[Record]) -> Result<(), LogError> {
    let mut last = at.version;
    for record in records {
        if record.version <= last {
            return Err(LogError::new(format!(
                "record {} after {last}: versions must rise",
                record.version
            )));
        }
        last = record.version;
    }
    Ok(())
}
