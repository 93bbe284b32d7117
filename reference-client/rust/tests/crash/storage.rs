//! Stores that cannot be written: the app is told clearly, and goes on with all that it was told is written when the trouble is over.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::app::{App, program, serve};

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The program, started by a shell that lets it be told of files that cannot grow, and not killed for it.
fn patient() -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\""])
        .arg(program());
    shell
}

#[test]
fn a_disk_that_is_full() {
    if !runs(Command::new("prlimit").arg("--version")) {
        eprintln!(
            "SKIPPED: there is no prlimit here, so that no process can be kept from making files larger"
        );
        return;
    }
    let runtime = Runtime::new().unwrap();
    let url = serve(&runtime);
    let store = tempfile::tempdir().unwrap();
    let large = json!("x".repeat(4000));
    let mut app = App::start(patient());
    let opened = app.open(&url, store.path());
    app.done(opened).unwrap();
    let pid = app.id().to_string();
    assert!(runs(Command::new("prlimit").args([
        "--pid",
        &pid,
        "--fsize=200000:unlimited"
    ])));
    let (mut written, why) = (1..)
        .find_map(|key| {
            let asked = app.write(key, &large);
            app.done(asked).err().map(|why| (key - 1, why))
        })
        .unwrap();
    assert!(why.contains("the local store failed"), "{why}");
    assert!(written > 0);
    // It has stopped, and says why to whoever asks.
    let asked = app.write(1000, &large);
    assert_eq!(app.done(asked), Err(why));
    app.kill();

    // The app is started anew, once there is room.
    let mut app = App::start(patient());
    let opened = app.open(&url, store.path());
    app.done(opened).unwrap();
    for _ in 0..3 {
        written += 1;
        let asked = app.write(written, &large);
        app.done(asked).unwrap();
    }
    let found = view(&mut app);
    assert_eq!(
        found,
        (1..=written)
            .map(|key| key.to_string())
            .collect::<std::collections::BTreeSet<_>>()
    );
    app.say(json!({"do": "go_online"}));
    let synced = app.say(json!({"do": "sync"}));
    app.done(synced).unwrap();
}

/// The keys that the app sees.
fn view(app: &mut App) -> std::collections::BTreeSet<String> {
    let asked = app.say(json!({"do": "read_all", "table": "notes"}));
    let answer = app.answer(asked);
    let view = answer["ok"]["view"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    view.into_iter()
        .map(|(key, _): (String, Value)| key)
        .collect()
}

/// The program as a user who has no rights by being root.
fn as_anybody(place: &Path) -> Command {
    let mut command = Command::new(program());
    if place.metadata().unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    command
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_that_cannot_be_written() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    allow(place, 0o777);
    if !runs(&mut as_anybody(place)) {
        eprintln!("SKIPPED: the program cannot be run as somebody without rights here");
        return;
    }
    let opens = || {
        let mut app = App::start(as_anybody(place));
        let opened = app.open("ws://127.0.0.1:9/sync", place);
        let opened = app.done(opened);
        (app, opened)
    };
    allow(place, 0o555);
    let why = opens().1.unwrap_err();
    assert!(
        why.contains("client.db") && why.contains("Permission denied"),
        "{why}"
    );
    allow(place, 0o777);
    let (mut app, opened) = opens();
    opened.unwrap();
    let asked = app.write(1, &json!("before"));
    app.done(asked).unwrap();
    app.kill();
    let file = place.join("client.db");
    allow(&file, 0o444);
    let why = opens().1.unwrap_err();
    assert!(
        why.contains("client.db") && why.contains("cannot be written"),
        "{why}"
    );
    allow(&file, 0o666);
    let (mut app, opened) = opens();
    opened.unwrap();
    let asked = app.write(2, &json!("after"));
    app.done(asked).unwrap();
    assert_eq!(view(&mut app).len(), 2);
}
