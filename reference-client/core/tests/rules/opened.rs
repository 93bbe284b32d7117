//! Documents on demand: opened and closed by keys, and written without being held.

use serde_json::{Value, json};
use syncline_client_core::{Event, Tables};
use syncline_schemas::{AppendOp, DeleteOp, Filter, Op, Side};

use crate::driver::{Driver, Knows, applied, rejected};

fn append_op(key: &str, data: &str) -> Op {
    Op::Append(AppendOp {
        table: "d".to_owned(),
        key: key.to_owned(),
        data: data.to_owned(),
        base: None,
    })
}

fn append(key: &str, version: u64, data: &str) -> Value {
    json!({"op": "append", "table": "d", "key": key, "version": version, "data": data})
}

fn drawings() -> Tables {
    ["d".to_owned()].into()
}

fn open(driver: &mut Driver, key: &str) {
    let env = driver.env();
    driver.replica.open_document("d", key, env).unwrap();
    driver.settle();
}

fn close(driver: &mut Driver, key: &str) -> bool {
    let env = driver.env();
    let closed = driver.replica.close_document("d", key, env).unwrap();
    driver.settle();
    closed
}

/// What the replica asks for of the table now: its keys, and the cursor.
fn asked(driver: &mut Driver) -> Vec<(Value, Value)> {
    let frames = driver.sent().into_iter();
    let of =
        frames.filter(|frame| frame["type"] == "subscribe" && frame["tables"]["d"].is_object());
    of.map(|frame| {
        let settings = &frame["tables"]["d"];
        let id = json!({ "id": frame["id"], "keys": settings["where"]["keys"] });
        (id, frame["cursor"].clone())
    })
    .collect()
}

/// Answers a subscribe that was asked, with a replacement.
fn serve(driver: &mut Driver, asked: &Value, to: u64, changes: &[Value]) {
    let shape = asked["id"].as_str().unwrap().to_owned();
    driver.receive(&json!({"type": "subscribed", "id": asked["id"], "shape": shape, "tables": {"d": {"kind": "document"}}}));
    driver.receive(&json!({"type": "update", "shape": shape, "from": 0, "replace": true, "to": to, "changes": changes}));
}

fn seen(driver: &Driver, key: &str) -> Vec<String> {
    let entries = driver.replica.document("d", key).into_iter();
    entries.map(|entry| entry.data).collect()
}

/// What the app was told of documents since this was asked last: key, data, whether to read anew.
fn told(driver: &mut Driver) -> Vec<(String, Vec<String>, bool)> {
    let events = driver.events.drain(..);
    let news = events.filter_map(|event| match event {
        Event::Document(news) => Some(news),
        _ => None,
    });
    news.map(|news| {
        let data = news.entries.into_iter().map(|entry| entry.data);
        (news.key, data.collect(), news.anew)
    })
    .collect()
}

fn online() -> Driver {
    let mut driver = Driver::new();
    driver.capabilities = vec!["tables", "documents", "filters"];
    driver.online(0);
    driver
}

#[test]
fn what_is_open_is_asked_for_and_no_more() {
    let mut driver = online();
    open(&mut driver, "one");
    let first = asked(&mut driver);
    assert_eq!(first.len(), 1);
    assert_eq!(
        (&first[0].0["keys"], &first[0].1),
        (&json!(["one"]), &Value::Null)
    );
    assert!(!driver.replica.is_synced());
    serve(&mut driver, &first[0].0, 5, &[append("one", 3, "AQ==")]);
    assert!(driver.replica.is_synced());
    assert_eq!(seen(&driver, "one"), ["AQ=="]);
    told(&mut driver);

    // Another: the first stays in the view, and is not told again.
    open(&mut driver, "another");
    open(&mut driver, "another");
    let both = asked(&mut driver);
    assert_eq!(both.len(), 1, "to open what is open asks for nothing");
    assert_eq!(both[0].0["keys"], json!(["another", "one"]));
    assert_eq!(both[0].1, Value::Null, "FLT-CLIENT-CURSOR");
    assert_eq!(seen(&driver, "one"), ["AQ=="]);
    assert_eq!(
        driver.replica.compactable("d", "one"),
        None,
        "no cursor says how far"
    );
    serve(
        &mut driver,
        &both[0].0,
        6,
        &[append("another", 2, "Ag=="), append("one", 3, "AQ==")],
    );
    assert_eq!(
        told(&mut driver),
        [("another".to_owned(), vec!["Ag==".to_owned()], false)]
    );
    assert_eq!(driver.replica.open_documents("d"), ["another", "one"]);

    // A restart resumes, for the keys are the same.
    let mut driver = Driver::on(driver.stored);
    driver.capabilities = vec!["tables", "documents", "filters"];
    driver.connect();
    let server_time = driver.now + driver.wall;
    driver.welcome(&Knows {
        epoch: "e1",
        version: 6,
        last_seq: 0,
        results: vec![],
        server_time,
    });
    let again = asked(&mut driver);
    assert_eq!(again[0].1["version"], 6);

    // One is closed, then the other: then nothing is wanted of the table.
    assert!(close(&mut driver, "one") && !close(&mut driver, "one"));
    assert_eq!(asked(&mut driver)[0].0["keys"], json!(["another"]));
    assert!(close(&mut driver, "another"));
    assert!(!driver.stored.shapes.contains_key(&drawings()));
    assert_eq!(
        told(&mut driver).last(),
        Some(&("one".to_owned(), vec![], true))
    );
    assert_eq!(
        (seen(&driver, "one"), seen(&driver, "another")),
        (vec![], vec![])
    );
}

