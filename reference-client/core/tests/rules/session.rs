//! Connecting, staying alive, and errors.

use serde_json::{Value, json};
use syncline_client_core::{Event, Wish};

use crate::driver::Driver;

fn error(code: &str, scope: &str, retryable: bool) -> Value {
    json!({"type": "error", "code": code, "scope": scope, "retryable": retryable, "message": "for a test"})
}

/// How long the replica waits before it connects again.
fn waits_ms(driver: &Driver) -> u64 {
    driver.replica.poll_timeout().unwrap() - driver.now
}

/// CLIENT-BACKOFF: random, growing, bounded.
#[test]
fn attempts_are_spaced_more_and_more() {
    let mut driver = Driver::new();
    let env = driver.env();
    driver.replica.go_online(env);
    driver.replica.poll_store();
    let mut waits = vec![];
    for _ in 0..40 {
        driver.wait();
        assert_eq!(driver.wishes(), [Wish::Connect]);
        driver.cut();
        waits.push(waits_ms(&driver));
    }
    assert!(waits[0] <= 200, "{waits:?}");
    assert!(
        waits[10..].iter().any(|wait| *wait > 5_000) && waits.iter().all(|wait| *wait <= 30_000),
        "{waits:?}"
    );
    assert!(
        waits[10..].windows(2).any(|two| two[0] != two[1]),
        "{waits:?}"
    );
}

/// CLIENT-BACKOFF: at least as long as the server asked for.
#[test]
fn a_goaway_is_obeyed() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.receive(&json!({"type": "goaway", "reason": "shutdown", "retryAfterMs": 7_000}));
    assert_eq!(driver.wishes(), [Wish::Close]);
    assert!(waits_ms(&driver) >= 7_000);
    assert_eq!(
        driver.replica.status().last_error.unwrap().code.as_deref(),
        Some("shutdown")
    );
}

#[test]
fn an_error_of_the_connection_ends_it() {
    let mut driver = Driver::new();
    driver.connect();
    driver.receive(&error("workspace_refused", "connection", false));
    assert_eq!(driver.wishes(), [Wish::Close]);
    let status = driver.replica.status();
    assert_eq!(
        (status.online, status.last_error.unwrap().code.as_deref()),
        (false, Some("workspace_refused"))
    );
}

/// CLIENT-LIVENESS: pings when it hears nothing, gives up after twice the heartbeat.
#[test]
fn a_silent_server_is_asked_then_left() {
    let mut driver = Driver::new();
    driver.online(0);
    let since = driver.now;
    driver.wait();
    let sent = driver.sent();
    assert_eq!(sent[0]["type"], "ping");
    assert!(driver.now < since + 2 * driver.limits.heartbeat_ms);
    driver.receive(&json!({"type": "pong", "t": sent[0]["t"], "serverTime": 0}));
    let heard = driver.now;
    while driver.wishes().is_empty() {
        driver.wait();
    }
    assert_eq!(driver.now, heard + 2 * driver.limits.heartbeat_ms);
    assert!(!driver.replica.status().online);
}

/// CLIENT-LIVENESS: WebSocket pings, answered by the shell, are enough.
#[test]
fn pings_below_keep_a_session_alive() {
    let mut driver = Driver::new();
    driver.online(0);
    for _ in 0..50 {
        driver.now += driver.limits.heartbeat_ms;
        let env = driver.env();
        driver.replica.ponged(env);
        driver.replica.tick(env);
        assert!(driver.sent().is_empty() && driver.wishes().is_empty());
    }
}

/// A server that is alive and answers no push is left, too: what waits behind it would wait for ever.
#[test]
fn a_push_that_is_never_answered_is_pushed_elsewhere() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.set("a", "x", "1");
    assert_eq!(driver.pushed(), [[1]]);
    while driver.replica.status().online {
        driver.now += driver.limits.heartbeat_ms / 2;
        let env = driver.env();
        driver.replica.ponged(env);
        driver.replica.tick(env);
    }
    assert_eq!(driver.wishes(), [Wish::Close]);
}

/// ERR-UNKNOWN-CODE: by scope and `retryable`.
#[test]
fn a_shape_that_is_refused_is_told_and_asked_for_again_if_that_may_help() {
    for (retryable, asks_again) in [(true, true), (false, false)] {
        let mut driver = Driver::new();
        driver.online(0);
        let mut refusal = error("out_of_tables", "subscription", retryable);
        refusal["shape"] = json!("c");
        driver.receive(&refusal);
        assert!(
            driver
                .events
                .iter()
                .any(|event| matches!(event, Event::ShapeRefused { .. }))
        );
        assert!(!driver.replica.is_synced());
        driver.wait();
        assert_eq!(
            driver
                .sent()
                .iter()
                .any(|frame| frame["type"] == "subscribe"),
            asks_again
        );
        assert!(driver.replica.status().online, "ERR-GOES-ON");
    }
}

/// A shape that is given up before it is answered is ended when it is.
#[test]
fn a_subscription_that_is_not_wanted_any_more_is_ended() {
    let mut driver = Driver::new();
    driver.connect();
    driver.welcome(&crate::driver::Knows {
        epoch: "e1",
        version: 0,
        last_seq: 0,
        results: vec![],
        server_time: 0,
    });
    let subscribes = driver.sent();
    assert_eq!(subscribes.len(), 2);
    let (tables, env) = (["c".to_owned()].into(), driver.env());
    assert!(driver.replica.unsubscribe(&tables, env));
    driver.replica.poll_store();
    driver
        .replica
        .subscribe(["c".to_owned(), "d".to_owned()].into(), env)
        .unwrap();
    driver.replica.poll_store();
    assert!(
        driver.sent().is_empty(),
        "the server still takes the two for overlapping"
    );
    let answer = json!({"type": "subscribed", "id": subscribes[1]["id"], "shape": "old", "tables": {"c": {}}});
    let env = driver.env();
    driver.replica.receive(&answer.to_string(), env);
    let sent = driver.sent();
    assert_eq!(
        (&sent[0]["type"], &sent[0]["shape"]),
        (&json!("unsubscribe"), &json!("old"))
    );
    assert_eq!(sent[1]["tables"], json!({"c": {}, "d": {}}));
}

/// The app's wish not to be connected holds until it says otherwise.
#[test]
fn offline_is_offline() {
    let mut driver = Driver::new();
    driver.online(0);
    let env = driver.env();
    driver.replica.go_offline(env);
    assert_eq!(driver.wishes(), [Wish::Close]);
    assert_eq!(driver.replica.poll_timeout(), None);
    driver.cut();
    assert_eq!(driver.replica.poll_timeout(), None);
    driver.connect();
}
