//! Backups of a whole file, and putting one back.
//!
//! ```text
//!   write:    data ── one moment of all workspaces ──▶ FILE.….partial ── read through, synced ──▶ FILE
//!   restore:  FILE ──▶ data-restoring ── each workspace under a new epoch, synced ──▶ data
//! ```
//!
//! [`write()`] is for any moment, whether a server runs or not, and whoever is killed meanwhile; a backup has its name only when it is whole. [`restore`] needs the
//! file for itself. It begins a new history in every workspace (`MODEL-EPOCH-NEW`), with a margin in every sequence (`SEQN-RESTORE`): clients that are ahead of the
//! backup see that, start again from a snapshot, and keep what they have not been told the outcome of.

use std::path::{Path, PathBuf};

use crate::Config;
use crate::log::sqlite::{Replaced, allow_as, beside, copy, finish, remove};
use crate::log::{Log, LogError, SqliteLog};
use crate::random;
use crate::workspace::state;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// How many workspaces.
    pub workspaces: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a backup of the SQLite file `data` to `file`: all workspaces as they are at one moment, everything acknowledged before the call included. It is read
/// through before it gets its name: a damaged one is no backup. It blocks while it copies.
///
/// # Errors
/// One sentence: `data` is not there, is none of ours or is damaged; `file` is there already, unless it may be overwritten, or cannot be written.
pub async fn write(data: &Path, file: &Path, overwrite: bool) -> Result<Content, LogError> {
    let place = Replaced::backup_of(data, file, overwrite)?;
    let partial = Partial(beside(file, &format!(".{}.partial", random::name())));
    copy(data, &partial.0)?;
    let log = SqliteLog::open(&partial.0)?;
    let workspaces = log.workspaces().await?;
    for name in &workspaces {
        let read = log.open(name, "").await;
        read.map_err(|error| of(data, error))?;
    }
    log.close();
    finish(&partial.0)?;
    allow_as(data, &partial.0)?;
    place.by(&partial.0)?;
    content(file, workspaces.len())
}

/// Puts the backup `file` in the place of `data`. With `overwrite` all that was there is gone, workspaces that the backup does not have included. A crash
/// leaves what was, or what is to be. `config` is that of the server that will serve it.
///
/// # Errors
/// One sentence: a server has `data` open; there is something already, and it may not be overwritten; the backup is damaged or does not go with
/// the configuration. Nothing is changed then.
pub async fn restore(
    file: &Path,
    data: &Path,
    config: &Config,
    overwrite: bool,
) -> Result<Content, LogError> {
    let place = Replaced::take(data, overwrite)?;
    let partial = Partial(beside(data, "-restoring"));
    // One of a restore that was broken off: nobody else is at work on it, as long as the place is ours.
    remove(&partial.0)?;
    copy(file, &partial.0)?;
    let log = SqliteLog::open(&partial.0)?;
    let widest = log.announce_window(0).await?;
    config.check_window(widest).map_err(LogError::new)?;
    let workspaces = log.workspaces().await?;
    for name in &workspaces {
        let epoch = random::name();
        let state = state(&log, name, config).await;
        let state = state.and_then(|state| state.under(&epoch, config));
        let state = state.map_err(|error| of(file, format!("the workspace {name}: {error}")))?;
        log.replace(name, &epoch, &state).await?;
    }
    log.close();
    finish(&partial.0)?;
    allow_as(file, &partial.0)?;
    place.by(&partial.0)?;
    content(data, workspaces.len())
}

/// A file that has not got its name yet: gone if it never does.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // If it cannot be removed it only takes room.
        let _ = remove(&self.0);
    }
}

fn of(path: &Path, reason: impl std::fmt::Display) -> LogError {
    LogError::new(format!("{}: {reason}", path.display()))
}

fn content(file: &Path, workspaces: usize) -> Result<Content, LogError> {
    let found = std::fs::metadata(file);
    let found = found.map_err(|error| of(file, error))?;
    Ok(Content {
        workspaces,
        bytes: found.len(),
    })
}
