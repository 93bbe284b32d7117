//! `backup` and `restore`, as an operator uses them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syncline_server::log::{Log, SqliteLog};

use crate::process::{Serving, output, program};
use crate::talk::Talk;

const ANY_PORT: &[&str] = &["--listen", "127.0.0.1:0", "--log", "info"];

fn serve(place: &Path) -> Serving {
    Serving::start(program(place, ANY_PORT))
}

/// Runs the program to its end; gives its exit code and what it says.
fn run(place: &Path, words: &[&str]) -> (i32, String) {
    let output = output(program(place, words).env("SYNCLINE_LOG", "error"));
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn done(place: &Path, words: &[&str]) -> String {
    let (code, said) = run(place, words);
    assert_eq!(code, 0, "{words:?}: {said}");
    said
}

fn refused(place: &Path, words: &[&str], part: &str) {
    let (code, said) = run(place, words);
    assert_eq!(code, 2, "{words:?}: {said}");
    assert!(
        said.lines().count() == 1 && said.starts_with("syncline-server: ") && said.contains(part),
        "{said:?} does not say {part:?}"
    );
}

/// The files of a folder.
fn files(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn restored(place: &Path, file: &str) {
    done(place, &["restore", file, "--overwrite"]);
}

fn keys(rows: &[(String, Value)]) -> Vec<&str> {
    rows.iter().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn a_backup_is_put_back_and_begins_a_new_history() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    ann.write(1, &json!("in the backup")).unwrap();
    Talk::open(&serving.address, "other", "ann")
        .write(1, &json!("of another workspace"))
        .unwrap();

    let said = done(place, &["backup", "b.db"]);
    assert!(said.starts_with("b.db: 2 workspaces, "), "{said}");
    ann.write(2, &json!("after it")).unwrap();
    refused(
        place,
        &["restore", "b.db"],
        "another server has this file open; stop it first",
    );
    let epoch = ann.epoch().to_owned();
    assert!(serving.end("-TERM").0.success());
    refused(
        place,
        &["restore", "b.db"],
        "syncline.db: is there already; --overwrite",
    );
    restored(place, "b.db");

    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    assert_ne!(ann.epoch(), epoch);
    assert_eq!(ann.rows(), [("1".to_owned(), json!("in the backup"))]);
    // The client's chain goes on where the backup has it: its retry is known, and what came after is not.
    assert_eq!(ann.welcome["lastSeq"], 1);
    ann.write(2, &json!("once more")).unwrap();
    let others = Talk::open(&serving.address, "other", "ann").rows();
    assert_eq!(others, [("1".to_owned(), json!("of another workspace"))]);
    // The same backup again: another history again.
    let epoch = ann.epoch().to_owned();
    assert!(serving.end("-TERM").0.success());
    restored(place, "b.db");
    let serving = serve(place);
    assert_ne!(Talk::open(&serving.address, "w", "ann").epoch(), epoch);
}

/// Each backup is of one moment: of the rows that one client writes one after the other it has the first ones, and all that were acknowledged before it began.
#[test]
fn a_backup_is_of_one_moment_whatever_is_written_meanwhile() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    // Nobody is to be told to wait.
    let rate = ["--limits-mutations-per-second", "1000000"];
    let burst = ["--limits-mutation-burst", "1000000"];
    let serving = Serving::start(program(place, &[ANY_PORT, &rate, &burst].concat()));
    let (address, over) = (serving.address.clone(), AtomicBool::new(false));
    let acknowledged = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut ann = Talk::open(&address, "w", "ann");
            for seq in 1.. {
                ann.write(seq, &json!("x".repeat(2000))).unwrap();
                acknowledged.store(seq, Relaxed);
                if over.load(Relaxed) {
                    break;
                }
            }
        });
        while acknowledged.load(Relaxed) < 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
        for turn in 0..3 {
            let before = acknowledged.load(Relaxed);
            done(place, &["backup", "b.db", "--overwrite"]);
            let data = format!("other-{turn}.db");
            done(place, &["restore", "b.db", "--data", &data]);
            let mut command = program(place, ANY_PORT);
            let other = Serving::start({
                command.args(["--data", &data]);
                command
            });
            let mut ann = Talk::open(&other.address, "w", "ann");
            let rows = ann.rows();
            let found: BTreeSet<u64> = rows.iter().map(|(key, _)| key.parse().unwrap()).collect();
            let last = rows.len() as u64;
            assert!(
                found.into_iter().eq(1..=last),
                "the first ones, without a gap"
            );
            assert_eq!(
                ann.welcome["lastSeq"], last,
                "outcomes are of the same moment"
            );
            assert!(last >= before, "{last} of {before} that were acknowledged");
        }
        over.store(true, Relaxed);
    });
    assert!(serving.end("-TERM").0.success());
}

