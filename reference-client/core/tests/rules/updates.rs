//! Updates: parts, gaps, replacements, strays.

use serde_json::{Value, json};
use syncline_client_core::Wish;

use crate::driver::{Driver, change, gone};

fn part(from: u64, to: Option<u64>, changes: &[Value], replace: bool) -> Value {
    let mut part = json!({"type": "update", "shape": "ab", "from": from, "changes": changes, "more": to.is_none(), "replace": replace});
    if let Some(to) = to {
        part["to"] = json!(to);
    }
    part
}

fn cursor(driver: &Driver) -> u64 {
    driver
        .stored
        .shape_of("a")
        .unwrap()
        .1
        .as_ref()
        .unwrap()
        .version
}

/// A driver online whose shape {a, b} holds x at version 3, and stands there.
fn holding() -> Driver {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update("ab", 0, 3, &[change("a", "x", 3, "3")]);
    driver
}

/// CLIENT-STAGED, CLIENT-CURSOR-ATOMIC.
#[test]
fn parts_are_not_seen_before_the_last() {
    let mut driver = holding();
    driver.receive(&part(3, None, &[change("a", "x", 4, "4")], false));
    driver.receive(&part(3, None, &[change("b", "y", 5, "5")], false));
    assert_eq!(
        (
            driver.view("a", "x"),
            driver.view("b", "y"),
            cursor(&driver)
        ),
        (Some("3"), None, 3)
    );
    driver.receive(&part(3, Some(6), &[gone("a", "x", 6)], false));
    assert_eq!(
        (
            driver.view("a", "x"),
            driver.view("b", "y"),
            cursor(&driver)
        ),
        (None, Some("5"), 6)
    );
}

/// CLIENT-STAGED: a replacement, and a lost connection, drop what was staged.
#[test]
fn what_was_staged_is_dropped() {
    let mut driver = holding();
    driver.receive(&part(3, None, &[change("a", "z", 4, "4")], false));
    driver.receive(&part(0, Some(5), &[change("a", "w", 5, "5")], true));
    assert_eq!(
        driver
            .replica
            .view_rows("a")
            .into_keys()
            .collect::<Vec<_>>(),
        ["w"]
    );
    driver.receive(&part(5, None, &[change("a", "z", 6, "6")], false));
    driver.cut();
    driver.online(7);
    assert_eq!(
        driver
            .replica
            .view_rows("a")
            .into_keys()
            .collect::<Vec<_>>(),
        ["w"]
    );
}

/// CLIENT-REPLACE: the highest version wins, whatever the order; what does not come is gone; the outbox stands.
#[test]
fn a_replacement_takes_the_place_of_everything() {
    let mut driver = holding();
    driver.set("a", "mine", "0");
    driver.receive(&part(
        0,
        None,
        &[change("a", "p", 9, "9"), change("a", "q", 2, "2")],
        true,
    ));
    driver.receive(&part(
        0,
        None,
        &[change("a", "p", 4, "4"), gone("a", "q", 8)],
        false,
    ));
    driver.receive(&part(0, Some(9), &[change("b", "r", 1, "1")], false));
    assert_eq!(
        driver
            .replica
            .view_rows("a")
            .into_keys()
            .collect::<Vec<_>>(),
        ["mine", "p"]
    );
    assert_eq!(
        (driver.view("a", "p"), driver.view("b", "r")),
        (Some("9"), Some("1"))
    );
    driver.receive(&part(0, Some(2), &[], true));
    assert_eq!(
        cursor(&driver),
        2,
        "files put back by hand: the cursor follows the rows"
    );
}

/// CLIENT-SKIP.
#[test]
fn what_is_known_changes_nothing() {
    let mut driver = holding();
    driver.update("ab", 0, 2, &[change("a", "x", 2, "2"), gone("a", "x", 1)]);
    driver.update("ab", 1, 3, &[gone("a", "x", 2)]);
    assert_eq!((driver.view("a", "x"), cursor(&driver)), (Some("3"), 3));
    driver.update("ab", 2, 4, &[gone("a", "x", 3), change("a", "y", 4, "4")]);
    assert_eq!(
        (
            driver.view("a", "x"),
            driver.view("a", "y"),
            cursor(&driver)
        ),
        (Some("3"), Some("4"), 4)
    );
}

