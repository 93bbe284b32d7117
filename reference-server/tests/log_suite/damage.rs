//! Files of which a disk gives back other bits than were written: told, or without harm, but never taken for something else.

use std::path::Path;

use syncline_server::log::{Log, LogError, Opened, SqliteLog};
use syncline_server_core::Checkpoint;

use crate::cases::{at, records};
use crate::{InFile, Place};

/// What the file says.
#[derive(Debug, PartialEq)]
pub(crate) struct Content {
    window: u64,
    workspaces: Vec<(String, u64, Option<Checkpoint>, String)>,
}

pub(crate) async fn content(path: &Path) -> Result<Content, LogError> {
    let log = SqliteLog::open(path)?;
    let window = log.announce_window(0).await?;
    let mut workspaces = Vec::new();
    for name in ["w", "notes", "empty"] {
        let Opened {
            position,
            checkpoint,
            records,
            ..
        } = log.open(name, "new").await?;
        let records = format!("{records:?}");
        workspaces.push((position.epoch, position.version, checkpoint, records));
    }
    Ok(Content { window, workspaces })
}

/// A file with a bit of everything.
pub(crate) async fn filled(place: &InFile) {
    let log = place.open();
    log.announce_window(256).await.unwrap();
    for name in ["w", "notes", "empty"] {
        log.open(name, "e").await.unwrap();
    }
    for head in 0..5 {
        let (at, next) = (at("e", head), records([head + 1]));
        log.append("w", &at, &next).await.unwrap();
        log.append("notes", &at, &next).await.unwrap();
    }
    let checkpoint = Checkpoint {
        version: 3,
        text: "a line\n".repeat(20),
    };
    log.checkpoint("notes", "e", &checkpoint).await.unwrap();
    log.truncate("notes", "e", 2).await.unwrap();
}

#[tokio::test]
async fn whatever_bit_is_flipped_nothing_is_lost_silently() {
    let place = InFile::new();
    filled(&place).await;
    let bytes = std::fs::read(place.path()).unwrap();
    let whole = content(&place.path()).await.unwrap();
    let damaged = InFile::new();
    // All that holds something, and some of the empty space.
    let places = (0..bytes.len()).filter(|at| bytes[*at] != 0 || at % 211 == 0);
    let (mut told, mut harmless) = (0, 0);
    for place in places {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(damaged.path(), &bytes).unwrap();
        for beside in ["log.db-wal", "log.db-shm", "log.db-journal"] {
            let _ = std::fs::remove_file(damaged.path().with_file_name(beside));
        }
        match content(&damaged.path()).await {
            Ok(content) => {
                assert_eq!(content, whole, "byte {place}");
                harmless += 1;
            }
            Err(error) => {
                says_what_to_do(&error.to_string());
                told += 1;
            }
        }
    }
    assert!(
        told > 1000 && harmless > 100,
        "{told} told, {harmless} without harm"
    );
}

/// Whoever reads the error knows what to do: about a file that is damaged, or that does not seem to be of this program.
fn says_what_to_do(error: &str) {
    let said = [
        "put a backup in its place",
        "is not a SQLite database",
        "is the database of another program",
        "was written by a newer version of this program",
    ];
    let says = said.iter().any(|part| error.contains(part));
    assert!(says && error.lines().count() == 1, "{error:?}");
}

/// What is wrong, where, and what to do.
#[tokio::test]
async fn damage_is_named() {
    let flipped = async |old: &[u8], new: &[u8]| {
        let place = InFile::new();
        filled(&place).await;
        let bytes = std::fs::read(place.path()).unwrap();
        let found = bytes.windows(old.len()).position(|part| part == old);
        let found = found.expect("it stands in the file");
        let mut bytes = bytes;
        bytes[found..found + old.len()].copy_from_slice(new);
        std::fs::write(place.path(), &bytes).unwrap();
        content(&place.path()).await.unwrap_err().to_string()
    };
    let record = flipped(b"\"opId\":\"o5\"", b"\"opId\":\"o6\"").await;
    assert!(record.contains("the records 5 to 5"), "{record}");
    assert!(record.contains("put a backup in its place"), "{record}");
    let checkpoint = flipped(b"a line\na line", b"a line\na lime").await;
    assert!(
        checkpoint.contains("slice 1 of the checkpoint 3"),
        "{checkpoint}"
    );
    // A bit further, and it is no text: SQLite's own words, and still what to do.
    let no_text = flipped(b"\"opId\":\"o5\"", b"\"opId\":\"\xef5\"").await;
    assert!(no_text.contains("utf-8"), "{no_text}");
    assert!(no_text.contains("put a backup in its place"), "{no_text}");
}
