//! A log in memory: for tests, trials, and several servers in one process that share it.
//!
//! It keeps text, as a file would, so that what is read back has gone through the same form. Its clones are handles
//! of one store: two servers on it meet real conflicts, and a server that is started again finds its data.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_server_core::{Checkpoint, Record};
use tokio::sync::watch;

use super::{Append, Log, LogError, Opened, Position, Tail, check_order, lines};

/// A log in memory, shared by its clones.
#[derive(Clone, Default)]
pub struct MemoryLog(Arc<Store>);

#[derive(Default)]
struct Store {
    workspaces: Mutex<HashMap<String, Stored>>,
    window: AtomicU64,
}

struct Stored {
    checkpoint: Option<Checkpoint>,
    segments: VecDeque<Segment>,
    /// Records up to this version are gone.
    truncated_to: u64,
    /// Where the log ends; whoever waits for news watches it.
    position: watch::Sender<Position>,
}

/// The records of one append.
struct Segment {
    last: u64,
    lines: String,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    fn stored(&self) -> MutexGuard<'_, HashMap<String, Stored>> {
        self.0
            .workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a workspace that must be there.
    fn with<T>(
        &self,
        workspace: &str,
        work: impl FnOnce(&mut Stored) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut stored = self.stored();
        let stored = stored
            .get_mut(workspace)
            .ok_or_else(|| LogError::new("the workspace was never opened"))?;
        work(stored)
    }
}

impl Stored {
    fn new(epoch: &str, checkpoint: Option<Checkpoint>) -> Stored {
        let version = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.version);
        let position = Position {
            epoch: epoch.to_owned(),
            version,
        };
        Stored {
            checkpoint,
            segments: VecDeque::new(),
            truncated_to: version,
            position: watch::Sender::new(position),
        }
    }

    fn position(&self) -> Position {
        self.position.borrow().clone()
    }

    fn is_in(&self, epoch: &str) -> bool {
        self.position.borrow().epoch == epoch
    }

    /// The version up to which the records may go.
    fn checkpointed(&self) -> u64 {
        self.checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.version)
    }

    fn records_after(&self, version: u64) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        for segment in self
            .segments
            .iter()
            .filter(|segment| segment.last > version)
        {
            lines::decode_after(&segment.lines, version, &mut records)?;
        }
        Ok(records)
    }
}

impl Log for MemoryLog {
    const SHARED: bool = true;

    async fn announce_window(&self, outcomes: u64) -> Result<u64, LogError> {
        let before = self.0.window.fetch_max(outcomes, Relaxed);
        Ok(before.max(outcomes))
    }

    async fn open(&self, workspace: &str, fresh_epoch: &str) -> Result<Opened, LogError> {
        let mut stored = self.stored();
        let stored = stored
            .entry(workspace.to_owned())
            .or_insert_with(|| Stored::new(fresh_epoch, None));
        let records = stored.records_after(stored.checkpointed())?;
        let record_bytes = stored
            .segments
            .iter()
            .map(|segment| segment.lines.len() as u64)
            .sum();
        Ok(Opened {
            position: stored.position(),
            checkpoint: stored.checkpoint.clone(),
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
        let lines = lines::encode(records);
        self.with(workspace, |stored| {
            if stored.position() != *at {
                return Ok(Append::Conflict);
            }
            let bytes = lines.len() as u64;
            if let Some(last) = records.last() {
                stored.segments.push_back(Segment {
                    last: last.version,
                    lines,
                });
                stored
                    .position
                    .send_modify(|position| position.version = last.version);
            }
            Ok(Append::Done { bytes })
        })
    }

    async fn tail(&self, workspace: &str, after: &Position) -> Result<Tail, LogError> {
        self.with(workspace, |stored| {
            if !stored.is_in(&after.epoch) || after.version < stored.truncated_to {
                return Ok(Tail::Gone);
            }
            stored.records_after(after.version).map(Tail::Records)
        })
    }

    async fn checkpoint(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        self.with(workspace, |stored| {
            if stored.is_in(epoch) && checkpoint.version >= stored.checkpointed() {
                stored.checkpoint = Some(checkpoint.clone());
            }
            Ok(())
        })
    }

    async fn truncate(&self, workspace: &str, epoch: &str, up_to: u64) -> Result<(), LogError> {
        self.with(workspace, |stored| {
            let up_to = up_to.min(stored.checkpointed());
            while stored.is_in(epoch)
                && let Some(oldest) = stored.segments.front().map(|segment| segment.last)
                && oldest <= up_to
            {
                stored.segments.pop_front();
                stored.truncated_to = oldest;
            }
            Ok(())
        })
    }

    async fn replace(
        &self,
        workspace: &str,
        epoch: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), LogError> {
        let mut stored = self.stored();
        let fresh = Stored::new(epoch, Some(checkpoint.clone()));
        match stored.get_mut(workspace) {
            Some(stored) => {
                stored.checkpoint = fresh.checkpoint;
                stored.segments = fresh.segments;
                stored.truncated_to = fresh.truncated_to;
                stored
                    .position
                    .send_replace(fresh.position.borrow().clone());
            }
            None => {
                stored.insert(workspace.to_owned(), fresh);
            }
        }
        Ok(())
    }

    async fn changed(&self, workspace: &str, position: &Position) {
        let watching = self
            .stored()
            .get(workspace)
            .map(|stored| stored.position.subscribe());
        let news = match watching {
            Some(mut watching) => watching.wait_for(|now| now != position).await.is_ok(),
            None => false,
        };
        if !news {
            std::future::pending().await
        }
    }
}
