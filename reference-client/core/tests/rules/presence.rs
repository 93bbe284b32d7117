//! Presence: being seen, and seeing.

use serde_json::{Value, json};
use syncline_client_core::Event;
use syncline_schemas::Json;

use crate::driver::Driver;

const INTERVAL_MS: u64 = 50;

/// A driver that watches, online, on a server that offers presence; what it has sent so far is read.
fn watching() -> Driver {
    let mut driver = Driver::new();
    driver.replica.watch_presence();
    driver.capabilities = vec!["presence"];
    driver.limits.presence_interval_ms = Some(INTERVAL_MS);
    driver.online(0);
    driver.sent();
    driver.events.clear();
    driver
}

fn present(driver: &mut Driver, state: Option<&str>) {
    let state = state.map(|state| Json::parse(state).unwrap());
    let env = driver.env();
    driver.replica.present(state, env).unwrap();
}

/// What it says of itself now.
fn said(driver: &mut Driver) -> Vec<Value> {
    let frames = driver.sent().into_iter();
    frames.filter(|frame| frame["type"] == "present").collect()
}

fn tick(driver: &mut Driver, ms: u64) {
    driver.now += ms;
    let env = driver.env();
    driver.replica.tick(env);
}

/// The others, as `session author state`.
fn others(driver: &Driver) -> Vec<String> {
    let others = driver.replica.others().iter();
    let shown = others.map(|(session, other)| {
        let author = other.author.as_deref().unwrap_or("-");
        format!("{session} {author} {}", other.state.get())
    });
    shown.collect()
}

/// What the app was told since, as `session state`; `-`: gone.
fn told(driver: &mut Driver) -> Vec<String> {
    let events = std::mem::take(&mut driver.events).into_iter();
    let presence = events.filter_map(|event| match event {
        Event::Presence { session, other } => {
            let state = other.map_or_else(|| "-".to_owned(), |other| other.state.get().to_owned());
            Some(format!("{session} {state}"))
        }
        _ => None,
    });
    presence.collect()
}

/// PRES-CALM: the first at once, then the last of those that came, when it may.
#[test]
fn the_last_of_many_states_is_said_in_its_time() {
    let mut driver = watching();
    present(&mut driver, Some("1"));
    assert_eq!(said(&mut driver), [json!({"type": "present", "state": 1})]);
    for state in ["2", "3", "null"] {
        present(&mut driver, Some(state));
        assert_eq!(said(&mut driver), [json!(null); 0]);
    }
    assert_eq!(
        driver.replica.poll_timeout(),
        Some(driver.now + INTERVAL_MS)
    );
    tick(&mut driver, INTERVAL_MS - 1);
    assert_eq!(said(&mut driver), [json!(null); 0]);
    tick(&mut driver, 1);
    assert_eq!(
        said(&mut driver),
        [json!({"type": "present", "state": null})]
    );
    tick(&mut driver, INTERVAL_MS);
    present(&mut driver, None);
    assert_eq!(said(&mut driver), [json!({"type": "present"})]);
    tick(&mut driver, INTERVAL_MS);
    present(&mut driver, None);
    assert_eq!(said(&mut driver), [json!(null); 0], "withdrawn already");
}

/// PRES-AGAIN, PRES-OFFERED: the last state, once after each welcome that offers it.
#[test]
fn every_session_is_told_anew() {
    let mut driver = watching();
    present(&mut driver, Some("1"));
    present(&mut driver, Some("2"));
    driver.cut();
    driver.online(0);
    // The subscribes were read on the way.
    assert_eq!(
        driver.replica.poll_timeout().map(|at| at > driver.now),
        Some(true)
    );
    for (offered, expected) in [(vec!["presence"], 1), (vec![], 0), (vec!["presence"], 1)] {
        driver.cut();
        driver.capabilities = offered;
        driver.connect();
        welcome(&mut driver);
        let said = said(&mut driver);
        assert_eq!(said, vec![json!({"type": "present", "state": 2}); expected]);
    }
    present(&mut driver, None);
    driver.cut();
    driver.connect();
    welcome(&mut driver);
    assert_eq!(said(&mut driver), [json!(null); 0], "withdrawn");
}

fn welcome(driver: &mut Driver) {
    let server_time = driver.now + driver.wall;
    driver.welcome(&crate::driver::Knows {
        epoch: "e1",
        version: 0,
        last_seq: 0,
        results: vec![],
        server_time,
    });
}

/// PRES-BY-SESSION: each by its name, whoever's it is; what is not known is not missed.
#[test]
fn the_others_are_known_by_session() {
    let mut driver = watching();
    let a = "a".repeat(32);
    driver.receive(&json!({"type": "presence", "session": "x", "author": a, "state": 1}));
    driver.receive(&json!({"type": "presence", "session": "y", "author": a, "state": {"n": 2}}));
    driver.receive(&json!({"type": "presence", "session": "z", "state": null}));
    driver.receive(&json!({"type": "presence", "session": "x", "author": a, "state": 3}));
    driver.receive(&json!({"type": "presence", "session": "never"}));
    let all = [
        format!("x {a} 3"),
        format!("y {a} {{\"n\":2}}"),
        "z - null".to_owned(),
    ];
    assert_eq!(others(&driver), all);
    driver.receive(&json!({"type": "presence", "session": "x", "author": a}));
    assert_eq!(others(&driver), all[1..]);
    let events = ["x 1", "y {\"n\":2}", "z null", "x 3", "x -"];
    assert_eq!(told(&mut driver), events);
}

