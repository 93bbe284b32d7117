//! Filters: what leaves a shape, and a filter that changes.

use serde_json::{Value, json};
use syncline_client_core::{Event, Replica, Tables};
use syncline_schemas::{Filter, Limits, Side};

use crate::driver::{Driver, Knows, change, gone};

/// A replica of {a, b} and {c} at version 3.
fn holding() -> Driver {
    let mut driver = Driver::new();
    driver.online(0);
    let changes = [change("a", "x", 3, "3"), change("b", "y", 2, "2")];
    driver.update("ab", 0, 3, &changes);
    driver
}

/// Connects anew; nothing that the replica then asks for is answered.
fn greeted(driver: &mut Driver) {
    driver.cut();
    greet(driver);
}

fn greet(driver: &mut Driver) {
    driver.connect();
    let (last_seq, server_time) = (
        driver.replica.stored().acked_seq(),
        driver.now + driver.wall,
    );
    driver.welcome(&Knows {
        epoch: "e1",
        version: 5,
        last_seq,
        results: vec![],
        server_time,
    });
}

fn ab() -> Tables {
    ["a".to_owned(), "b".to_owned()].into()
}

fn below(bound: f64) -> Filter {
    Filter::range("n", Side::Lt, bound)
}

/// Wants of the table `a` the rows below a bound.
fn want(driver: &mut Driver, bound: f64) {
    let env = driver.env();
    let filters = [("a".to_owned(), below(bound))].into();
    driver.replica.subscribe_where(ab(), filters, env).unwrap();
    driver.settle();
}

/// The subscribes of {a, b} that the replica sends now.
fn asked(driver: &mut Driver) -> Vec<Value> {
    let frames = driver.sent().into_iter();
    let of = |frame: &Value| frame["type"] == "subscribe" && frame["tables"].get("a").is_some();
    frames.filter(of).collect()
}

fn accept(driver: &mut Driver, subscribe: &Value, shape: &str) {
    let tables = subscribe["tables"].clone();
    driver.receive(
        &json!({"type": "subscribed", "id": subscribe["id"], "shape": shape, "tables": tables}),
    );
}

fn removed(key: &str, version: u64) -> Value {
    json!({"op": "remove", "table": "a", "key": key, "version": version})
}

/// FLT-CLIENT-REMOVE: like a delete; of what is not held nothing, whichever it is.
#[test]
fn a_removed_row_leaves_the_base() {
    let mut driver = holding();
    let before = driver.stored.base.clone();
    driver.update("ab", 3, 4, &[removed("never", 4), gone("a", "neither", 4)]);
    assert_eq!(driver.stored.base, before);
    driver.update("ab", 4, 5, &[removed("x", 5)]);
    assert_eq!(driver.view("a", "x"), None);
    assert!(driver.stored.base_row("a", "x").is_none());
    // At or below the cursor it is old (CLIENT-SKIP).
    driver.update("ab", 5, 6, &[change("a", "x", 6, "1")]);
    driver.update("ab", 4, 7, &[removed("x", 5)]);
    assert_eq!(driver.view("a", "x"), Some("1"));
}

/// An own write stays in the view until the cursor has passed it, and then is gone with the row.
#[test]
fn an_own_write_outside_the_filter_leaves_with_the_overlay() {
    let mut driver = holding();
    let op_id = driver.set("a", "x", "9");
    driver.sent();
    driver.receive(&json!({"type": "ack", "results": [{"seq": 1, "opId": op_id, "status": "applied", "version": 4}]}));
    assert_eq!(driver.view("a", "x"), Some("9"));
    driver.update("ab", 3, 4, &[removed("x", 4)]);
    assert_eq!(driver.view("a", "x"), None);
}

/// FLT-CLIENT-CHANGE: asked for anew without a cursor; rows in both never leave the view.
#[test]
fn a_filter_changes_in_place() {
    let mut driver = holding();
    driver.set("a", "mine", "0");
    driver.sent();
    driver.events.clear();
    want(&mut driver, 5.0);
    let subscribes = asked(&mut driver);
    let [subscribe] = subscribes.as_slice() else {
        panic!("{subscribes:?}");
    };
    assert_eq!(
        subscribe["tables"],
        json!({"a": {"where": {"field": "n", "lt": 5}}, "b": {}})
    );
    assert_eq!(subscribe.get("cursor"), None);
    // What still comes of the old subscription says nothing of the new filter.
    driver.receive(&json!({"type": "update", "shape": "ab", "from": 3, "to": 4, "changes": [gone("a", "x", 4)]}));
    assert_eq!(driver.view("a", "x"), Some("3"));
    accept(&mut driver, subscribe, "ab2");
    let first = json!({"type": "update", "shape": "ab2", "from": 0, "replace": true, "more": true, "changes": [change("a", "new", 2, "2")]});
    driver.receive(&first);
    assert_eq!(driver.view("a", "new"), None);
    driver.receive(&json!({"type": "update", "shape": "ab2", "from": 0, "to": 5, "changes": [change("a", "x", 3, "3")]}));
    assert_eq!(driver.view("a", "x"), Some("3"));
    assert_eq!(driver.view("a", "mine"), Some("0"));
    let told: Vec<_> = { driver.events.iter() }
        .filter_map(|event| match event {
            Event::Rows { changes, .. } => Some(changes.iter().map(|change| change.key.as_str())),
            _ => None,
        })
        .flatten()
        .collect();
    // `y` of b is not in the replacement; of `x`, which is in both, nobody hears.
    assert_eq!(told, ["new", "y"]);
}

