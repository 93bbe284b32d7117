//! The app's control of the sync: modes and triggers.

use serde_json::json;
use syncline_client_core::{Mode, Trigger};

use crate::driver::{Driver, Knows, applied, change, deferred, rejected};

/// A driver online, at version 5 with nothing pending, whose frames so far are read.
pub(crate) fn online() -> Driver {
    let mut driver = Driver::new();
    driver.replica.watch_progress();
    driver.online(5);
    driver.sent();
    driver.events.clear();
    driver
}

pub(crate) fn mode(driver: &mut Driver, mode: Mode) {
    let env = driver.env();
    driver.replica.set_mode(mode, env);
    driver.settle();
}

pub(crate) fn trigger(driver: &mut Driver, trigger: Trigger) {
    let env = driver.env();
    driver.replica.set_trigger(trigger, env);
    driver.settle();
}

pub(crate) fn sync(driver: &mut Driver) {
    let env = driver.env();
    driver.replica.sync(env);
    driver.settle();
}

fn tick(driver: &mut Driver, ms: u64) {
    driver.now += ms;
    let env = driver.env();
    driver.replica.tick(env);
    driver.settle();
}

/// The `seq`s that it pushes on a new connection.
fn pushed_anew(driver: &mut Driver) -> Vec<Vec<u64>> {
    driver.cut();
    driver.connect();
    let last_seq = driver.stored.acked_seq();
    driver.welcome(&knows(5, last_seq));
    driver.pushed()
}

/// The types of the frames that it sends now, each with the shape or the tables that it is about.
pub(crate) fn said(driver: &mut Driver) -> Vec<String> {
    let frames = driver.sent().into_iter();
    let said = frames.map(|frame| {
        let tables = frame["tables"].as_object();
        let of = tables.map(|tables| tables.keys().cloned().collect::<String>());
        let of = of.or_else(|| frame["shape"].as_str().map(str::to_owned));
        let kind = frame["type"].as_str().unwrap();
        format!("{kind} {}", of.unwrap_or_default())
            .trim()
            .to_owned()
    });
    said.collect()
}

/// CLIENT-MODE-PUSH, CLIENT-MODE-BACK: the shapes are left, keep what they have, and are followed again from there.
#[test]
fn push_only_leaves_the_shapes_as_they_are() {
    let mut driver = online();
    driver.update("ab", 5, 6, &[change("a", "k", 6, "1")]);
    mode(&mut driver, Mode::PushOnly);
    assert_eq!(said(&mut driver), ["unsubscribe ab", "unsubscribe c"]);
    driver.update("ab", 6, 7, &[change("a", "k", 7, "2")]);
    assert_eq!(driver.view("a", "k"), Some("1"), "CLIENT-STRAY");

    let w = driver.set("a", "k", "3");
    assert_eq!(driver.pushed(), [[1]]);
    driver.ack(None, &[applied(1, &w, 8)]);
    assert_eq!(driver.view("a", "k"), Some("3"), "CLIENT-OVERLAY-LEAVES");
    driver.cut();
    driver.connect();
    driver.welcome(&knows(8, 1));
    assert_eq!(said(&mut driver), [""; 0]);

    mode(&mut driver, Mode::Both);
    let frames = driver.sent();
    let cursors: Vec<_> = frames
        .iter()
        .map(|frame| &frame["cursor"]["version"])
        .collect();
    assert_eq!(cursors, [&json!(6), &json!(5)]);
}

pub(crate) fn knows(version: u64, last_seq: u64) -> Knows<'static> {
    Knows {
        epoch: "e1",
        version,
        last_seq,
        results: vec![],
        server_time: 0,
    }
}

/// CLIENT-MODE-PUSH: a subscribe that is under way is ended as soon as it has a name.
#[test]
fn push_only_ends_a_subscribe_that_is_not_answered() {
    let mut driver = Driver::new();
    driver.connect();
    driver.welcome(&knows(5, 0));
    let frames = driver.sent();
    mode(&mut driver, Mode::PushOnly);
    assert_eq!(said(&mut driver), [""; 0]);
    driver.receive(&json!({"type": "subscribed", "id": frames[0]["id"], "shape": "x", "tables": frames[0]["tables"]}));
    assert_eq!(said(&mut driver), ["unsubscribe x"]);
    mode(&mut driver, Mode::Both);
    assert_eq!(said(&mut driver), ["subscribe ab"], "c is not ended yet");
}

/// CLIENT-MODE-PULL, CLIENT-MODE-BACK: writes wait in the outbox; what was pushed before is decided, and not pushed again.
#[test]
fn pull_only_pushes_nothing() {
    let mut driver = online();
    let first = driver.set("a", "k", "1");
    assert_eq!(driver.pushed(), [[1]]);
    mode(&mut driver, Mode::PullOnly);
    driver.set("a", "k", "2");
    assert_eq!(driver.pushed(), [[0; 0]; 0]);
    assert_eq!(driver.view("a", "k"), Some("2"));
    driver.ack(None, &[applied(1, &first, 6)]);
    driver.update("ab", 5, 6, &[change("a", "k", 6, "1")]);
    assert_eq!(pushed_anew(&mut driver), [[0; 0]; 0]);
    assert_eq!(driver.replica.status().pending, 1);
    mode(&mut driver, Mode::Both);
    assert_eq!(driver.pushed(), [[2]]);
    mode(&mut driver, Mode::PullOnly);
    let pushed = pushed_anew(&mut driver);
    assert_eq!(pushed, [[0; 0]; 0], "nor what was sent before");
}

