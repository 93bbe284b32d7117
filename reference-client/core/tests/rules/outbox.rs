//! Sending, acks, and what is not decided.

use serde_json::json;
use syncline_client_core::{Event, Wish};

use crate::driver::{Driver, applied, deferred, refused, rejected, set, set_if};

/// A driver online at version 0, with so many writes, none of them sent yet.
fn online_with(writes: usize) -> (Driver, Vec<String>) {
    let mut driver = Driver::new();
    driver.online(0);
    let ids = (0..writes)
        .map(|write| driver.set("a", &write.to_string(), "1"))
        .collect();
    (driver, ids)
}

/// CLIENT-WINDOW, CLIENT-ORDER, LIMIT-KEPT: pushes of at most two, and at most four undecided.
#[test]
fn the_window_is_kept() {
    let (mut driver, ids) = online_with(7);
    assert_eq!(driver.pushed(), [vec![1, 2], vec![3, 4]]);
    driver.ack(Some(4), &[applied(1, &ids[0], 1), applied(2, &ids[1], 2)]);
    assert_eq!(driver.pushed(), [[5, 6]]);
    driver.ack(None, &[applied(3, &ids[2], 3)]);
    assert_eq!(driver.pushed(), [[7]]);
}

/// CLIENT-FOLLOWS, CLIENT-AGE, CLIENT-EPOCH.
#[test]
fn a_push_says_what_it_follows_and_how_old_it_is() {
    let (mut driver, ids) = online_with(3);
    driver.now += 250;
    driver.wall -= 1_250;
    let late = driver.set("a", "late", "1");
    let pushes = driver.sent();
    assert_eq!(pushes[0].get("follows"), None);
    assert_eq!(pushes[1]["follows"], json!(ids[1]));
    assert_eq!(pushes[1]["epoch"], json!("e1"));
    let ages: Vec<u64> = pushes[1]["mutations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["ageMs"].as_u64().unwrap())
        .collect();
    assert_eq!(ages, [0, 0], "the clock has gone back");
    driver.ack(Some(4), &[applied(1, &ids[0], 1), applied(2, &ids[1], 2)]);
    driver.wall += 10_000;
    driver.cut();
    let hello = driver.connect();
    assert_eq!(hello["ackedSeq"], json!(2), "CLIENT-HELLO");
    driver.welcome(&crate::driver::Knows {
        epoch: "e1",
        version: 2,
        last_seq: 2,
        results: vec![],
        server_time: 0,
    });
    let push = driver
        .sent()
        .into_iter()
        .find(|frame| frame["type"] == "push")
        .unwrap();
    assert_eq!(push["follows"], json!(ids[1]));
    assert_eq!(push["mutations"][1]["opId"], json!(late));
    assert!(push["mutations"][1]["ageMs"].as_u64().unwrap() >= 10_000);
}

/// CLIENT-STORE-FIRST, CLIENT-ORDER: what was undecided is sent again, unchanged, after a crash.
#[test]
fn what_is_undecided_is_sent_again() {
    let (mut driver, ids) = online_with(2);
    driver.sent();
    let mut reloaded = Driver::on(driver.stored.clone());
    reloaded.online(0);
    reloaded.set("a", "third", "1");
    let sent: Vec<_> = reloaded.undecided();
    assert_eq!(
        sent.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!([&sent[0].1, &sent[1].1], [&ids[0], &ids[1]]);
}

/// CLIENT-DEFERRED: waits, and goes back to the deferred entry, once what is under way is answered.
#[test]
fn a_deferral_is_waited_for() {
    let (mut driver, ids) = online_with(4);
    assert_eq!(driver.pushed(), [[1, 2], [3, 4]]);
    driver.ack(
        Some(4),
        &[applied(1, &ids[0], 1), deferred(2, &ids[1], 500)],
    );
    let deferred_at = driver.now;
    assert!(driver.pushed().is_empty());
    driver.ack(Some(5), &[refused(3, &ids[2], "seq_gap", Some(2))]);
    assert!(driver.pushed().is_empty());
    driver.wait();
    assert!(driver.now >= deferred_at + 500);
    assert_eq!(driver.pushed(), [vec![2, 3], vec![4]]);
}

/// CLIENT-SEQ-GAP.
#[test]
fn a_gap_is_filled_from_what_is_expected() {
    let (mut driver, ids) = online_with(4);
    driver.sent();
    driver.ack(Some(4), &[refused(1, &ids[0], "seq_gap", Some(1))]);
    driver.ack(Some(5), &[refused(3, &ids[2], "seq_gap", Some(1))]);
    assert_eq!(driver.pushed(), [[1, 2], [3, 4]]);
    assert!(driver.wishes().is_empty());
}

#[test]
fn a_gap_that_cannot_be_filled_asks_the_welcome() {
    for expected in [0, 1, 9] {
        let (mut driver, ids) = online_with(2);
        driver.sent();
        driver.ack(None, &[applied(1, &ids[0], 1)]);
        driver.ack(
            Some(4),
            &[refused(
                2,
                &ids[1],
                "seq_gap",
                Some(expected).filter(|expected| *expected > 0),
            )],
        );
        assert_eq!(driver.wishes(), [Wish::Close]);
    }
}

/// CLIENT-CHAIN-BROKEN and ERR-UNKNOWN-CODE: of a later entry, and after other refusals, the welcome tells.
#[test]
fn a_refusal_of_a_later_entry_asks_the_welcome() {
    for code in [
        "chain_broken",
        "seq_expired",
        "epoch_changed",
        "from_the_future",
    ] {
        let (mut driver, ids) = online_with(2);
        let before = driver.client_id();
        driver.sent();
        driver.ack(Some(4), &[refused(2, &ids[1], code, None)]);
        assert_eq!(driver.wishes(), [Wish::Close], "{code}");
        assert_eq!(driver.client_id(), before, "{code}");
        assert_eq!(driver.undecided().len(), 2, "{code}");
    }
}

/// CLIENT-REJECTED, CLIENT-REJECTED-KEPT.
#[test]
fn a_rejection_leaves_alone_and_is_kept_until_confirmed() {
    let mut driver = Driver::new();
    driver.online(0);
    let below = driver.set("a", "x", "1");
    let doomed = driver.mutate(vec![set_if("a", "x", "2", Some(7)), set("b", "y", "2")]);
    let above = driver.set("a", "x", "3");
    driver.ack(
        None,
        &[
            applied(1, &below, 1),
            rejected(2, &doomed, 2, "version_conflict"),
            applied(3, &above, 3),
        ],
    );
    assert_eq!(
        (driver.view("a", "x"), driver.view("b", "y")),
        (Some("3"), None)
    );
    let told = driver
        .events
        .iter()
        .filter(|event| matches!(event, Event::Rejected(entry) if entry.op_id == doomed));
    assert_eq!(told.count(), 1);

    let mut reloaded = Driver::on(driver.stored.clone());
    assert_eq!(
        reloaded
            .stored
            .rejected
            .values()
            .map(|entry| entry.code.as_str())
            .collect::<Vec<_>>(),
        ["version_conflict"]
    );
    assert!(reloaded.events.is_empty());
    let env = reloaded.env();
    assert!(reloaded.replica.confirm_rejection(&doomed, env));
    assert!(!reloaded.replica.confirm_rejection(&doomed, env));
    assert!(reloaded.replica.stored().rejected.is_empty());
}

/// CLIENT-PUSH-ERROR, CLIENT-GIVE-UP.
#[test]
fn a_push_that_is_refused_whole_is_taken_apart() {
    let (mut driver, ids) = online_with(3);
    assert_eq!(driver.pushed(), [vec![1, 2], vec![3]]);
    let error = |re: u64| json!({"type": "error", "code": "invalid_message", "scope": "request", "re": re, "retryable": false, "message": "no"});
    driver.receive(&error(4));
    assert!(
        driver.pushed().is_empty(),
        "the second push is not answered yet"
    );
    driver.ack(Some(5), &[refused(3, &ids[2], "seq_gap", Some(1))]);
    assert_eq!(driver.pushed(), [vec![1], vec![2], vec![3]]);
    driver.ack(Some(6), &[applied(1, &ids[0], 1)]);
    driver.receive(&error(7));
    driver.ack(Some(8), &[refused(3, &ids[2], "seq_gap", Some(2))]);
    assert_eq!(driver.view("a", "1"), None, "its effect leaves at once");
    let pushes = driver.sent();
    assert_eq!(pushes[0]["mutations"][0]["opId"], json!(ids[1]));
    assert_eq!(pushes[0]["mutations"][0]["ops"], json!([]));
    driver.ack(Some(9), &[rejected(2, &ids[1], 2, "no_ops")]);
    let entry = driver.stored.rejected.values().next().unwrap();
    assert_eq!(
        (entry.code.as_str(), entry.ops.len()),
        ("invalid_message", 1),
        "the app gets the code, and what it wrote"
    );
    assert_eq!(driver.undecided(), [(3, ids[2].clone())]);
}

/// CLIENT-GIVE-UP: whichever came first at the server decides.
#[test]
fn what_is_given_up_may_have_been_applied() {
    let mut driver = Driver::new();
    driver.online(0);
    let id = driver.mutate(vec![set_if("a", "x", "1", Some(0))]);
    driver.sent();
    driver.cut();
    driver.connect();
    driver.welcome(&crate::driver::Knows {
        epoch: "e2",
        version: 1,
        last_seq: 0,
        results: vec![],
        server_time: 0,
    });
    assert_eq!(driver.view("a", "x"), None);
    driver.ack(None, &[applied(1, &id, 2)]);
    assert!(driver.stored.outbox.is_empty() && driver.stored.rejected.is_empty());
}

/// LIMIT-KEPT: what a server with lower limits would never let through does not block what is behind it.
#[test]
fn what_cannot_pass_any_more_is_given_up() {
    let mut driver = Driver::new();
    driver.limits.value_bytes_max = 10_000;
    driver.online(0);
    driver.set("a", "big", &format!("\"{}\"", "x".repeat(9_000)));
    driver.cut();
    driver.limits.value_bytes_max = 5_000;
    driver.connect();
    driver.welcome(&crate::driver::Knows {
        epoch: "e1",
        version: 0,
        last_seq: 0,
        results: vec![],
        server_time: 0,
    });
    let push = driver
        .sent()
        .into_iter()
        .find(|frame| frame["type"] == "push")
        .unwrap();
    assert_eq!(push["mutations"][0]["ops"], json!([]));
    assert_eq!(driver.view("a", "big"), None);
}
