//! Copies of a file as a whole, and one file put in another's place: what backups are made of. None of it needs a server, nor disturbs one.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::lock::{FileLock, beside};
use super::{LogError, of, schema};

/// What SQLite may leave beside a file, with data in it. With another file in the first one's place they would be taken for the other's.
const JOURNALS: [&str; 2] = ["-wal", "-journal"];

/// Copies a file as it is at one moment, whoever writes to it meanwhile. `to` must not exist.
///
/// # Errors
/// One sentence: what is wrong with which file.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), LogError> {
    let connection = schema::open_to_read(from).map_err(|reason| of(from, reason))?;
    if let Ok(_lock) = FileLock::take(from) {
        // Nobody serves it. Who does has looked when it began.
        schema::check_log(from).map_err(|reason| of(from, reason))?;
    }
    let name = to.to_str().ok_or_else(|| of(to, "its name is not UTF-8"))?;
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map(drop).map_err(|error| of(to, error))
}

/// Removes a file of this program with all that lies beside it, if it is there.
///
/// # Errors
/// One sentence.
pub(crate) fn remove(path: &Path) -> Result<(), LogError> {
    for suffix in ["", "-lock", "-shm"].into_iter().chain(JOURNALS) {
        match std::fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(of(path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a file that nobody has open stand for itself, and durable.
///
/// # Errors
/// One sentence.
pub(crate) fn finish(path: &Path) -> Result<(), LogError> {
    schema::settle(path).map_err(|reason| of(path, reason))?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| of(path, error))
}

/// A file that is to be replaced, or a place where none is yet: no server may open it as long as this lives.
pub(crate) struct Replaced<'a> {
    path: &'a Path,
    _lock: FileLock,
}

impl<'a> Replaced<'a> {
    /// Takes the place. What is there is brought in order, so that it can be replaced at one stroke: a crash leaves the one or the other.
    ///
    /// # Errors
    /// One sentence: a server has it open; there is something, and it was not said that it may go; it is none of ours, or is damaged.
    pub(crate) fn take(path: &'a Path, overwrite: bool) -> Result<Replaced<'a>, LogError> {
        let lock =
            FileLock::take(path).map_err(|reason| of(path, format!("{reason}; stop it first")))?;
        let mut journals = { JOURNALS.iter() }.map(|suffix| beside(path, suffix));
        match path.try_exists().map_err(|error| of(path, error))? {
            true if !overwrite => {
                let word = "is there already; --overwrite replaces it, with all its workspaces";
                return Err(of(path, word));
            }
            true => schema::settle(path).map_err(|reason| {
                of(
                    path,
                    format!("{reason}; move it away, with its -wal, and restore again"),
                )
            })?,
            false => {
                let holds = |journal: &PathBuf| journal.metadata().is_ok_and(|it| it.len() > 0);
                if let Some(left) = journals.find(holds) {
                    return Err(of(&left, "is left of another file: move it away, too"));
                }
            }
        }
        Ok(Replaced { path, _lock: lock })
    }

    /// Puts a finished file of the same folder in the place, durably.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn by(self, new: &Path) -> Result<(), LogError> {
        put(new, self.path)
    }
}

/// Renames a file within its folder, durably; what has its new name is replaced.
///
/// # Errors
/// One sentence.
pub(crate) fn put(from: &Path, to: &Path) -> Result<(), LogError> {
    std::fs::rename(from, to).map_err(|error| of(to, error))?;
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| of(folder, error))
}