/// FLT-CLIENT-CURSOR: the same filters go on from the cursor, others never, after whatever.
#[test]
fn a_cursor_is_of_its_filters() {
    let mut driver = holding();
    want(&mut driver, 5.0);
    let subscribe = asked(&mut driver).remove(0);
    greeted(&mut driver);
    // The replacement never came: it is asked for again.
    let again = asked(&mut driver).remove(0);
    assert_eq!(
        (again.get("cursor"), &again["tables"]),
        (None, &subscribe["tables"])
    );
    accept(&mut driver, &again, "n");
    driver.receive(&json!({"type": "update", "shape": "n", "from": 0, "to": 5, "changes": [], "replace": true}));
    // The same again, written otherwise: nothing happens.
    want(&mut driver, 5.0);
    assert_eq!(asked(&mut driver), Vec::<Value>::new());
    let mut driver = Driver::on(driver.stored.clone());
    // A driver wants its shapes whole when it starts: the filter is gone, and with it the cursor.
    greet(&mut driver);
    let whole = asked(&mut driver).remove(0);
    assert_eq!(
        (whole.get("cursor"), &whole["tables"]),
        (None, &json!({"a": {}, "b": {}}))
    );
}

/// The filters are kept with the shape, over a restart.
#[test]
fn filters_survive_a_restart() {
    let mut driver = holding();
    want(&mut driver, 5.0);
    let subscribe = asked(&mut driver).remove(0);
    accept(&mut driver, &subscribe, "n");
    driver.receive(&json!({"type": "update", "shape": "n", "from": 0, "to": 5, "changes": [], "replace": true}));
    let env = driver.env();
    driver.replica = Replica::load("home", driver.stored.clone(), env).unwrap();
    greet(&mut driver);
    let again = asked(&mut driver).remove(0);
    assert_eq!(again["cursor"]["version"], 5);
    assert_eq!(again["tables"], subscribe["tables"]);
    let env = driver.env();
    driver.replica.unsubscribe(&ab(), env);
    driver.settle();
    assert!(driver.stored.filters.is_empty());
}

/// LIMIT-KEPT: at the limit a filter is taken, above it refused to the app; when the server allows less, it is not asked for.
#[test]
fn filters_keep_to_the_limits() {
    let mut driver = holding();
    let mut limits = |nodes: u64, bytes: u64| {
        driver.limits = Limits {
            filter_nodes_max: Some(nodes),
            filter_bytes_max: Some(bytes),
            ..driver.limits.clone()
        };
        greeted(&mut driver);
    };
    limits(40, 1030);
    let try_it = |driver: &mut Driver, filter: Filter| {
        let env = driver.env();
        let filters = [("a".to_owned(), filter)].into();
        let tried = driver.replica.subscribe_where(ab(), filters, env);
        driver.settle();
        tried.map_err(|refusal| refusal.code)
    };
    let nodes = |nodes: u64| Filter::within("n", 1..nodes);
    // {"eq":"...","field":"n"} has 21 bytes beside the text.
    let bytes = |bytes: usize| Filter::eq("n", "x".repeat(bytes - 21));
    assert_eq!(try_it(&mut driver, nodes(40)), Ok(()));
    assert_eq!(try_it(&mut driver, nodes(41)), Err("invalid_filter"));
    assert_eq!(try_it(&mut driver, bytes(1031)), Err("invalid_filter"));
    assert_eq!(try_it(&mut driver, bytes(1029)), Ok(()));
    assert_eq!(try_it(&mut driver, bytes(1030)), Ok(()));
    let deep = (0..32).fold(below(1.0), |filter, _| filter.not());
    assert_eq!(try_it(&mut driver, deep), Err("invalid_filter"));
    let elsewhere = [("z".to_owned(), below(1.0))].into();
    let env = driver.env();
    assert!(
        driver
            .replica
            .subscribe_where(ab(), elsewhere, env)
            .is_err()
    );

    driver.sent();
    driver.events.clear();
    let lower = Limits {
        filter_bytes_max: Some(1029),
        ..driver.limits.clone()
    };
    driver.limits = lower;
    greeted(&mut driver);
    assert_eq!(asked(&mut driver), Vec::<Value>::new());
    let refused = |event: &&Event| matches!(event, Event::ShapeRefused { .. });
    assert_eq!(driver.events.iter().filter(refused).count(), 1);
}
