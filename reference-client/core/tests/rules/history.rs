//! History: asking about the past, one question at a time.

use serde_json::{Value, json};
use syncline_client_core::{Event, NoHistory};
use syncline_schemas::{History, HistoryOrder, Place};

use crate::driver::{Driver, Knows, change};

const AUTHOR: &str = "68f30d1c0b8b5420dfca1c7606c3ba39";

/// A driver that is online, on a server that offers history; what it has sent so far is read.
fn asking() -> Driver {
    let mut driver = Driver::new();
    driver.capabilities = vec!["history"];
    driver.limits.history_page_max = Some(20);
    driver.online(0);
    driver.sent();
    driver.events.clear();
    driver
}

fn newest(table: &str) -> History {
    History {
        table: table.to_owned(),
        key: None,
        order: HistoryOrder::Newest,
        after: None,
        before: None,
        limit: None,
    }
}

fn ask(driver: &mut Driver, history: History, epoch: Option<&str>) -> Result<u64, NoHistory> {
    let env = driver.env();
    let asked = driver.replica.history(history, epoch, env);
    driver.settle();
    asked
}

/// The tables that it asks about now.
fn asked(driver: &mut Driver) -> Vec<Value> {
    let frames = driver.sent().into_iter();
    let histories = frames.filter(|frame| frame["type"] == "history");
    histories.map(|frame| frame["table"].clone()).collect()
}

fn tell(driver: &mut Driver, re: u64, key: &str) {
    let change = json!({"op": "set", "table": "a", "key": key, "version": 3, "index": 0, "author": AUTHOR, "at": 5, "value": "old"});
    driver.receive(
        &json!({"type": "past", "re": re, "from": 1, "to": 9, "changes": [change], "hasMore": true}),
    );
}

/// What the app was told since: `request key`, or `request why`.
fn told(driver: &mut Driver) -> Vec<String> {
    let events = std::mem::take(&mut driver.events).into_iter();
    let told = events.filter_map(|event| match event {
        Event::Past { request, page } => Some(match page {
            Ok(page) => {
                assert_eq!(page.epoch, "e1");
                format!("{request} {}", page.past.changes[0].key())
            }
            Err(NoHistory::Failed(trouble)) => format!("{request} {}", trouble.code.unwrap()),
            Err(why) => format!("{request} {why:?}"),
        }),
        _ => None,
    });
    told.collect()
}

/// HIST-ONE-BY-ONE, HIST-TOLD: the next is asked when the one before is answered, by a page or by an error; what answers nothing is ignored.
#[test]
fn questions_go_one_by_one() {
    let mut driver = asking();
    for (number, table) in (1..).zip(["a", "b", "c"]) {
        assert_eq!(ask(&mut driver, newest(table), None), Ok(number));
    }
    assert_eq!(asked(&mut driver), ["a"]);
    // hello, two subscribes, this: its number is 4.
    tell(&mut driver, 3, "stray");
    assert_eq!(told(&mut driver), [""; 0]);
    tell(&mut driver, 4, "x");
    assert_eq!(told(&mut driver), ["1 x"]);
    assert_eq!(asked(&mut driver), ["b"]);
    let refused = json!({"type": "error", "code": "no_such_code", "scope": "request", "re": 5, "retryable": false, "message": "no"});
    driver.receive(&refused);
    assert_eq!(told(&mut driver), ["2 no_such_code"]);
    assert_eq!(driver.replica.status().last_error, None);
    assert_eq!(asked(&mut driver), ["c"]);
    tell(&mut driver, 6, "z");
    tell(&mut driver, 6, "z");
    assert_eq!(told(&mut driver), ["3 z"]);
    assert_eq!(asked(&mut driver), [""; 0]);
}

/// HIST-TOLD: with the connection all questions end, those that wait too, and none is asked on the next one.
#[test]
fn questions_end_with_the_connection() {
    let mut driver = asking();
    ask(&mut driver, newest("a"), None).unwrap();
    ask(&mut driver, newest("b"), None).unwrap();
    driver.cut();
    assert_eq!(told(&mut driver), ["1 Offline", "2 Offline"]);
    assert_eq!(ask(&mut driver, newest("a"), None), Err(NoHistory::Offline));
    driver.online(0);
    assert_eq!(asked(&mut driver), [""; 0]);
    assert_eq!(ask(&mut driver, newest("c"), None), Ok(3));
    assert_eq!(asked(&mut driver), ["c"]);
}

/// HIST-OFFERED.
#[test]
fn who_does_not_offer_it_is_not_asked() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.sent();
    let refused = ask(&mut driver, newest("a"), None);
    assert_eq!(refused, Err(NoHistory::NotOffered));
    assert_eq!(asked(&mut driver), [""; 0]);
}

/// LIMIT-KEPT: as many as the limit, one fewer, one more; and names.
#[test]
fn limits_are_kept() {
    let mut driver = asking();
    let limit = |limit| History {
        limit: Some(limit),
        ..newest("a")
    };
    let key = |key: &str| History {
        key: Some(key.to_owned()),
        ..newest("a")
    };
    for fits in [
        limit(1),
        limit(19),
        limit(20),
        key(""),
        key(&"k".repeat(256)),
    ] {
        ask(&mut driver, fits, None).unwrap();
    }
    for (refused, at) in [
        (limit(0), "/limit"),
        (limit(21), "/limit"),
        (newest(""), "/table"),
        (newest(&"t".repeat(65)), "/table"),
        (key("\0"), "/key"),
        (key(&"k".repeat(257)), "/key"),
    ] {
        match ask(&mut driver, refused, None) {
            Err(NoHistory::Refused(refusal)) => assert_eq!(refusal.at, at),
            other => panic!("{at}: {other:?}"),
        }
    }
}

/// HIST-SAME-EPOCH.
#[test]
fn places_are_of_one_epoch() {
    let mut driver = asking();
    let before = History {
        before: Some(Place {
            version: 3,
            index: Some(0),
        }),
        ..newest("a")
    };
    ask(&mut driver, before.clone(), Some("e1")).unwrap();
    driver.cut();
    driver.connect();
    let server_time = driver.now + driver.wall;
    driver.welcome(&Knows {
        epoch: "e2",
        version: 0,
        last_seq: 0,
        results: vec![],
        server_time,
    });
    let refused = ask(&mut driver, before.clone(), Some("e1"));
    assert_eq!(refused, Err(NoHistory::OtherEpoch));
    ask(&mut driver, before, Some("e2")).unwrap();
}

/// HIST-APART.
#[test]
fn what_was_is_not_what_is() {
    let mut driver = asking();
    driver.update("ab", 0, 4, &[change("a", "k", 4, "\"new\"")]);
    let before = driver.stored.clone();
    ask(&mut driver, newest("a"), None).unwrap();
    driver.events.clear();
    tell(&mut driver, 4, "k");
    assert_eq!(driver.view("a", "k"), Some("\"new\""));
    assert_eq!(driver.stored, before);
    assert_eq!(driver.events.len(), 1);
}
