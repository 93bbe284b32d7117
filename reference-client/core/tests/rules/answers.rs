//! CLIENT-UNANSWERED: what is asked and never answered ends the connection, though the server is alive.

use serde_json::{Value, json};
use syncline_client_core::{Env, Replica, Wish};
use syncline_schemas::{History, HistoryOrder};

use crate::driver::Driver;

const MINUTE_MS: u64 = 60_000;

/// A driver that is online, on a server that offers what can be asked for.
fn online() -> Driver {
    let mut driver = Driver::new();
    driver.capabilities = vec!["history", "digests"];
    driver.limits.history_page_max = Some(20);
    driver.online(0);
    driver.sent();
    driver.events.clear();
    driver
}

/// So much time passes, in which the server is alive, and pings; whether the replica has left it.
fn left_within(driver: &mut Driver, ms: u64) -> bool {
    passes(driver, ms, Replica::ponged)
}

/// So much time passes, in which something is heard all the while.
fn passes(driver: &mut Driver, ms: u64, heard: fn(&mut Replica, Env)) -> bool {
    let until = driver.now + ms;
    while driver.now < until && driver.replica.status().online {
        driver.now = (driver.now + driver.limits.heartbeat_ms / 2).min(until);
        let env = driver.env();
        heard(&mut driver.replica, env);
        driver.replica.tick(env);
    }
    driver.settle();
    !driver.replica.status().online
}

/// The frame of this type that was sent last.
fn asks(driver: &mut Driver, kind: &str) -> Value {
    let sent = driver.sent().into_iter();
    let mut asked = sent.filter(|frame| frame["type"] == kind);
    asked.next_back().expect(kind)
}

fn ask_history(driver: &mut Driver) {
    let env = driver.env();
    let history = History {
        table: "a".to_owned(),
        key: None,
        order: HistoryOrder::Newest,
        after: None,
        before: None,
        limit: None,
    };
    driver.replica.history(history, None, env).expect("asked");
}

fn verify(driver: &mut Driver) {
    let env = driver.env();
    driver.replica.verify_every(Some(1_000), env);
    driver.now += 1_000;
    let env = driver.env();
    driver.replica.heard(env);
    driver.replica.tick(env);
    // Once is enough.
    driver.replica.verify_every(None, env);
}

fn subscribe(driver: &mut Driver) {
    let env = driver.env();
    let tables = ["new".to_owned()].into_iter().collect();
    driver.replica.subscribe(tables, env).expect("wanted");
    driver.settle();
}

type Ask = (&'static str, u64, fn(&mut Driver));

const ASKED: [Ask; 4] = [
    ("push", MINUTE_MS, |driver| drop(driver.set("a", "x", "1"))),
    ("subscribe", MINUTE_MS, subscribe),
    ("digest", 2 * MINUTE_MS, verify),
    ("history", 2 * MINUTE_MS, ask_history),
];

#[test]
fn what_is_never_answered_is_asked_elsewhere() {
    for (kind, within, ask) in ASKED {
        let mut driver = online();
        ask(&mut driver);
        asks(&mut driver, kind);
        assert!(!left_within(&mut driver, within - 2_000), "{kind}");
        assert!(left_within(&mut driver, 3_000), "{kind}");
        assert_eq!(driver.wishes(), [Wish::Close], "{kind}");
    }
}

#[test]
fn an_error_is_an_answer() {
    for (kind, within, ask) in ASKED {
        let mut driver = online();
        // `hello` and two subscribes were sent before; a digest of each shape.
        let asked_before = 3;
        ask(&mut driver);
        let frames = driver.sent();
        for (re, frame) in (asked_before + 1..).zip(&frames) {
            if frame["type"] == kind {
                driver.receive(&json!({"type": "error", "code": "not_now", "scope": "request", "retryable": false, "re": re, "message": "no"}));
            }
        }
        let again = driver.sent();
        let asked_again = again.iter().any(|frame| frame["type"] == kind);
        assert!(
            asked_again || !left_within(&mut driver, 2 * within),
            "{kind}"
        );
    }
}

/// CLIENT-LIVENESS: what a ping asks is whether anything comes.
#[test]
fn a_ping_needs_no_answer_where_others_come() {
    let mut driver = online();
    while !driver.sent().iter().any(|frame| frame["type"] == "ping") {
        assert!(!passes(&mut driver, 1_000, Replica::heard));
    }
    assert!(!passes(&mut driver, 3 * MINUTE_MS, Replica::heard));
}

#[test]
fn what_waits_behind_a_long_update_is_waited_for() {
    for (kind, within, ask) in ASKED {
        let mut driver = online();
        ask(&mut driver);
        asks(&mut driver, kind);
        for part in 0..3 {
            assert!(!left_within(&mut driver, within - 2_000), "{kind}, {part}");
            if kind == "push" {
                break;
            }
            let part =
                json!({"type": "update", "shape": "c", "from": 0, "more": true, "changes": []});
            driver.receive(&part);
        }
        assert!(left_within(&mut driver, within), "{kind}");
    }
}
