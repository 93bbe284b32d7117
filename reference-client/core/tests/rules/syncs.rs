//! Syncs that the app asks for, and what it is told of these and of others.

use serde_json::json;
use syncline_client_core::{Event, Mode, Progress, SyncCounts, Trigger};

use crate::control::{knows, mode, online, said, sync, trigger};
use crate::driver::{Driver, Knows, applied, change, rejected};

/// What the app was told of syncs since.
fn told(driver: &mut Driver) -> Vec<Progress> {
    let events = std::mem::take(&mut driver.events).into_iter();
    let progress = events.filter_map(|event| match event {
        Event::Sync(progress) => Some(progress),
        _ => None,
    });
    progress.collect()
}

fn ended(driver: &mut Driver) -> Vec<SyncCounts> {
    let told = told(driver).into_iter();
    let ends = told.filter_map(|progress| match progress {
        Progress::End(counts) => Some(counts),
        _ => None,
    });
    ends.collect()
}

fn part(done: u64, total: u64, rows: u64) -> Progress {
    Progress::Part { done, total, rows }
}

/// CLIENT-SYNC, CLIENT-SYNC-COUNTS: it ends when all of it is decided, and each shape has had an update that was asked for after it.
#[test]
fn a_sync_ends_when_all_is_decided_and_there() {
    let mut driver = online();
    trigger(&mut driver, Trigger::Manual);
    let first = driver.set("a", "k", "1");
    let second = driver.set("a", "k", "2");
    sync(&mut driver);
    let frames = driver.sent();
    let kinds: Vec<_> = frames.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(kinds, ["subscribe", "subscribe", "push"]);
    assert_eq!(frames[0]["cursor"]["version"], json!(5));
    driver.ack(
        None,
        &[applied(1, &first, 6), rejected(2, &second, 7, "no_ops")],
    );
    assert_eq!(ended(&mut driver), []);
    for (index, shape, changes) in [
        (0, "x", vec![change("a", "k", 6, "1")]),
        (
            1,
            "y",
            vec![change("c", "k", 4, "1"), change("c", "l", 7, "1")],
        ),
    ] {
        let subscribe = &frames[index];
        driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": shape, "tables": subscribe["tables"]}));
        assert_eq!(ended(&mut driver), []);
        driver.update(shape, 5, 7, &changes);
    }
    let counts = SyncCounts {
        pushed: 2,
        applied: 1,
        rejected: 1,
        in_doubt: 0,
        rows: 2,
    };
    assert_eq!(ended(&mut driver), [counts]);
}

/// CLIENT-SYNC: a first update that is under way is not begun again, but is no answer either.
#[test]
fn a_sync_amid_a_first_update_asks_after_it() {
    let mut driver = Driver::new();
    driver.connect();
    driver.welcome(&knows(5, 0));
    let frames = driver.sent();
    sync(&mut driver);
    assert_eq!(said(&mut driver), [""; 0]);
    for (frame, shape) in frames.iter().zip(["ab", "c"]) {
        driver.receive(&json!({"type": "subscribed", "id": frame["id"], "shape": shape, "tables": frame["tables"]}));
        driver.receive(&json!({"type": "update", "shape": shape, "from": 0, "to": 5, "changes": [], "replace": true}));
        assert_eq!(said(&mut driver), [format!("subscribe {shape}")]);
    }
    assert_eq!(ended(&mut driver), []);
    driver.cut();
    driver.online(5);
    assert_eq!(ended(&mut driver), [SyncCounts::default()]);
}

/// CLIENT-SYNC: as far as the mode allows, and with nothing to do it ends at once.
#[test]
fn a_sync_goes_as_far_as_the_mode() {
    let mut driver = Driver::new();
    mode(&mut driver, Mode::PushOnly);
    sync(&mut driver);
    assert_eq!(ended(&mut driver), [SyncCounts::default()]);
    driver.set("a", "k", "1");
    sync(&mut driver);
    assert_eq!(ended(&mut driver), []);
    mode(&mut driver, Mode::PullOnly);
    assert_eq!(ended(&mut driver), [SyncCounts::default()]);
    sync(&mut driver);
    assert_eq!(ended(&mut driver), []);
    driver.online(5);
    assert_eq!(ended(&mut driver), [SyncCounts::default()]);
}

/// CLIENT-SYNC-COUNTS: what is put before the app is decided, as far as a sync goes.
#[test]
fn what_is_in_doubt_is_counted() {
    let mut driver = Driver::new();
    mode(&mut driver, Mode::PushOnly);
    driver.set("a", "k", "1");
    driver.set("a", "k", "2");
    driver.set("a", "k", "3");
    sync(&mut driver);
    driver.connect();
    let names = driver.undecided();
    driver.welcome(&Knows {
        results: vec![],
        ..knows(9, 2)
    });
    assert_eq!(driver.stored.in_doubt.len(), names.len());
    let counts = SyncCounts {
        pushed: 3,
        in_doubt: 3,
        ..SyncCounts::default()
    };
    assert_eq!(ended(&mut driver), [counts]);
}

/// CLIENT-PROGRESS: the first load by rows, staged ones included; pushes by mutations; trouble is not the end.
#[test]
fn progress_is_told() {
    let mut driver = Driver::new();
    driver.replica.watch_progress();
    driver.connect();
    let env = driver.env();
    driver.replica.unsubscribe(&["c".to_owned()].into(), env);
    driver.welcome(&knows(5, 0));
    assert_eq!(told(&mut driver), [Progress::Start { pending: 0 }]);
    let subscribe = &driver.sent()[0];
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": subscribe["tables"]}));
    let rows = [change("a", "k", 1, "1"), change("a", "l", 2, "1")];
    driver.receive(&json!({"type": "update", "shape": "ab", "from": 0, "more": true, "changes": rows, "replace": true}));
    assert_eq!(told(&mut driver), [part(0, 0, 2)]);
    driver.receive(&json!({"type": "update", "shape": "ab", "from": 0, "to": 5, "changes": [change("b", "k", 3, "1")]}));
    let counts = SyncCounts {
        rows: 3,
        ..SyncCounts::default()
    };
    assert_eq!(told(&mut driver), [part(0, 0, 3), Progress::End(counts)]);

    let first = driver.set("a", "k", "1");
    assert_eq!(told(&mut driver), [Progress::Start { pending: 1 }]);
    driver.set("a", "k", "2");
    assert_eq!(told(&mut driver), [], "of the next");
    driver.cut();
    assert!(matches!(told(&mut driver)[..], [Progress::Error(_)]));
    driver.connect();
    driver.welcome(&knows(5, 0));
    driver.ack(None, &[applied(1, &first, 6)]);
    let counts = SyncCounts {
        pushed: 1,
        applied: 1,
        ..SyncCounts::default()
    };
    assert_eq!(
        told(&mut driver),
        [
            part(1, 1, 0),
            Progress::End(counts),
            Progress::Start { pending: 1 }
        ]
    );
}

/// Who does not watch is told of the end of what it asked for, and of nothing else.
#[test]
fn who_does_not_watch_hears_of_its_own_syncs_alone() {
    let mut driver = Driver::new();
    driver.online(5);
    driver.set("a", "k", "1");
    assert_eq!(told(&mut driver), []);
    mode(&mut driver, Mode::PullOnly);
    sync(&mut driver);
    driver.cut();
    driver.online(5);
    assert_eq!(told(&mut driver), [Progress::End(SyncCounts::default())]);
}