/// CLIENT-GAP: subscribes again from the cursor; what still comes under the old name is ignored.
#[test]
fn a_gap_is_not_applied() {
    let mut driver = holding();
    driver.update("ab", 4, 6, &[change("a", "x", 6, "6")]);
    assert_eq!((driver.view("a", "x"), cursor(&driver)), (Some("3"), 3));
    let subscribe = driver.sent().pop().unwrap();
    assert_eq!(
        (&subscribe["type"], &subscribe["cursor"]["version"]),
        (&json!("subscribe"), &json!(3))
    );
    driver.update("ab", 3, 5, &[change("a", "x", 5, "5")]);
    assert_eq!(driver.view("a", "x"), Some("3"), "of the old subscription");
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.update("ab", 3, 6, &[change("a", "x", 6, "6")]);
    assert_eq!(driver.view("a", "x"), Some("6"));
    driver.update("ab", 8, 9, &[]);
    assert_eq!(driver.sent().len(), 1, "the next gap is another one");
}

/// CLIENT-GAP, CLIENT-STAGED: nothing of the parts of the old subscription is taken over by the new one.
#[test]
fn a_gap_drops_its_parts() {
    let mut driver = holding();
    driver.receive(&part(4, None, &[change("a", "x", 6, "6")], false));
    let subscribe = driver.sent().pop().unwrap();
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.receive(&part(3, None, &[change("a", "y", 4, "4")], false));
    driver.receive(&part(3, Some(7), &[change("a", "x", 5, "5")], false));
    assert_eq!(
        (
            driver.view("a", "x"),
            driver.view("a", "y"),
            cursor(&driver)
        ),
        (Some("5"), Some("4"), 7)
    );
}

#[test]
fn a_server_that_always_leaves_a_gap_is_left() {
    let mut driver = holding();
    driver.update("ab", 4, 6, &[]);
    let subscribe = driver.sent().pop().unwrap();
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.update("ab", 5, 6, &[]);
    assert_eq!(driver.wishes(), [Wish::Close]);
}

/// CLIENT-STRAY, VER-UNKNOWN-TYPE-CLIENT, VER-UNKNOWN-MEMBER-CLIENT.
#[test]
fn what_is_not_ours_is_ignored() {
    let mut driver = holding();
    let before = driver.stored.clone();
    driver.update("nobodys", 0, 9, &[change("a", "x", 9, "9")]);
    driver.receive(&json!({"type": "weather", "state": {}}));
    driver.receive(&json!({"type": "pong", "t": 1, "serverTime": 1, "mood": "good"}));
    assert_eq!(driver.stored, before);
    assert!(driver.wishes().is_empty(), "{:?}", driver.replica.status());
}

/// What no server may send ends the connection, and nothing of it is taken.
#[test]
fn a_server_that_breaks_the_rules_is_left() {
    let ill = [
        json!({"type": "update", "shape": "ab", "from": 3, "changes": []}),
        json!({"type": "update", "shape": "ab", "from": 3, "to": 4, "more": true, "changes": []}),
        json!({"type": "update", "shape": "ab", "from": 3, "to": 2, "changes": []}),
        json!({"type": "update", "shape": "ab", "from": 3, "to": 4, "changes": [change("c", "x", 4, "4")]}),
        json!({"type": "ack", "results": []}),
        json!("no object"),
    ];
    for frame in ill {
        let mut driver = holding();
        let before = driver.stored.clone();
        driver.receive(&frame);
        assert_eq!(driver.wishes(), [Wish::Close], "{frame}");
        assert_eq!(driver.stored, before, "{frame}");
    }
}
