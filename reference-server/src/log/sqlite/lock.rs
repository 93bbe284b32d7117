//! Keeps a second server off a file: it would decide on its own what the first decides.
//!
//! The lock lies on a file beside (`syncline.db-lock`), not on SQLite's own, so that others may read while a server writes: a backup is made by another
//! process. The system takes the lock back when a process ends, however it ends; the file stays, and means nothing.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Who is about to end, or only looks, has it for a moment more.
const PATIENCE: Duration = Duration::from_millis(300);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Held for as long as this lives.
#[derive(Debug)]
pub(super) struct FileLock(File);

impl FileLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// A sentence without the path: somebody has it, or it cannot be had.
    pub(super) fn take(path: &Path) -> Result<FileLock, String> {
        let beside = beside(path, "-lock");
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&beside);
        let named = |error: &std::io::Error| format!("its lock, {}: {error}", beside.display());
        let file = open.map_err(|error| named(&error))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(FileLock(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err("another server has this file open".to_owned());
                }
                Err(TryLockError::Error(error)) => return Err(named(&error)),
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Said, and not left to the closing: a process that is just being started from this one may still have the file.
        let _ = self.0.unlock();
    }
}

/// A file that belongs to another, by its name: where that really is, as SQLite has it, so that who names it by a link means the same.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(resolved(path));
    name.push(suffix);
    name.into()
}

/// A path without links, whether there is a file or not yet.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
