//! Digests: comparing, repairing, asking.

use serde_json::{Value, json};
use syncline_client_core::Event;
use syncline_schemas::{Json, RowNumber, RowsDigest};

use crate::driver::{Driver, change};

type Row = (&'static str, &'static str, u64, &'static str);

/// What a `holding` driver holds of {a, b}.
const HELD: [Row; 2] = [("a", "x", 3, "3.0"), ("b", "y", 2, r#"{"n":1,"a":[]}"#)];

/// The frame that says that the shape {a, b} has these rows.
fn digested(at: u64, rows: &[Row]) -> Value {
    let mut digest = RowsDigest::default();
    for (table, key, version, value) in rows {
        let value = Json::parse(value).unwrap();
        digest.add(RowNumber::of(table, key, *version, &value).unwrap());
    }
    json!({"type": "digested", "shape": "ab", "at": at, "count": digest.count, "sum": digest.sum()})
}

/// A driver at version 3 with a write under way, on a second connection; nothing of what it has sent there is read.
fn resumed(capabilities: &[&'static str]) -> Driver {
    let mut driver = Driver::new();
    driver.online(0);
    let changes = [change("b", "y", 2, HELD[1].3), change("a", "x", 3, "3")];
    driver.update("ab", 0, 3, &changes);
    driver.update("c", 0, 3, &[change("c", "z", 3, "3")]);
    driver.set("a", "x", "0");
    driver.cut();
    driver.capabilities = capabilities.into();
    // Long enough for nothing to be due that is not of digests.
    (driver.limits.heartbeat_ms, driver.limits.idle_timeout_ms) = (100_000, 300_000);
    driver.online(3);
    driver
}

/// Takes the frames that the replica sends: those of a type.
fn sent(driver: &mut Driver, kind: &str) -> Vec<Value> {
    let frames = driver.sent().into_iter();
    frames.filter(|frame| frame["type"] == kind).collect()
}

fn divergences(driver: &Driver) -> usize {
    let told = |event: &&Event| matches!(event, Event::Diverged { tables } if tables.len() == 2);
    driver.events.iter().filter(told).count()
}

/// Accepts the subscribe that asks for {a, b} anew, and answers it by these changes.
fn replace(driver: &mut Driver, subscribe: &Value, to: u64, changes: &[Value]) {
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.receive(&json!({"type": "update", "shape": "ab", "from": 0, "to": to, "changes": changes, "replace": true}));
}

/// DIG-COMPARE: what is equal changes nothing; what differs, in whatever, is asked for anew.
#[test]
fn a_digest_is_compared_with_the_base() {
    let x = HELD[0];
    let table: [(&str, u64, &[Row], bool); 9] = [
        ("equal", 3, &HELD, false),
        ("equal, in another order", 3, &[HELD[1], x], false),
        ("no row at all", 3, &[], true),
        ("a row less", 3, &[x], true),
        ("another version", 3, &[("a", "x", 2, "3"), HELD[1]], true),
        ("another value", 3, &[("a", "x", 3, "4"), HELD[1]], true),
        ("another table", 3, &[("b", "x", 3, "3"), HELD[1]], true),
        ("of an earlier version", 2, &[], false),
        ("of a later version", 4, &[], false),
    ];
    for (what, at, rows, differs) in table {
        let mut driver = resumed(&["digests"]);
        driver.sent();
        let mut after = driver.stored.clone();
        if differs {
            // So that the next connection asks without it too, if this one breaks now.
            after.shapes.insert(["a".into(), "b".into()].into(), None);
        }
        driver.receive(&digested(at, rows));
        let asked = sent(&mut driver, "subscribe").len();
        assert_eq!(
            (divergences(&driver), asked),
            (differs.into(), differs.into()),
            "{what}"
        );
        assert_eq!(driver.stored, after, "{what}: rows and outbox stand");
    }
}

/// DIG-COMPARE: a shape that is not live here has no digest; one of an old epoch has no cursor.
#[test]
fn what_is_not_ours_says_nothing() {
    let mut driver = resumed(&["digests"]);
    driver.sent();
    let mut stray = digested(3, &[]);
    stray["shape"] = json!("nobodys");
    driver.receive(&stray);
    assert_eq!((divergences(&driver), driver.sent().len()), (0, 0));
    driver.cut();
    driver.connect();
    let (epoch, version, server_time) = ("e2", 3, driver.now + driver.wall);
    driver.welcome(&crate::driver::Knows {
        epoch,
        version,
        last_seq: 0,
        results: vec![],
        server_time,
    });
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.receive(&digested(3, &[]));
    assert_eq!(
        (divergences(&driver), driver.sent().len()),
        (0, 0),
        "of the old epoch's cursor"
    );
}

/// DIG-REPAIR: without a cursor, once; the base stands until it is replaced, the outbox in any case.
#[test]
fn what_differs_is_replaced_once_on_a_connection() {
    let mut driver = resumed(&["digests"]);
    driver.sent();
    driver.receive(&digested(3, &[]));
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    assert_eq!(subscribe.get("cursor"), None);
    assert_eq!(subscribe["tables"], json!({"a": {}, "b": {}}));
    let base = |driver: &Driver| driver.stored.base_row("a", "x").unwrap().version;
    assert_eq!((driver.view("a", "x"), base(&driver)), (Some("0"), 3));

    replace(&mut driver, &subscribe, 4, &[change("a", "x", 4, "4")]);
    assert_eq!((driver.view("a", "x"), base(&driver)), (Some("0"), 4));
    assert_eq!((driver.view("b", "y"), driver.undecided().len()), (None, 1));
    assert_eq!(
        driver.sent().len(),
        0,
        "a replacement is not asked about, nor is anything pushed twice"
    );
    driver.receive(&digested(4, &[("a", "x", 4, "4")]));
    assert_eq!(divergences(&driver), 1);

    driver.receive(&digested(4, &[]));
    assert_eq!(
        (divergences(&driver), driver.sent().len()),
        (2, 0),
        "a loop would not help"
    );
    driver.update("ab", 4, 5, &[change("b", "y", 5, "5")]);
    assert_eq!(driver.view("b", "y"), Some("5"), "the session goes on");
}

/// DIG-REPAIR: whatever comes between, the shape is asked for without a cursor until it is replaced.
#[test]
fn a_repair_outlives_a_refusal() {
    let mut driver = resumed(&["digests"]);
    driver.sent();
    driver.receive(&digested(3, &[]));
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.receive(&json!({"type": "error", "code": "overloaded", "scope": "subscription", "retryable": true, "shape": "ab", "message": ""}));
    driver.wait();
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    assert_eq!(subscribe.get("cursor"), None);
    replace(&mut driver, &subscribe, 3, &[]);
    driver.update("ab", 5, 6, &[]);
    let again = sent(&mut driver, "subscribe").remove(0);
    assert_eq!(
        again["cursor"]["version"], 3,
        "it was replaced: a gap is an ordinary one"
    );
}

/// DIG-REPAIR: a repair that was cut off goes on with the next connection, which may repair anew; DIG-ASK: and asks anew, of what went on.
#[test]
fn another_connection_asks_and_repairs_anew() {
    let mut driver = resumed(&["digests"]);
    driver.sent();
    driver.receive(&digested(3, &[]));
    driver.cut();
    driver.online(3);
    assert_eq!(sent(&mut driver, "digest").len(), 1, "of the other shape");
    driver.receive(&digested(3, &HELD));
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    assert_eq!((divergences(&driver), subscribe.get("cursor")), (2, None));
}

/// DIG-ASK: after the first complete update that went on from a cursor, if the server offers it.
#[test]
fn it_asks_once_where_digests_are_offered() {
    for (offered, asks) in [(&["digests"][..], 1), (&[], 0), (&["digests2"], 0)] {
        let mut driver = Driver::new();
        driver.capabilities = offered.into();
        driver.online(0);
        assert_eq!(
            sent(&mut driver, "digest").len(),
            0,
            "replacements are told unasked"
        );
        driver.cut();
        let hello = driver.connect();
        let named = json!(["conflicts", "digests", "documents", "sequences"]);
        assert_eq!(hello["capabilities"], named);
        let server_time = driver.now + driver.wall;
        driver.welcome(&crate::driver::Knows {
            epoch: "e1",
            version: 2,
            last_seq: 0,
            results: vec![],
            server_time,
        });
        let subscribe = sent(&mut driver, "subscribe").remove(0);
        driver.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": "ab", "tables": {"a": {}, "b": {}}}));
        driver.receive(
            &json!({"type": "update", "shape": "ab", "from": 0, "changes": [], "more": true}),
        );
        assert_eq!(driver.sent().len(), 0, "it is not complete");
        driver
            .receive(&json!({"type": "update", "shape": "ab", "from": 0, "to": 2, "changes": []}));
        assert_eq!(
            sent(&mut driver, "digest"),
            vec![json!({"type": "digest", "shape": "ab"}); asks]
        );
        driver.update("ab", 2, 3, &[]);
        assert_eq!(driver.sent().len(), 0, "once is enough");
    }
}

/// A `digest` that is refused had no effect: everything else goes on.
#[test]
fn a_refused_digest_is_no_trouble() {
    for code in ["unknown_shape", "unknown_type", "digest_pending"] {
        let mut driver = resumed(&["digests"]);
        assert_eq!(
            sent(&mut driver, "digest").len(),
            2,
            "behind hello, two subscribes and a push"
        );
        let before = driver.stored.clone();
        for re in 5..=6 {
            driver.receive(&json!({"type": "error", "code": code, "scope": "request", "retryable": code == "digest_pending", "re": re, "message": ""}));
        }
        assert_eq!(driver.stored, before);
        assert_eq!(
            (driver.sent().len(), driver.wishes().len()),
            (0, 0),
            "{code}"
        );
        let status = driver.replica.status();
        assert_eq!((status.online, status.last_error), (true, None), "{code}");
        driver.update("ab", 3, 4, &[change("b", "y", 4, "4")]);
        assert_eq!(driver.view("b", "y"), Some("4"));
    }
}

/// The same, as the answer to a frame.
fn answer(re: u64, at: u64, rows: &[Row]) -> Value {
    let mut digested = digested(at, rows);
    digested["re"] = json!(re);
    digested
}

fn tick(driver: &mut Driver, ms: u64) -> usize {
    driver.now += ms;
    let env = driver.env();
    driver.replica.tick(env);
    driver.settle();
    sent(driver, "digest").len()
}

/// DIG-INTERVAL: so long after the last one was told, each shape for itself; not while one is on its way; off, and on again.
#[test]
fn it_verifies_itself_at_an_interval() {
    let mut driver = resumed(&["digests"]);
    let env = driver.env();
    driver.replica.verify_every(Some(5_000), env);
    assert_eq!(
        sent(&mut driver, "digest").len(),
        2,
        "as after every resume"
    );
    driver.now += 1_000;
    // Behind hello, two subscribes and a push.
    driver.receive(&answer(5, 3, &HELD));
    assert_eq!(tick(&mut driver, 4_000), 0);
    assert_eq!(tick(&mut driver, 999), 0, "the other shape's is on its way");
    assert_eq!(driver.replica.poll_timeout(), Some(driver.now + 1));
    assert_eq!(tick(&mut driver, 1), 1);
    assert_eq!(tick(&mut driver, 6_000), 0, "both are on their way");
    driver.receive(&answer(7, 3, &HELD));
    assert_eq!(divergences(&driver), 0);
    let env = driver.env();
    driver.replica.verify_every(None, env);
    assert_eq!(tick(&mut driver, 7_000), 0);
    let env = driver.env();
    driver.replica.verify_every(Some(0), env);
    assert_eq!(sent(&mut driver, "digest").len(), 1, "it is long due");
}

/// DIG-INTERVAL: a check finds what differs, as after a resume; where the server offers no digests, there is none.
#[test]
fn what_is_found_at_an_interval_is_repaired() {
    let mut driver = resumed(&["digests"]);
    driver.receive(&digested(3, &HELD));
    driver.update(
        "ab",
        3,
        5,
        &[change("a", "x", 5, "5"), crate::driver::gone("b", "y", 4)],
    );
    driver.sent();
    driver.receive(&digested(5, &[("a", "x", 5, "5")]));
    assert_eq!(divergences(&driver), 0, "the sum has followed");
    driver.receive(&digested(5, &HELD));
    let subscribe = sent(&mut driver, "subscribe").remove(0);
    assert_eq!((divergences(&driver), subscribe.get("cursor")), (1, None));
    assert_eq!(driver.undecided().len(), 1);

    let mut driver = resumed(&[]);
    let env = driver.env();
    driver.replica.verify_every(Some(1_000), env);
    assert_eq!(tick(&mut driver, 2_000), 0);
}

/// DIG-COMPARE: what a store gave at the start is summed up as it is there, not as it once was.
#[test]
fn a_damaged_store_is_found() {
    let driver = resumed(&["digests"]);
    let mut damaged = driver.stored.clone();
    damaged.base.get_mut("b").unwrap().remove("y");
    let mut driver = Driver::on(damaged);
    driver.capabilities = vec!["digests"];
    driver.online(3);
    driver.sent();
    driver.receive(&digested(3, &HELD));
    assert_eq!(divergences(&driver), 1);
    assert_eq!(sent(&mut driver, "subscribe")[0].get("cursor"), None);
}
