//! `log`: a SQLite log of which a disk gives back something else than was written. It opens with all its data, or with an error that says what to do: nothing
//! is lost silently, and nothing is taken for something else.
//!
//! The bytes are what happens to a file that was written and closed: flipped bits, sectors of zeros, sectors that went to the wrong place, a lost end.

use std::path::Path;
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use syncline_schemas::Json;
use syncline_server::log::{Log, LogError, Opened, Position, SqliteLog};
use syncline_server_core::{Checkpoint, Decided, Decision, Effect, Event, Record};
use tokio::runtime::{Builder, Runtime};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// So much damage at most, or nothing is found but the first.
const BLOWS_MAX: usize = 6;

const WORKSPACES: [&str; 3] = ["notes", "w", "empty"];

/// Fails if the damaged file is opened with other content than the whole one, or refused without a word on what to do.
pub fn check(data: &[u8]) {
    let mut file = WHOLE.bytes.clone();
    // Bytes that come to an end are read on as zeros: there is no error.
    let _ = damage(&mut file, &mut Unstructured::new(data));
    let folder = tempfile::tempdir().expect("a folder for a file");
    let path = folder.path().join("log.db");
    std::fs::write(&path, &file).expect("a place for a file");
    match RUNTIME.block_on(content(&path)) {
        Ok(content) => assert_eq!(content, WHOLE.content, "opened as what it is not"),
        Err(error) => says_what_to_do(&error.to_string()),
    }
}

/// What is wrong, and where to go from there.
fn says_what_to_do(error: &str) {
    let said = [
        "put a backup in its place",
        "is not a SQLite database",
        "is the database of another program",
        "was written by a newer version of this program",
    ];
    assert!(
        said.iter().any(|part| error.contains(part)),
        "{error:?} does not say what to do"
    );
    assert_eq!(error.lines().count(), 1, "{error:?} is one line");
}

fn damage(file: &mut Vec<u8>, bytes: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..BLOWS_MAX {
        if bytes.is_empty() {
            return Ok(());
        }
        let kind = bytes.int_in_range(0..=5_u8)?;
        let at = bytes.int_in_range(0..=file.len() - 1)?;
        let sector = at / SECTOR * SECTOR;
        let end = (sector + SECTOR).min(file.len());
        match kind {
            0..=2 => file[at] ^= bytes.int_in_range(1..=255_u8)?,
            3 => file[sector..end].fill(0),
            4 => {
                let from = bytes.int_in_range(0..=file.len() - 1)? / SECTOR * SECTOR;
                let part = file[from..(from + end - sector).min(file.len())].to_vec();
                file[sector..sector + part.len()].copy_from_slice(&part);
            }
            // An empty file is a new one, as one that is not there: so SQLite leaves it until the first transaction, or with one byte in it.
            _ => file.truncate(at.max(2)),
        }
    }
    Ok(())
}

/// What a log says.
#[derive(Debug, PartialEq)]
struct Content {
    window: u64,
    workspaces: Vec<(Position, Option<Checkpoint>, Vec<Record>)>,
}

async fn content(path: &Path) -> std::result::Result<Content, LogError> {
    let log = SqliteLog::open(path)?;
    let window = log.announce_window(0).await?;
    let mut workspaces = Vec::new();
    for name in WORKSPACES {
        let Opened {
            position,
            checkpoint,
            records,
            ..
        } = log.open(name, "new").await?;
        workspaces.push((position, checkpoint, records));
    }
    Ok(Content { window, workspaces })
}

struct Whole {
    bytes: Vec<u8>,
    content: Content,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// A file with a bit of everything, as it was written.
static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for a file");
    let path = folder.path().join("log.db");
    let made = RUNTIME.block_on(async {
        fill(&path).await?;
        content(&path).await
    });
    Whole {
        content: made.expect("a file that is whole"),
        bytes: std::fs::read(&path).expect("what was written"),
    }
});

async fn fill(path: &Path) -> std::result::Result<(), LogError> {
    let log = SqliteLog::open(path)?;
    log.announce_window(256).await?;
    for name in WORKSPACES {
        log.open(name, "e").await?;
    }
    for head in 0..6 {
        let at = Position {
            epoch: "e".to_owned(),
            version: head,
        };
        for name in &WORKSPACES[..2] {
            log.append(name, &at, &[record(head + 1)]).await?;
        }
    }
    let checkpoint = Checkpoint {
        version: 3,
        text: "a line\n".repeat(20),
    };
    log.checkpoint("notes", "e", &checkpoint).await?;
    log.truncate("notes", "e", 2).await
}

fn record(version: u64) -> Record {
    let value = Json::from(serde_json::Value::from("v".repeat(version as usize * 100)));
    let effects = vec![Effect {
        table: "t".into(),
        key: "k".into(),
        value: Some(value),
        trail: None,
        document: None,
    }];
    let decision = Decision::Applied {
        effects,
        untouched: Vec::new(),
        raises: Vec::new(),
        declares: Vec::new(),
        told: Vec::new(),
    };
    Record {
        version,
        at_ms: 1_000 + version,
        event: Event::Outcome(Decided {
            client: "c".into(),
            seq: version,
            op_id: format!("o{version}").into(),
            decision,
        }),
    }
}
