//! Copies of a file as a whole, and one file put in another's place: what backups are made of. None of it needs a server, nor disturbs one.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::lock::{FileLock, beside, resolved};
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
    make_private(to).map_err(|error| of(to, error))?;
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map(drop).map_err(|error| of(to, error))
}

/// Makes an empty file that nobody else may read while it is filled.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
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
    _lock: Option<FileLock>,
}

impl<'a> Replaced<'a> {
    /// Takes the place of a file that is served, or is to be.
    ///
    /// # Errors
    /// One sentence: a server has it open; there is something, and it was not said that it may go; it is none of ours, or is damaged. Nothing is changed.
    pub(crate) fn take(path: &'a Path, overwrite: bool) -> Result<Replaced<'a>, LogError> {
        let lock = FileLock::take(path);
        let lock = lock.map_err(|reason| of(path, format!("{reason}; stop it first")))?;
        Replaced::checked(path, overwrite, Some(lock))
    }

    /// Takes the place of a backup of `data`. Where nobody ever served it, there is no lock to take, and none is left behind.
    ///
    /// # Errors
    /// As [`take`](Self::take); or it is the data itself.
    pub(crate) fn backup_of(
        data: &Path,
        path: &'a Path,
        overwrite: bool,
    ) -> Result<Replaced<'a>, LogError> {
        if resolved(path) == resolved(data) {
            return Err(of(path, "is the data itself: a backup is another file"));
        }
        match beside(path, "-lock").exists() {
            true => Replaced::take(path, overwrite),
            false => Replaced::checked(path, overwrite, None),
        }
    }

    fn checked(
        path: &'a Path,
        overwrite: bool,
        lock: Option<FileLock>,
    ) -> Result<Replaced<'a>, LogError> {
        if path.try_exists().map_err(|error| of(path, error))? {
            if !overwrite {
                let word = "is there already; --overwrite replaces it, with all its workspaces";
                return Err(of(path, word));
            }
            let ours = schema::open_to_read(path).map(drop);
            ours.and_then(|()| schema::check_log(path))
                .map_err(|reason| {
                    let word = "move it away, with its -wal, and try again";
                    of(path, format!("{reason}; {word}"))
                })?;
        } else {
            let mut journals = { JOURNALS.iter() }.map(|suffix| beside(path, suffix));
            let holds = |journal: &PathBuf| journal.metadata().is_ok_and(|it| it.len() > 0);
            if let Some(left) = journals.find(holds) {
                return Err(of(&left, "is left of another file: move it away, too"));
            }
        }
        Ok(Replaced { path, _lock: lock })
    }

    /// Puts a finished file of the same folder in the place, durably, for those who could read what was there. What was there is brought in order first, so that
    /// it is replaced at one stroke: a crash leaves the one or the other.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn by(self, new: &Path) -> Result<(), LogError> {
        if self.path.exists() {
            schema::settle(self.path).map_err(|reason| of(self.path, reason))?;
            allow_as(self.path, new)?;
        }
        put(new, &resolved(self.path))
    }
}

/// Lets the same people read and write a file as another one, as far as this process may say so.
///
/// # Errors
/// One sentence.
pub(crate) fn allow_as(model: &Path, file: &Path) -> Result<(), LogError> {
    let known = std::fs::metadata(model).map_err(|error| of(model, error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        // Who is not root makes files of its own alone.
        let _ = chown(file, Some(known.uid()), Some(known.gid()));
    }
    std::fs::set_permissions(file, known.permissions()).map_err(|error| of(file, error))
}

/// Renames a file within its folder, durably; what has its new name is replaced.
///
/// # Errors
/// One sentence.
fn put(from: &Path, to: &Path) -> Result<(), LogError> {
    std::fs::rename(from, to).map_err(|error| of(to, error))?;
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| of(folder, error))
}
