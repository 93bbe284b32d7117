//! What can be wrong with a SQLite file, each said in one line.

use std::path::Path;

use rusqlite::Connection;
use syncline_server::log::{Log, Position, SqliteLog};

use crate::damage::{content, filled};
use crate::{InFile, Place};

/// Opening the file is refused, in one line that names it and says this.
fn refused(path: &Path, part: &str) {
    let Err(error) = SqliteLog::open(path) else {
        panic!("{} was opened; expected: {part}", path.display())
    };
    let error = error.to_string();
    assert!(error.contains(part), "{error:?} does not say {part:?}");
    assert!(
        error.contains(&path.display().to_string()) && error.lines().count() == 1,
        "{error:?}"
    );
}

#[test]
fn a_second_server_is_refused_until_the_first_has_gone() {
    let place = InFile::new();
    let first = place.open();
    refused(&place.path(), "another server has this file open");
    drop(first);
    let again = place.open();
    again.close();
    place.open();
}

#[test]
fn a_newer_format_is_refused() {
    let place = InFile::new();
    drop(place.open());
    Connection::open(place.path())
        .unwrap()
        .pragma_update(None, "user_version", 3)
        .unwrap();
    refused(
        &place.path(),
        "newer version of this program (format 3, this one knows up to 2)",
    );
}

/// What format 1 had: no checksums, no head, no link from a segment to the one before.
const TO_FORMAT_1: &str = "
    ALTER TABLE file DROP COLUMN sum;
    ALTER TABLE workspace DROP COLUMN head;
    ALTER TABLE workspace DROP COLUMN slices;
    ALTER TABLE workspace DROP COLUMN sum;
    ALTER TABLE segment DROP COLUMN behind;
    ALTER TABLE segment DROP COLUMN sum;
    ALTER TABLE checkpoint DROP COLUMN sum;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_file_of_format_1_is_taken_over() {
    let place = InFile::new();
    filled(&place).await;
    let whole = content(&place.path()).await.unwrap();
    Connection::open(place.path())
        .unwrap()
        .execute_batch(TO_FORMAT_1)
        .unwrap();
    assert_eq!(content(&place.path()).await.unwrap(), whole);
    assert_eq!(content(&place.path()).await.unwrap(), whole, "and stays so");
}

#[test]
fn what_is_no_database_of_ours_is_left_alone() {
    let place = InFile::new();
    let text = "this is not a database, however long it may be. ".repeat(100);
    std::fs::write(place.path(), &text).unwrap();
    refused(&place.path(), "not a SQLite database");
    assert_eq!(std::fs::read_to_string(place.path()).unwrap(), text);

    let place = InFile::new();
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    refused(&place.path(), "another program");
}

#[test]
fn a_path_that_cannot_be_opened_is_explained() {
    let place = InFile::new();
    refused(&place.path().join("below"), "No such file or directory");
    std::fs::create_dir(place.path()).unwrap();
    refused(&place.path(), "Is a directory");
}

/// Names that SQLite takes for something else than a file.
#[test]
fn what_is_no_file_is_refused() {
    refused(Path::new(":memory:"), "no place for a write-ahead log");
    refused(Path::new(""), "no place for a write-ahead log");
}

#[tokio::test]
async fn a_closed_log_fails_at_once() {
    let place = InFile::new();
    let log = place.open();
    log.open("w", "e").await.unwrap();
    log.clone().close();
    let error = log
        .tail(
            "w",
            &Position {
                epoch: "e".into(),
                version: 0,
            },
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

/// A checkpoint that was begun and never finished is as if it had never been.
#[tokio::test]
async fn an_unfinished_checkpoint_is_ignored() {
    let place = InFile::new();
    place.open().open("w", "e").await.unwrap();
    Connection::open(place.path())
        .unwrap()
        .execute(
            "INSERT INTO checkpoint VALUES (1, 'e', 7, 1, 'half', 0)",
            (),
        )
        .unwrap();
    let log = place.open();
    assert!(log.open("w", "e").await.unwrap().checkpoint.is_none());
    let whole = syncline_server_core::Checkpoint {
        version: 7,
        text: "whole".to_owned(),
    };
    log.checkpoint("w", "e", &whole).await.unwrap();
    assert_eq!(log.open("w", "e").await.unwrap().checkpoint, Some(whole));
}
