//! What the app sees.

use syncline_client_core::{Event, Origin, RowChange};
use syncline_schemas::Json;

use crate::driver::{Driver, Knows, applied, change, delete, gone, patch, rejected, set};

fn rows(driver: &mut Driver) -> Vec<(Origin, Vec<RowChange>)> {
    let rows = |event| match event {
        Event::Rows { origin, changes } => Some((origin, changes)),
        _ => None,
    };
    driver.events.drain(..).filter_map(rows).collect()
}

fn row(table: &str, key: &str, value: Option<&str>) -> RowChange {
    RowChange {
        table: table.into(),
        key: key.into(),
        value: value.map(|value| Json::parse(value).unwrap()),
    }
}

/// CLIENT-OVERLAY: written at once, over whatever the server says, until the base has it.
#[test]
fn own_writes_stand_over_the_base_until_it_has_passed_them() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update("ab", 0, 1, &[change("a", "x", 1, "\"theirs\"")]);
    let id = driver.set("a", "x", "\"mine\"");
    rows(&mut driver);
    driver.update("ab", 1, 2, &[change("a", "x", 2, "\"theirs again\"")]);
    driver.ack(Some(4), &[applied(1, &id, 4)]);
    driver.update("ab", 2, 3, &[change("a", "x", 3, "\"and again\"")]);
    assert_eq!(driver.view("a", "x"), Some("\"mine\""));
    assert!(rows(&mut driver).is_empty(), "the app saw nothing of it");
    driver.update("ab", 3, 4, &[change("a", "x", 4, "\"mine\"")]);
    assert!(driver.stored.outbox.is_empty());
    assert!(
        rows(&mut driver).is_empty(),
        "its own write, come back, changes nothing"
    );
    driver.update("ab", 4, 5, &[gone("a", "x", 5)]);
    assert_eq!(
        rows(&mut driver),
        [(Origin::Server, vec![row("a", "x", None)])]
    );
}

/// CLIENT-OVERLAY-LEAVES: op by op, as each table's shape passes.
#[test]
fn ops_leave_one_by_one() {
    let mut driver = Driver::new();
    driver.online(0);
    let id = driver.mutate(vec![
        set("a", "x", "1"),
        set("c", "y", "1"),
        set("nobody's", "z", "1"),
    ]);
    assert_eq!(driver.view("nobody's", "z"), Some("1"));
    driver.ack(None, &[applied(1, &id, 3)]);
    assert_eq!(
        driver.view("nobody's", "z"),
        None,
        "no shape has the table: at the ack"
    );
    driver.update("c", 0, 2, &[]);
    assert_eq!(
        driver.view("c", "y"),
        Some("1"),
        "not before the cursor has passed"
    );
    driver.update("c", 2, 3, &[change("c", "y", 3, "1")]);
    let standing: Vec<&str> = driver
        .stored
        .outbox
        .values()
        .flat_map(|entry| &entry.ops)
        .filter_map(|op| Some(op.row()?.0))
        .collect();
    assert_eq!(standing, ["a"]);
    driver.cut();
    assert_eq!(driver.view("a", "x"), Some("1"), "connected or not");
    driver.online(3);
    assert!(driver.stored.outbox.is_empty());
}

/// A delete hides the row, and is hidden by a later write.
#[test]
fn deletes_are_writes() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update(
        "ab",
        0,
        1,
        &[change("a", "x", 1, "null"), change("a", "y", 1, "1")],
    );
    assert_eq!(driver.view("a", "x"), Some("null"), "null is a value");
    driver.mutate(vec![delete("a", "x"), set("a", "y", "2")]);
    assert_eq!(driver.view("a", "x"), None);
    assert_eq!(
        driver
            .replica
            .view_rows("a")
            .into_keys()
            .collect::<Vec<_>>(),
        ["y"]
    );
    driver.set("a", "x", "3");
    assert_eq!(driver.view("a", "x"), Some("3"));
    assert_eq!(driver.replica.base_row("a", "x").unwrap().version, 1);
}

