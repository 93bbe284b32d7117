//! Welcomes that do not fit the store: copies, the forgotten, doubt, another epoch.

use serde_json::{Value, json};
use syncline_client_core::{Decision, Event, Wish, derive};

use crate::driver::{Driver, Knows, applied, refused, rejected, set_if};

const DAY_MS: u64 = 86_400_000;

/// A driver that was online, has had its first mutation acknowledged, and has so many undecided since.
fn with_undecided(count: usize) -> (Driver, Vec<String>) {
    let mut driver = Driver::new();
    driver.online(0);
    let first = driver.set("a", "0", "1");
    driver.ack(None, &[applied(1, &first, 1)]);
    driver.update("ab", 0, 1, &[]);
    let ids = (1..=count)
        .map(|write| driver.set("a", &write.to_string(), "1"))
        .collect();
    driver.sent();
    driver.cut();
    (driver, ids)
}

fn welcome(driver: &mut Driver, last_seq: u64, results: Vec<Value>) {
    driver.connect();
    let server_time = driver.now + driver.wall;
    driver.welcome(&Knows {
        epoch: "e1",
        version: 9,
        last_seq,
        results,
        server_time,
    });
}

#[track_caller]
fn kept(driver: &mut Driver) {
    assert!(
        driver.wishes().is_empty() && driver.replica.status().online,
        "{:?}",
        driver.replica.status()
    );
}

/// The replica has a new identity, derived as it must be, with these entries numbered from 1, durably, and says hello again.
#[track_caller]
fn moved(driver: &mut Driver, old: &str, ids: &[&String]) {
    assert_eq!(driver.wishes(), [Wish::Close]);
    match ids.first() {
        Some(first) => assert_eq!(driver.client_id(), derive(old, first)),
        None => assert_ne!(driver.client_id(), old),
    }
    let expected: Vec<(u64, String)> = (1..).zip(ids.iter().map(|id| (*id).clone())).collect();
    assert_eq!(driver.undecided(), expected);
    let hello = driver.connect();
    assert_eq!(
        (&hello["clientId"], &hello["ackedSeq"]),
        (&json!(driver.client_id()), &json!(0))
    );
}

#[test]
fn outcomes_missed_are_learnt_and_nothing_is_sent_again() {
    let (mut driver, ids) = with_undecided(3);
    welcome(
        &mut driver,
        3,
        vec![
            applied(2, &ids[0], 2),
            rejected(3, &ids[1], 3, "version_conflict"),
        ],
    );
    kept(&mut driver);
    assert_eq!(driver.pushed(), [[4]]);
    assert_eq!(driver.stored.rejected.len(), 1);
    assert_eq!(
        driver.view("a", "1"),
        Some("1"),
        "applied, and not yet passed"
    );
}

/// CLIENT-COPY, CLIENT-NEW-ID.
#[test]
fn another_mutation_under_ones_own_number_shows_a_copy() {
    let (mut driver, ids) = with_undecided(3);
    let old = driver.client_id();
    welcome(
        &mut driver,
        3,
        vec![applied(2, &ids[0], 2), applied(3, "another", 3)],
    );
    moved(&mut driver, &old, &[&ids[1], &ids[2]]);
}

#[test]
fn a_mutation_never_issued_shows_a_copy() {
    let (mut driver, _) = with_undecided(0);
    let old = driver.client_id();
    welcome(&mut driver, 2, vec![applied(2, "another", 2)]);
    moved(&mut driver, &old, &[]);
}

#[test]
fn results_that_do_not_reach_far_enough_show_a_copy() {
    let (mut driver, ids) = with_undecided(1);
    let old = driver.client_id();
    welcome(&mut driver, 3, vec![applied(2, &ids[0], 2)]);
    moved(&mut driver, &old, &[]);
}

/// CLIENT-ACK: a copy may also show in an ack, and in a refusal (CLIENT-CHAIN-BROKEN).
#[test]
fn acks_show_copies_too() {
    for result in [
        applied(2, "another", 2),
        applied(4, "never-issued", 2),
        refused(2, "whatever", "chain_broken", None),
    ] {
        let (mut driver, ids) = with_undecided(2);
        let old = driver.client_id();
        welcome(&mut driver, 1, vec![]);
        driver.ack(None, &[applied(1, "long-known", 1), result]);
        moved(&mut driver, &old, &[&ids[0], &ids[1]]);
    }
}

/// CLIENT-FORGOTTEN.
#[test]
fn the_forgotten_go_on_under_a_new_identity() {
    let (mut driver, ids) = with_undecided(2);
    let old = driver.client_id();
    welcome(&mut driver, 0, vec![]);
    moved(&mut driver, &old, &[&ids[0], &ids[1]]);
    assert!(driver.stored.in_doubt.is_empty());
}