#[test]
fn what_a_killed_server_has_not_folded_into_its_file_is_in_the_backup() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    ann.write(1, &json!(1)).unwrap();
    serving.end("-KILL");
    assert!(place.join("syncline.db-wal").metadata().unwrap().len() > 0);
    done(place, &["backup", "b.db"]);
    restored(place, "b.db");
    let serving = serve(place);
    assert_eq!(
        keys(&Talk::open(&serving.address, "w", "ann").rows()),
        ["1"]
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    refused(place, &["backup"], "required arguments");
    refused(place, &["backup", "b.db", "--memory"], "there is no data");
    refused(
        place,
        &["backup", "b.db"],
        "syncline.db: cannot be opened: No such file",
    );
    assert_eq!(files(place), [""; 0], "and nothing is left behind");
    refused(
        place,
        &["restore", "b.db"],
        "b.db: cannot be opened: No such file",
    );
    drop(SqliteLog::open(&place.join("syncline.db")).unwrap());
    refused(place, &["backup", "no/such/b.db"], "no/such/b.db");
    done(place, &["backup", "b.db"]);
    refused(
        place,
        &["backup", "b.db"],
        "b.db: is there already; --overwrite",
    );
    std::fs::write(place.join("text"), "no database").unwrap();
    refused(
        place,
        &["restore", "text", "--data", "new.db"],
        "text: is not a SQLite database",
    );
    refused(
        place,
        &["restore", "b.db", "--data", "text", "--overwrite"],
        "text: is not a SQLite database",
    );
    std::fs::write(place.join("gone.db-wal"), "of a file that was moved").unwrap();
    refused(
        place,
        &["restore", "b.db", "--data", "gone.db"],
        "gone.db-wal: is left of another file",
    );
    let expected = [
        "b.db",
        "gone.db-lock",
        "gone.db-wal",
        "new.db-lock",
        "syncline.db",
        "syncline.db-lock",
        // Who only reads leaves them, empty.
        "syncline.db-shm",
        "syncline.db-wal",
        "text",
        "text-lock",
    ];
    assert_eq!(files(place), expected);
}

/// A window that was announced once is announced again, so a server that would announce a narrower one cannot take the backup.
#[test]
fn a_backup_must_go_with_the_configuration() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let wide = ["--listen", "127.0.0.1:0", "--limits-in-flight-max", "300"];
    assert!(
        Serving::start(program(place, &wide))
            .end("-TERM")
            .0
            .success()
    );
    done(place, &["backup", "b.db"]);
    let words = ["restore", "b.db", "--data", "new.db"];
    refused(
        place,
        &words,
        "limits.inFlightMax (256) must not be lower than 300",
    );
    done(
        place,
        &[&words[..], &["--limits-in-flight-max", "300"]].concat(),
    );
}

/// Bits that are no longer what they were: not backed up, and not put back.
#[tokio::test]
async fn a_damaged_file_is_no_backup() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let address = serving.address.clone();
    let write =
        move || drop(Talk::open(&address, "w", "ann").write(1, &json!("as it was written")));
    tokio::task::spawn_blocking(write).await.unwrap();
    assert!(serving.end("-TERM").0.success());
    done(place, &["backup", "whole.db"]);
    for file in ["syncline.db", "whole.db"] {
        let mut bytes = std::fs::read(place.join(file)).unwrap();
        let at = { bytes.windows(14) }
            .position(|part| part == b"as it was writ")
            .unwrap();
        bytes[at] = b'A';
        std::fs::write(place.join(file), bytes).unwrap();
    }
    refused(
        place,
        &["backup", "b.db"],
        "syncline.db: the file is damaged: the records 1 to 1",
    );
    refused(
        place,
        &["restore", "whole.db", "--data", "new.db"],
        "whole.db: the workspace w: the file is damaged",
    );
    assert!(!place.join("b.db").exists() && !place.join("new.db").exists());
}

/// What is said of a log that [`damage_log`] has been at.
const DAMAGED: &str = "syncline.db: the file is damaged: its write-ahead log, in frame 1.";

/// A bit of the write-ahead log that a killed server left is lost, amid what was acknowledged. Gives what the log is then.
fn damage_log(place: &Path) -> Vec<u8> {
    let log = place.join("syncline.db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    bytes
}

/// What was acknowledged and lies behind the damage would not be in the backup.
#[test]
fn a_write_ahead_log_that_is_damaged_is_no_backup() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    for seq in 1..8 {
        ann.write(seq, &json!(seq)).unwrap();
    }
    serving.end("-KILL");
    damage_log(place);
    refused(place, &["backup", "b.db"], DAMAGED);
    refused(place, &ANY_PORT[..2], DAMAGED);
}

/// What is refused changes nothing: a damaged log stays as it is, and is told of ever after.
#[test]
fn a_restore_that_is_refused_hides_no_damage() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    for seq in 1..8 {
        ann.write(seq, &json!(seq)).unwrap();
    }
    done(place, &["backup", "b.db"]);
    serving.end("-KILL");
    let damaged = damage_log(place);
    for file in ["b.db", "none.db"] {
        refused(place, &["restore", file, "--overwrite"], DAMAGED);
        let left = std::fs::read(place.join("syncline.db-wal")).unwrap();
        assert_eq!(left, damaged);
    }
    refused(place, &ANY_PORT[..2], DAMAGED);
}

