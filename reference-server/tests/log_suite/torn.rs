//! Write-ahead logs that a crash or a disk has left otherwise than they were written: what is torn at the end was acknowledged to nobody and goes; what is
//! damaged further up is told.

use std::path::{Path, PathBuf};

use syncline_server::log::{Log, SqliteLog};

use crate::cases::{at, records};
use crate::{InFile, Place};

/// Appends in a log, each a transaction of its own.
const APPENDS: u64 = 8;

/// A file as a killed server leaves it, and how long its write-ahead log was after each append.
async fn killed(place: &InFile) -> (PathBuf, Vec<usize>) {
    let log = place.open();
    log.open("w", "e").await.unwrap();
    let wal = |path: &Path| path.with_file_name("log.db-wal");
    let mut ends = Vec::new();
    for head in 0..APPENDS {
        log.append("w", &at("e", head), &records([head + 1]))
            .await
            .unwrap();
        ends.push(std::fs::metadata(wal(&place.path())).unwrap().len() as usize);
    }
    // Copied while it is open: to close it would fold the log into the file.
    let left = place.path().with_file_name("left");
    std::fs::create_dir_all(&left).unwrap();
    let path = left.join("log.db");
    std::fs::copy(place.path(), &path).unwrap();
    std::fs::copy(wal(&place.path()), wal(&path)).unwrap();
    (path, ends)
}

/// Where the log ends for who opens the file with this write-ahead log; or what is told.
async fn head(path: &Path, wal: &[u8]) -> Result<u64, String> {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("log.db");
    std::fs::copy(path, &file).unwrap();
    std::fs::write(copy.path().join("log.db-wal"), wal).unwrap();
    let log = SqliteLog::open(&file).map_err(|error| error.to_string())?;
    let opened = log
        .open("w", "new")
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(opened.position.epoch, "e");
    assert_eq!(opened.records.len() as u64, opened.position.version);
    Ok(opened.position.version)
}

fn left_by(path: &Path) -> Vec<u8> {
    std::fs::read(path.with_file_name("log.db-wal")).unwrap()
}

/// Cut anywhere, as by a crash amid a write: all transactions that were whole before are there, and no part of another.
#[tokio::test]
async fn a_torn_end_takes_only_what_was_not_whole() {
    let place = InFile::new();
    let (path, ends) = killed(&place).await;
    let wal = left_by(&path);
    assert_eq!(head(&path, &wal).await, Ok(APPENDS));
    let begin = ends[0];
    for cut in (begin..=wal.len()).step_by(9973).chain(ends.clone()) {
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(head(&path, &wal[..cut]).await, Ok(whole), "cut at {cut}");
        // What a disk has reserved and never written.
        let mut zeroed = wal.clone();
        zeroed[cut..].fill(0);
        assert_eq!(
            head(&path, &zeroed).await,
            Ok(whole),
            "nothing from {cut} on"
        );
        let garbage = [&wal[..cut], &[0x5a; 40_000]].concat();
        assert_eq!(
            head(&path, &garbage).await,
            Ok(whole),
            "garbage from {cut} on"
        );
    }
}

/// A bit that is not what it was, with whole transactions behind it, is told; in the last ones it is as if torn.
#[tokio::test]
async fn a_damaged_frame_amid_the_log_is_told() {
    let place = InFile::new();
    let (path, ends) = killed(&place).await;
    let wal = left_by(&path);
    // From here on not enough follows that anybody could tell.
    let last = ends[ends.len() - 4];
    let mut told = 0;
    for at in (0..last).step_by(4999).chain(0..64) {
        let mut flipped = wal.clone();
        flipped[at] ^= 1 << (at % 8);
        let why = head(&path, &flipped)
            .await
            .expect_err(&format!("byte {at}"));
        assert!(
            why.contains("is damaged: ") && why.contains("write-ahead log"),
            "{why}"
        );
        told += 1;
    }
    assert!(told > 64, "{told}");
    for at in (last..wal.len()).step_by(4999) {
        let mut flipped = wal.clone();
        flipped[at] ^= 1;
        match head(&path, &flipped).await {
            Ok(head) => assert!((APPENDS - 4..=APPENDS).contains(&head), "byte {at}: {head}"),
            Err(why) => assert!(why.contains("write-ahead log"), "{why}"),
        }
    }
}