/// CLIENT-OVERLAY-LEAVES: a cursor of a later epoch has passed every version of an earlier one; one of an earlier has not.
#[test]
fn a_later_epoch_has_passed() {
    let mut driver = Driver::new();
    driver.online(5);
    let id = driver.set("a", "x", "1");
    driver.ack(None, &[applied(1, &id, 9)]);
    driver.cut();
    driver.connect();
    driver.welcome(&Knows {
        epoch: "e2",
        version: 2,
        last_seq: 1,
        results: vec![],
        server_time: 0,
    });
    assert_eq!(
        driver.view("a", "x"),
        Some("1"),
        "the cursor is of the old epoch still"
    );
    let cursors: Vec<_> = driver
        .sent()
        .into_iter()
        .map(|frame| frame["cursor"]["epoch"].clone())
        .collect();
    assert_eq!(cursors, ["e1", "e1"]);
    driver.receive(&serde_json::json!({"type": "subscribed", "id": "s3", "shape": "ab", "tables": {"a": {}, "b": {}}}));
    driver.receive(&serde_json::json!({"type": "update", "shape": "ab", "from": 0, "to": 2, "changes": [], "replace": true}));
    assert_eq!(driver.view("a", "x"), None, "restored from before it");
    assert!(driver.stored.outbox.is_empty());
}

/// A shape that is given up takes its rows and what stands for it along.
#[test]
fn an_unsubscribed_shape_is_forgotten() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update("c", 0, 1, &[change("c", "x", 1, "1")]);
    let id = driver.set("c", "y", "1");
    driver.ack(None, &[applied(1, &id, 2)]);
    let env = driver.env();
    assert!(driver.replica.unsubscribe(&["c".to_owned()].into(), env));
    assert!(driver.replica.view_rows("c").is_empty());
    assert!(driver.replica.stored().outbox.is_empty() && driver.replica.stored().base.is_empty());
    while driver.replica.poll_store().is_some() {}
    assert_eq!(driver.sent().last().unwrap()["type"], "unsubscribe");
}

/// FLD-OVERLAY: a patch stands over whatever lies below it, and what lies below changes.
#[test]
fn patches_let_the_other_fields_through() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update("ab", 0, 1, &[change("a", "x", 1, r#"{"p":0,"q":0}"#)]);
    let first = driver.mutate(vec![patch("a", "x", r#"{"p":1}"#, &[])]);
    let second = driver.mutate(vec![patch("a", "x", r#"{"r":2}"#, &["p"])]);
    assert_eq!(driver.view("a", "x"), Some(r#"{"q":0,"r":2}"#));
    rows(&mut driver);
    driver.update("ab", 1, 2, &[change("a", "x", 2, r#"{"p":0,"q":7}"#)]);
    let seen = row("a", "x", Some(r#"{"q":7,"r":2}"#));
    assert_eq!(rows(&mut driver), [(Origin::Server, vec![seen])]);
    driver.ack(
        None,
        &[
            applied(1, &first, 3),
            rejected(2, &second, 4, "version_conflict"),
        ],
    );
    assert_eq!(driver.view("a", "x"), Some(r#"{"p":1,"q":7}"#));
    driver.update("ab", 2, 4, &[gone("a", "x", 3)]);
    assert_eq!(driver.view("a", "x"), None);
}

/// FLD-OVERLAY: over no row, over a delete, over what is no object; and the same after a restart.
#[test]
fn patches_stand_over_anything() {
    let mut driver = Driver::new();
    driver.online(0);
    driver.update(
        "ab",
        0,
        1,
        &[
            change("a", "x", 1, "[1]"),
            change("a", "y", 1, r#"{"p":0}"#),
        ],
    );
    driver.mutate(vec![
        patch("a", "x", r#"{"p":1}"#, &[]),
        delete("a", "y"),
        patch("a", "z", "{}", &["p"]),
    ]);
    driver.mutate(vec![patch("a", "y", r#"{"q":1}"#, &[])]);
    let views =
        |driver: &Driver| ["x", "y", "z"].map(|key| driver.view("a", key).map(ToOwned::to_owned));
    let expected = [r#"{"p":1}"#, r#"{"q":1}"#, "{}"].map(|value| Some(value.to_owned()));
    assert_eq!(views(&driver), expected);
    let driver = Driver::on(driver.stored.clone());
    assert_eq!(views(&driver), expected);
}
