//! A workspace's engine and its log, kept together: opening, appending, checkpoints, backups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syncline_server_core::{Checkpoint, Engine, Record};

use crate::Config;
use crate::log::{Append, Log, LogError, Opened, Position, Tail};
use crate::random;
use crate::tasks::Tasks;

/// A copy of a workspace's state, to restore it from later.
#[derive(Clone, Debug)]
pub struct Backup(Checkpoint);

impl Backup {
    /// The state as the beginning of another history, in which each sequence leaves a margin out (`SEQN-RESTORE`).
    pub(crate) fn under(&self, epoch: &str, config: &Config) -> Result<Checkpoint, LogError> {
        let margin = config.limits.restore_margin.unwrap_or(0);
        self.0.under_epoch(epoch, margin).map_err(LogError::new)
    }
}

/// The state of a workspace that is in the log and that nobody serves.
pub(crate) async fn state<L: Log>(
    log: &L,
    workspace: &str,
    config: &Config,
) -> Result<Backup, LogError> {
    let opened = log.open(workspace, "").await?;
    Ok(Backup(engine(opened, config)?.checkpoint()))
}

fn engine(opened: Opened, config: &Config) -> Result<Engine, LogError> {
    let (epoch, checkpoint) = (opened.position.epoch, opened.checkpoint);
    let engine = Engine::open(config.engine(), epoch, checkpoint.as_ref(), opened.records);
    engine.map_err(LogError::new)
}

/// A workspace's history: the log, and the engine that is its state.
pub(super) struct History<L> {
    pub(super) engine: Engine,
    log: L,
    workspace: String,
    /// Where the log ends, as far as this server knows.
    position: Position,
    checkpoints: Checkpoints,
    tasks: Tasks,
}

/// When the next checkpoint is due: when the log after the last one is twice as long as it. What a checkpoint costs is so
/// shared by twice as many bytes of log, and what is read at the next opening is three times the state at most.
struct Checkpoints {
    bytes_min: u64,
    /// Bytes of the last checkpoint.
    last_bytes: u64,
    /// Bytes of the log behind it.
    log_bytes: u64,
    /// One is being written.
    running: Arc<AtomicBool>,
}

impl Checkpoints {
    fn due(&self) -> bool {
        self.log_bytes > self.bytes_min.max(2 * self.last_bytes) && !self.running.load(Relaxed)
    }
}

/// What became of a step's records.
pub(super) enum Appended {
    /// They are durable.
    Done,
    /// Others were first: these are theirs.
    Conflict(Vec<Record>),
    /// The history is another one now.
    Replaced,
}

impl<L: Log> History<L> {
    /// Opens the workspace, creating it if need be.
    pub(super) async fn open(
        workspace: &str,
        log: &L,
        config: &Config,
        tasks: &Tasks,
    ) -> Result<History<L>, LogError> {
        let opened = log.open(workspace, &random::name()).await?;
        let checkpoint_bytes = opened
            .checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.text.len() as u64);
        let (records, record_bytes) = (opened.records.len(), opened.record_bytes);
        let position = opened.position.clone();
        let engine = engine(opened, config)?;
        tracing::info!(
            workspace,
            head = position.version,
            records,
            "workspace opened"
        );
        Ok(History {
            engine,
            log: log.clone(),
            workspace: workspace.to_owned(),
            position,
            checkpoints: Checkpoints {
                bytes_min: config.checkpoint_bytes_min,
                last_bytes: checkpoint_bytes,
                log_bytes: record_bytes,
                running: Arc::default(),
            },
            tasks: tasks.clone(),
        })
    }

    /// Makes what the engine decides now durable, unless others were first.
    pub(super) async fn append(&mut self, now_ms: u64) -> Result<Appended, LogError> {
        let records = self.engine.decide(now_ms);
        let Some(last) = records.last().map(|record| record.version) else {
            return Ok(Appended::Done);
        };
        match self
            .log
            .append(&self.workspace, &self.position, records)
            .await?
        {
            Append::Done { bytes } => {
                self.engine.committed();
                self.position.version = last;
                self.checkpoints.log_bytes += bytes;
                Ok(Appended::Done)
            }
            Append::Conflict => match self.tail().await? {
                Some(newer) => Ok(Appended::Conflict(newer)),
                None => Ok(Appended::Replaced),
            },
        }
    }

    /// What others have appended; nothing, if the history is another one now.
    pub(super) async fn tail(&mut self) -> Result<Option<Vec<Record>>, LogError> {
        match self.log.tail(&self.workspace, &self.position).await? {
            Tail::Records(records) => {
                if let Some(last) = records.last() {
                    self.position.version = last.version;
                }
                Ok(Some(records))
            }
            Tail::Gone => Ok(None),
        }
    }

    /// Returns when others may have appended.
    pub(super) async fn changed(&self) {
        self.log.changed(&self.workspace, &self.position).await;
    }

    pub(super) fn backup(&self) -> Backup {
        Backup(self.engine.checkpoint())
    }

    /// Writes a checkpoint beside the work, if one is due.
    pub(super) fn keep_short(&mut self) {
        if !self.checkpoints.due() {
            return;
        }
        let checkpoint = self.engine.checkpoint();
        self.checkpoints.last_bytes = checkpoint.text.len() as u64;
        self.checkpoints.log_bytes = 0;
        self.checkpoints.running.store(true, Relaxed);
        let running = Arc::clone(&self.checkpoints.running);
        let (log, workspace, epoch) = (
            self.log.clone(),
            self.workspace.clone(),
            self.position.epoch.clone(),
        );
        self.tasks.spawn(async move {
            write_checkpoint(&log, &workspace, &epoch, &checkpoint).await;
            running.store(false, Relaxed);
        });
    }
}

/// A failure is no reason to stop: the log is whole, only longer.
async fn write_checkpoint<L: Log>(log: &L, workspace: &str, epoch: &str, checkpoint: &Checkpoint) {
    let (version, bytes) = (checkpoint.version, checkpoint.text.len());
    let written = match log.checkpoint(workspace, epoch, checkpoint).await {
        Ok(()) => log.truncate(workspace, epoch, version).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => tracing::info!(workspace, version, bytes, "checkpoint written"),
        Err(error) => tracing::warn!(workspace, version, %error, "checkpoint failed"),
    }
}