/// CLIENT-DOUBT: an outcome that is not retained any more, and every entry after it. New writes go on.
#[test]
fn what_is_not_retained_is_in_doubt_and_all_that_follows() {
    let (mut driver, ids) = with_undecided(3);
    let old = driver.client_id();
    welcome(&mut driver, 3, vec![applied(3, &ids[1], 3)]);
    moved(&mut driver, &old, &[]);
    let doubts: Vec<String> = driver
        .stored
        .in_doubt
        .values()
        .map(|entry| entry.op_id.clone())
        .collect();
    assert_eq!(doubts, ids);
    assert_eq!(
        driver
            .events
            .iter()
            .filter(|event| matches!(event, Event::InDoubt(_)))
            .count(),
        3
    );
    assert_eq!(driver.view("a", "1"), None);
    let fresh = driver.set("a", "new", "1");
    assert_eq!(driver.undecided(), [(1, fresh)]);
}

/// CLIENT-TTL: by the server's clock, whatever the client's own says.
#[test]
fn what_is_too_old_is_in_doubt() {
    for (ahead, days, doubtful) in [
        (0, 29, false),
        (0, 31, true),
        (400 * DAY_MS, 29, false),
        (400 * DAY_MS, 31, true),
    ] {
        let mut driver = Driver::new();
        driver.wall += ahead;
        driver.connect();
        let server_time = driver.now + driver.wall - ahead;
        driver.welcome(&Knows {
            epoch: "e1",
            version: 0,
            last_seq: 0,
            results: vec![],
            server_time,
        });
        driver.set("a", "x", "1");
        driver.cut();
        driver.connect();
        let server_time = server_time + days * DAY_MS;
        driver.welcome(&Knows {
            epoch: "e1",
            version: 0,
            last_seq: 0,
            results: vec![],
            server_time,
        });
        assert_eq!(
            driver.stored.in_doubt.len() == 1,
            doubtful,
            "clock ahead by {ahead}, {days} days"
        );
        assert_eq!(driver.undecided().is_empty(), doubtful);
    }
}

#[test]
fn the_app_decides_about_doubts() {
    let (mut driver, ids) = with_undecided(2);
    welcome(&mut driver, 3, vec![]);
    let env = driver.env();
    let again = driver
        .replica
        .resolve_doubt(&ids[0], Decision::Again, env)
        .unwrap()
        .unwrap();
    assert!(!ids.contains(&again), "a new mutation, with a new opId");
    let env = driver.env();
    assert_eq!(
        driver
            .replica
            .resolve_doubt(&ids[1], Decision::Drop, env)
            .unwrap(),
        None
    );
    assert!(
        driver
            .replica
            .resolve_doubt(&ids[1], Decision::Drop, env)
            .is_err()
    );
    assert!(driver.replica.stored().in_doubt.is_empty());
    assert_eq!(
        (driver.view("a", "1"), driver.view("a", "2")),
        (Some("1"), None)
    );
}

/// CLIENT-EPOCH: the outbox is kept, what says `ifVersion` is given up.
#[test]
fn another_epoch_is_followed() {
    let (mut driver, ids) = with_undecided(1);
    let conditional = driver.mutate(vec![set_if("a", "x", "1", Some(1))]);
    driver.connect();
    driver.welcome(&Knows {
        epoch: "e2",
        version: 4,
        last_seq: 1,
        results: vec![],
        server_time: 0,
    });
    kept(&mut driver);
    let push = driver
        .sent()
        .into_iter()
        .find(|frame| frame["type"] == "push")
        .unwrap();
    assert_eq!(push["epoch"], json!("e2"));
    assert_eq!(push["mutations"][0]["opId"], json!(ids[0]));
    assert_eq!(push["mutations"][0]["ops"].as_array().unwrap().len(), 1);
    assert_eq!(push["mutations"][1]["opId"], json!(conditional));
    assert_eq!(push["mutations"][1]["ops"], json!([]));
}

/// CLIENT-REPLACED: waits, drains the outbox, and then leaves the name to the other.
#[test]
fn a_replaced_client_leaves_once_its_outbox_is_empty() {
    let (mut driver, ids) = with_undecided(1);
    let old = driver.client_id();
    welcome(&mut driver, 1, vec![]);
    let before = driver.now;
    driver.receive(&json!({"type": "goaway", "reason": "session_replaced", "retryAfterMs": 0}));
    assert_eq!(driver.wishes(), [Wish::Close]);
    assert!(driver.replica.poll_timeout().unwrap() >= before + 1_000);
    assert_eq!(driver.client_id(), old, "something is undecided");
    let mut driver = Driver::on(driver.stored.clone());
    welcome(&mut driver, 2, vec![applied(2, &ids[0], 2)]);
    moved(&mut driver, &old, &[]);
}

/// Copies of one store take the same new name for what they share: derived, not random.
#[test]
fn copies_meet_on_one_chain() {
    let (driver, ids) = with_undecided(2);
    let old = driver.client_id();
    let mut copies = [
        Driver::on(driver.stored.clone()),
        Driver::on(driver.stored.clone()),
    ];
    for copy in &mut copies {
        copy.set("a", "own", "1");
        welcome(copy, 2, vec![applied(2, "another", 2)]);
        assert_eq!(copy.client_id(), derive(&old, &ids[0]));
    }
}