/// CLIENT-TRIGGER, CLIENT-SYNC: what was let through goes on, on the next connection too; what is written after waits.
#[test]
fn manual_pushes_what_was_pending_when_asked() {
    let mut driver = online();
    trigger(&mut driver, Trigger::Manual);
    driver.set("a", "k", "1");
    driver.set("a", "k", "2");
    assert_eq!(driver.pushed(), [[0; 0]; 0]);
    sync(&mut driver);
    driver.set("a", "k", "3");
    assert_eq!(driver.pushed(), [[1, 2]]);
    assert_eq!(pushed_anew(&mut driver), [[1, 2]]);
    let names = driver.undecided();
    driver.ack(
        Some(4),
        &[applied(1, &names[0].1, 6), deferred(2, &names[1].1, 100)],
    );
    tick(&mut driver, 125);
    assert_eq!(driver.pushed(), [[2]]);
    driver.ack(None, &[applied(2, &names[1].1, 7)]);
    assert_eq!(driver.pushed(), [[0; 0]; 0], "the third waits");
    trigger(&mut driver, Trigger::Immediate);
    assert_eq!(driver.pushed(), [[3]]);
    trigger(&mut driver, Trigger::Manual);
    let pushed = pushed_anew(&mut driver);
    assert_eq!(pushed, [[3]], "let through is let through");
}

/// CLIENT-TRIGGER: what is written after an entry has gone takes its number in the outbox, but not its way through.
#[test]
fn a_place_that_is_free_again_lets_nothing_through() {
    let mut driver = online();
    let env = driver.env();
    driver.replica.unsubscribe(&["c".to_owned()].into(), env);
    let w = driver.set("c", "k", "1");
    driver.sent();
    trigger(&mut driver, Trigger::Manual);
    driver.ack(None, &[rejected(1, &w, 6, "no_ops")]);
    let env = driver.env();
    driver.replica.confirm_rejection(&w, env);
    driver.set("c", "k", "2");
    assert_eq!(driver.pushed(), [[0; 0]; 0]);
}

/// CLIENT-TRIGGER, CLIENT-TRIGGER-FIRES: one moment before, and at it; the next interval begins with the next write.
#[test]
fn an_interval_begins_with_the_first_that_waits() {
    let mut driver = online();
    trigger(&mut driver, Trigger::Interval(100));
    tick(&mut driver, 90);
    for _ in 0..2 {
        driver.set("a", "k", "1");
        let due = driver.now + 100;
        assert_eq!(driver.replica.poll_timeout(), Some(due));
        tick(&mut driver, 99);
        driver.set("a", "l", "1");
        assert_eq!(driver.pushed(), [[0; 0]; 0]);
        tick(&mut driver, 1);
        assert_eq!(driver.pushed().len(), 1);
        assert!(driver.replica.poll_timeout() > Some(driver.now));
    }
    let names = driver.undecided();
    let results: Vec<_> = names
        .iter()
        .map(|(seq, name)| applied(*seq, name, 5 + seq))
        .collect();
    driver.ack(None, &results);
    driver.set("a", "k", "2");
    driver.cut();
    driver.now += 100;
    let pushed = pushed_anew(&mut driver);
    assert_eq!(pushed, [[5]], "an interval that has passed offline is over");
}

/// CLIENT-TRIGGER, CLIENT-TRIGGER-FIRES: one fewer, exactly so many; those that are under way do not count.
#[test]
fn a_threshold_counts_what_waits() {
    let mut driver = online();
    driver.set("a", "k", "0");
    assert_eq!(driver.pushed(), [[1]]);
    trigger(&mut driver, Trigger::Threshold(3));
    for _ in 0..2 {
        driver.set("a", "k", "1");
        driver.set("a", "k", "2");
        assert_eq!(driver.pushed(), [[0; 0]; 0]);
        let names = driver.undecided();
        let (seq, name) = names[0].clone();
        driver.set("a", "k", "3");
        let pushed: Vec<u64> = driver.pushed().concat();
        assert_eq!(pushed, [seq + 1, seq + 2, seq + 3]);
        let all = driver.undecided();
        let results: Vec<_> = all
            .iter()
            .map(|(seq, name)| applied(*seq, name, 5 + seq))
            .collect();
        driver.ack(None, &results);
        assert_eq!(name, all[0].1);
        driver.set("a", "k", "4");
        sync(&mut driver);
        assert_eq!(driver.pushed().concat().len(), 1, "a sync does not count");
    }
}