/// PRES-LOST: without a connection nobody is there, however it was lost.
#[test]
fn nobody_is_there_without_a_connection() {
    type Lose = fn(&mut Driver);
    let ways: [(&str, Lose); 4] = [
        ("cut", Driver::cut),
        ("goaway", |driver| {
            driver.receive(&json!({"type": "goaway", "reason": "shutdown", "retryAfterMs": 9}));
        }),
        ("silence", |driver| tick(driver, 1_000_000)),
        ("the app", |driver| {
            let env = driver.env();
            driver.replica.go_offline(env);
        }),
    ];
    for (way, lose) in ways {
        let mut driver = watching();
        driver.receive(&json!({"type": "presence", "session": "x", "state": 1}));
        driver.receive(&json!({"type": "presence", "session": "y", "state": 1}));
        told(&mut driver);
        lose(&mut driver);
        let env = driver.env();
        driver.replica.disconnected("settles", env);
        driver
            .events
            .extend(std::iter::from_fn(|| driver.replica.poll_event()));
        assert_eq!(others(&driver), [""; 0], "{way}");
        assert_eq!(told(&mut driver), ["x -", "y -"], "{way}");
    }
}

/// Who does not ask is told nothing, and what comes all the same before a session is none of ours.
#[test]
fn only_who_watches_names_the_capability() {
    for watches in [false, true] {
        let mut driver = Driver::new();
        if watches {
            driver.replica.watch_presence();
        }
        let hello = driver.connect();
        let named = hello["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("presence"));
        assert_eq!(named, watches);
        driver.receive(&json!({"type": "presence", "session": "x", "state": 1}));
        assert_eq!(others(&driver), [""; 0]);
    }
}

/// LIMIT-KEPT: a state one byte below its limit, at it, one above; and the depth of a frame.
#[test]
fn a_state_that_passes_a_limit_is_refused_to_the_app() {
    let mut driver = watching();
    for (limit, depth) in [(1024, 32), (2000, 40)] {
        driver.limits.presence_bytes_max = Some(limit);
        driver.limits.depth_max = depth;
        driver.cut();
        driver.online(0);
        let text = |bytes: u64| format!("{:?}", "x".repeat(bytes as usize - 2));
        let nested = |depth: u64| "[".repeat(depth as usize) + &"]".repeat(depth as usize);
        let cases = [
            (text(limit - 1), true),
            (text(limit), true),
            (text(limit + 1), false),
            (nested(depth - 2), true),
            (nested(depth - 1), true),
            (nested(depth), false),
        ];
        for (state, allowed) in cases {
            let (state, env) = (Json::parse(&state).unwrap(), driver.env());
            let refused = driver.replica.present(Some(state), env).err();
            let code = refused.map(|refusal| (refusal.code, refusal.at));
            let expected = (!allowed).then(|| ("invalid_message", "/state".to_owned()));
            assert_eq!(code, expected);
        }
    }
}

/// LIMIT-KEPT: a state that a later welcome does not let pass is not sent.
#[test]
fn a_state_that_the_next_server_does_not_take_is_not_sent() {
    let mut driver = watching();
    driver.limits.presence_bytes_max = Some(4000);
    driver.cut();
    driver.online(0);
    present(&mut driver, Some(&format!("{:?}", "x".repeat(2000))));
    assert_eq!(said(&mut driver).len(), 1);
    driver.limits.presence_bytes_max = Some(2001);
    driver.cut();
    driver.connect();
    welcome(&mut driver);
    assert_eq!(said(&mut driver), [json!(null); 0]);
}

/// Where there is no room now, there may be later; a refusal for good is the end of this state.
#[test]
fn a_refused_state_is_said_again_if_that_may_help() {
    for (code, retryable) in [("presence_full", true), ("unknown_type", false)] {
        let mut driver = watching();
        driver.cut();
        driver.connect();
        welcome(&mut driver);
        present(&mut driver, Some("1"));
        let frames = driver.sent();
        let re = 2 + frames
            .iter()
            .position(|frame| frame["type"] == "present")
            .unwrap();
        driver.receive(&json!({"type": "error", "code": code, "scope": "request", "re": re, "retryable": retryable, "message": ""}));
        assert_eq!(said(&mut driver), [json!(null); 0]);
        tick(&mut driver, 999);
        assert_eq!(said(&mut driver), [json!(null); 0]);
        tick(&mut driver, 1);
        let again = vec![json!({"type": "present", "state": 1}); usize::from(retryable)];
        assert_eq!(said(&mut driver), again, "{code}");
        assert!(driver.replica.status().last_error.is_some());
    }
}