#[test]
fn what_is_not_open_is_written_all_the_same() {
    let mut driver = online();
    open(&mut driver, "one");
    let first = asked(&mut driver);
    serve(&mut driver, &first[0].0, 5, &[append("one", 3, "AQ==")]);
    told(&mut driver);
    let op_id = driver.mutate(vec![append_op("closed", "Aw=="), append_op("one", "BA==")]);
    assert_eq!(
        (seen(&driver, "closed"), seen(&driver, "one").len()),
        (vec!["Aw==".to_owned()], 2)
    );
    let push = driver.sent();
    let ops = &push[0]["mutations"][0]["ops"];
    assert_eq!(
        (&ops[0]["base"], &ops[1]["base"]),
        (&Value::Null, &json!(3))
    );
    driver.ack(None, &[applied(1, &op_id, 7)]);
    told(&mut driver);
    let shape = first[0].0["id"].as_str().unwrap();
    driver.update(shape, 5, 7, &[append("one", 7, "BA==")]);
    assert_eq!(seen(&driver, "closed"), [""; 0], "the cursor has passed it");
    assert_eq!(seen(&driver, "one"), ["AQ==", "BA=="]);
    assert_eq!(told(&mut driver), [("closed".to_owned(), vec![], true)]);
}

#[test]
fn a_table_that_is_wanted_otherwise_is_left_as_it_is() {
    let mut driver = online();
    let env = driver.env();
    driver.replica.subscribe(drawings(), env).unwrap();
    driver.settle();
    open(&mut driver, "one");
    assert!(!close(&mut driver, "one"));
    assert_eq!(asked(&mut driver).len(), 1, "it is there whole");
    let env = driver.env();
    let filters = [("d".to_owned(), Filter::range("n", Side::Lt, 1.0))].into();
    driver
        .replica
        .subscribe_where(drawings(), filters, env)
        .unwrap();
    driver.settle();
    let env = driver.env();
    let refused = driver.replica.open_document("d", "one", env).unwrap_err();
    assert_eq!(refused.code, "shape_overlap");
    // So many as every server allows.
    let mut driver = online();
    for number in 0..31 {
        open(&mut driver, &number.to_string());
    }
    let env = driver.env();
    let refused = driver
        .replica
        .open_document("d", "one more", env)
        .unwrap_err();
    assert_eq!(refused.code, "invalid_filter");
    assert_eq!(driver.replica.open_documents("d").len(), 31);
}

/// An own delete that is taken back shows own entries again, also if the base has none yet.
#[test]
fn a_delete_of_own_entries_is_told_and_taken_back() {
    let mut driver = online();
    open(&mut driver, "one");
    let first = asked(&mut driver);
    serve(&mut driver, &first[0].0, 5, &[]);
    told(&mut driver);
    let appended = driver.mutate(vec![append_op("one", "AQ==")]);
    let anew = || ("one".to_owned(), vec![], true);
    let deleted = driver.mutate(vec![Op::Delete(DeleteOp::new("d", "one"))]);
    assert_eq!(
        (told(&mut driver).last().cloned(), seen(&driver, "one")),
        (Some(anew()), vec![])
    );
    let results = [
        applied(1, &appended, 6),
        rejected(2, &deleted, 7, "wrong_kind"),
    ];
    driver.ack(None, &results);
    assert_eq!(told(&mut driver), [anew()]);
    assert_eq!(seen(&driver, "one"), ["AQ=="]);
}
