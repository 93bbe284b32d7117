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
                assert!(!error.to_string().is_empty());
                told += 1;
            }
        }
    }
    assert!(
        told > 1000 && harmless > 100,
        "{told} told, {harmless} without harm"
    );
}

/// What is wrong, where, and what to do.
#[tokio::test]
async fn damage_is_named() {
    let flipped = async |old: &str, new: &str| {
        let place = InFile::new();
        filled(&place).await;
        let bytes = std::fs::read(place.path()).unwrap();
        let found = bytes
            .windows(old.len())
            .position(|part| part == old.as_bytes());
        let found = found.expect("it stands in the file");
        let mut bytes = bytes;
        bytes[found..found + old.len()].copy_from_slice(new.as_bytes());
        std::fs::write(place.path(), &bytes).unwrap();
        content(&place.path()).await.unwrap_err().to_string()
    };
    let record = flipped("\"opId\":\"o5\"", "\"opId\":\"o6\"").await;
    assert!(record.contains("the records 5 to 5"), "{record}");
    assert!(record.contains("put a backup in its place"), "{record}");
    let checkpoint = flipped("a line\na line", "a line\na lime").await;
    assert!(
        checkpoint.contains("slice 1 of the checkpoint 3"),
        "{checkpoint}"
    );
}