/// A backup is another file than the data, and than one that is served.
#[test]
fn a_backup_takes_nobodys_place() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    ann.write(1, &json!(1)).unwrap();
    let own = "is the data itself";
    refused(place, &["backup", "syncline.db", "--overwrite"], own);
    let other = Serving::start(program(place, &[ANY_PORT, &["--data", "b.db"]].concat()));
    let words = ["backup", "b.db", "--overwrite"];
    refused(place, &words, "another server has this file open");
    let mut bob = Talk::open(&other.address, "w", "bob");
    bob.write(1, &json!(1)).unwrap();
    other.end("-KILL");
    done(place, &words);
    ann.write(2, &json!(2)).unwrap();
    done(place, &words);
    done(place, &["restore", "b.db", "--data", "c.db"]);
    let third = Serving::start(program(place, &[ANY_PORT, &["--data", "c.db"]].concat()));
    let rows = Talk::open(&third.address, "w", "ann").rows();
    assert_eq!(keys(&rows), ["1", "2"], "nothing of what was there before");
}

/// Who names the file by a link means the same file.
#[cfg(unix)]
#[test]
fn a_link_is_the_file_that_it_names() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let serving = serve(place);
    std::os::unix::fs::symlink("syncline.db", place.join("link.db")).unwrap();
    let open = "another server has this file open";
    refused(
        place,
        &["--listen", "127.0.0.1:0", "--data", "link.db"],
        open,
    );
    refused(
        place,
        &["backup", "link.db", "--overwrite"],
        "is the data itself",
    );
    done(place, &["backup", "b.db", "--data", "link.db"]);
    assert!(serving.end("-TERM").0.success());
    done(
        place,
        &["restore", "b.db", "--data", "link.db", "--overwrite"],
    );
    assert!(place.join("link.db").is_symlink());
    assert!(!place.join("syncline.db").is_symlink());
}

/// Whenever a restore is killed, there is the old file as it was or the new one whole.
#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_one_or_the_other() {
    const WORKSPACES: u64 = 20;
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let data = place.join("syncline.db");
    let fill = async |epoch: &str| {
        let log = SqliteLog::open(&data).unwrap();
        for number in 0..WORKSPACES {
            log.open(&format!("w{number}"), epoch).await.unwrap();
        }
        log.close();
    };
    fill("old").await;
    done(place, &["backup", "b.db"]);
    let begun = Instant::now();
    done(place, &["restore", "b.db", "--data", "other.db"]);
    let whole = begun.elapsed();
    let (mut old, mut new, mut turn) = (0, 0, 0);
    // The kills come later and later, until some have come too late.
    while turn < 40 || new == 0 {
        let mut command = program(place, &["restore", "b.db", "--overwrite", "--log", "error"]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * turn / 30);
        turn += 1;
        assert!(turn < 1000, "none of them was ever done");
        let _ = child.kill();
        child.wait().unwrap();
        let log = SqliteLog::open(&data).unwrap();
        let mut epochs = Vec::new();
        for name in log.workspaces().await.unwrap() {
            epochs.push(log.open(&name, "none").await.unwrap().position.epoch);
        }
        log.close();
        assert_eq!(epochs.len() as u64, WORKSPACES);
        let kept = epochs.iter().filter(|epoch| *epoch == "old").count() as u64;
        assert!([0, WORKSPACES].contains(&kept), "{epochs:?}");
        if kept == 0 {
            new += 1;
            std::fs::remove_file(&data).unwrap();
            fill("old").await;
        } else {
            old += 1;
        }
    }
    println!("{old} killed before, {new} after");
    assert!(old > 0, "none of them was killed before it was done");
    restored(place, "b.db");
    assert!(
        !place.join("syncline.db-restoring").exists(),
        "what broken ones left is gone"
    );
}

/// Who could not read the data cannot read its backup, nor what is put in its place.
#[cfg(unix)]
#[test]
fn who_may_read_is_kept() {
    use std::os::unix::fs::PermissionsExt;

    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let mode = |file: &str| std::fs::metadata(place.join(file)).unwrap().permissions();
    drop(SqliteLog::open(&place.join("syncline.db")).unwrap());
    let own = PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(place.join("syncline.db"), own).unwrap();
    done(place, &["backup", "b.db"]);
    assert_eq!(mode("b.db").mode() & 0o777, 0o600);
    let all = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(place.join("b.db"), all).unwrap();
    restored(place, "b.db");
    assert_eq!(mode("syncline.db").mode() & 0o777, 0o600);
    done(place, &["restore", "b.db", "--data", "new.db"]);
    assert_eq!(mode("new.db").mode() & 0o777, 0o644);
}
