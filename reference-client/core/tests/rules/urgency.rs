//! Which of the writes that wait go first.

use serde_json::json;
use syncline_client_core::{Event, Progress, Trigger};

use crate::driver::{Driver, Knows, applied};

/// An app to which the table c is urgent.
fn urgent(mut driver: Driver) -> Driver {
    let env = driver.env();
    driver.replica.set_urgent(["c".to_owned()], env);
    driver.settle();
    driver
}

/// The keys of the undecided entries, in the order of their numbers, which have no holes.
fn keys(driver: &Driver) -> Vec<String> {
    let undecided: Vec<_> = driver.stored.undecided().collect();
    let first = driver.stored.acked_seq() + 1;
    for (seq, entry) in (first..).zip(&undecided) {
        assert_eq!(entry.seq, seq);
    }
    let key = |entry: &&syncline_client_core::Entry| entry.ops[0].row().unwrap().1.to_owned();
    undecided.iter().map(key).collect()
}

/// CLIENT-URGENT: in order once it is let through, durably with the note of what may have been sent; later writes pass what the window holds back.
#[test]
fn what_waits_is_put_in_order_when_it_is_let_through() {
    let mut driver = urgent(Driver::new());
    for (table, key) in [
        ("a", "1"),
        ("b", "2"),
        ("a", "3"),
        ("c", "4"),
        ("a", "5"),
        ("c", "6"),
    ] {
        driver.set(table, key, "1");
    }
    assert_eq!(keys(&driver), ["1", "2", "3", "4", "5", "6"]);
    driver.online(0);
    assert_eq!(keys(&driver), ["4", "6", "1", "2", "3", "5"]);
    assert_eq!(driver.stored.meta.as_ref().unwrap().let_through_seq, 4);
    // The window is of four: what it holds back may be passed.
    driver.set("c", "7", "1");
    assert_eq!(keys(&driver), ["4", "6", "1", "2", "7", "3", "5"]);
    assert_eq!(driver.pushed(), [[0; 0]; 0], "the window is full");
    let first = driver.stored.undecided_at(1).unwrap().op_id.clone();
    driver.ack(Some(4), &[applied(1, &first, 1)]);
    assert_eq!(driver.stored.meta.as_ref().unwrap().let_through_seq, 5);
    assert_eq!(driver.pushed(), [[5]]);
    // After a crash as well: nothing passes what may have been sent, and an app without urgent tables leaves all as it is.
    let mut again = urgent(Driver::on(driver.stored.clone()));
    again.set("c", "8", "1");
    again.online(1);
    assert_eq!(keys(&again), ["6", "1", "2", "7", "8", "3", "5"]);
    let mut plain = Driver::on(driver.stored.clone());
    plain.set("c", "8", "1");
    plain.online(1);
    assert_eq!(keys(&plain), ["6", "1", "2", "7", "3", "5", "8"]);
}

/// CLIENT-URGENT: what was written without urgent tables is not movable, and nothing passes it.
#[test]
fn what_was_written_before_is_not_passed() {
    let mut driver = Driver::new();
    driver.set("a", "1", "1");
    let mut driver = urgent(driver);
    driver.set("a", "2", "1");
    driver.set("c", "3", "1");
    driver.online(0);
    assert_eq!(keys(&driver), ["1", "3", "2"]);
}

/// CLIENT-TRIGGER, CLIENT-SYNC: what waits for the trigger does not pass what was let through, and nothing comes into a sync that the app has asked for.
#[test]
fn a_sync_is_of_the_mutations_that_it_began_with() {
    let mut driver = urgent(Driver::new());
    let env = driver.env();
    driver.replica.set_trigger(Trigger::Manual, env);
    for key in ["1", "2", "3", "4", "5", "6"] {
        driver.set("a", key, "1");
    }
    driver.online(0);
    assert!(driver.pushed().is_empty());
    let env = driver.env();
    driver.replica.sync(env);
    driver.settle();
    driver.set("c", "7", "1");
    assert_eq!(keys(&driver).last().unwrap(), "7");
    let env = driver.env();
    driver.replica.set_trigger(Trigger::Immediate, env);
    driver.settle();
    assert_eq!(keys(&driver).last().unwrap(), "7");
    let ids: Vec<(u64, String)> = driver.undecided();
    let results: Vec<_> = ids[..6]
        .iter()
        .map(|(seq, id)| applied(*seq, id, *seq))
        .collect();
    driver.sent();
    driver.ack(None, &results);
    let counts = driver.events.iter().find_map(|event| match event {
        Event::Sync(Progress::End(counts)) => Some(counts.pushed),
        _ => None,
    });
    assert!(counts.is_none_or(|pushed| pushed == 6));
    assert_eq!(keys(&driver), ["7"]);
}

/// CLIENT-PROGRESS, CLIENT-URGENT: one that begins by itself is made longer by what passes into it.
#[test]
fn a_sync_of_itself_is_made_longer() {
    let mut driver = urgent(Driver::new());
    driver.replica.watch_progress();
    for key in ["1", "2", "3", "4", "5", "6"] {
        driver.set("a", key, "1");
    }
    driver.online(0);
    driver.set("c", "7", "1");
    assert_eq!(keys(&driver), ["1", "2", "3", "4", "7", "5", "6"]);
    driver.sent();
    let ids = driver.undecided();
    for (seq, id) in &ids {
        assert!(
            !driver
                .events
                .iter()
                .any(|event| matches!(event, Event::Sync(Progress::End(_))))
        );
        driver.ack(None, &[applied(*seq, id, *seq)]);
        driver.sent();
    }
    let end = driver.events.iter().find_map(|event| match event {
        Event::Sync(Progress::End(counts)) => Some((counts.pushed, counts.applied)),
        _ => None,
    });
    assert_eq!(end, Some((7, 7)));
}

/// CLIENT-URGENT-DOUBT: from the first movable entry on the app is asked; what stands before moves.
#[test]
fn a_copy_asks_about_what_is_movable() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.set("a", "1", "1");
    let mut driver = urgent(driver);
    driver.set("a", "2", "1");
    let env = driver.env();
    driver.replica.set_urgent([], env);
    driver.set("a", "3", "1");
    driver.cut();
    driver.connect();
    let foreign = json!({"status": "applied", "seq": 1, "opId": "foreign", "version": 1});
    driver.welcome(&Knows {
        epoch: "e1",
        version: 1,
        last_seq: 1,
        results: vec![foreign],
        server_time: 0,
    });
    assert_eq!(keys(&driver), ["1"]);
    let doubt = driver.stored.in_doubt.values();
    let doubt: Vec<_> = doubt.map(|entry| entry.ops[0].row().unwrap().1).collect();
    assert_eq!(doubt, ["2", "3"]);
}
