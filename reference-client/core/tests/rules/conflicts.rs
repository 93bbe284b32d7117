//! What is kept and told of writes that met others'.

use serde_json::{Value, json};
use syncline_client_core::{Conflict, ConflictKind, Event, Stands, StoredState};
use syncline_schemas::{Json, Op};

use crate::driver::{Driver, Knows, applied, change, rejected, set};

/// An outcome that has something to tell of single ops.
fn told(seq: u64, op_id: &str, version: u64, ops: Value) -> Value {
    let mut outcome = applied(seq, op_id, version);
    outcome["ops"] = ops;
    outcome
}

fn said(driver: &mut Driver) -> Vec<Conflict> {
    let conflict = |event| match event {
        Event::Superseded(conflict) | Event::Resolved(conflict) => Some(conflict),
        _ => None,
    };
    driver.events.drain(..).filter_map(conflict).collect()
}

fn listed(stored: &StoredState) -> Vec<Conflict> {
    let entries = stored.conflicts.values();
    entries.flat_map(|entry| entry.conflicts.clone()).collect()
}

/// CFL-CLIENT-TOLD, CFL-CLIENT-STANDS: what stands, that nothing does, and that neither was said.
#[test]
fn what_stands_is_what_was_said() {
    let mut driver = Driver::new();
    driver.online(0);
    let keys = ["j", "k", "l", "m"];
    let id = driver.mutate(keys.map(|key| set("a", key, "1")).into());
    let ops = json!([
        {"result": "superseded", "at": 0, "version": 2, "value": null}, {"result": "superseded", "at": 1, "gone": true},
        {"result": "resolved", "at": 3}]);
    driver.ack(None, &[told(1, &id, 3, ops)]);
    let said = said(&mut driver);
    let stands: Vec<_> = { said.iter() }
        .map(|told| (told.op.row().unwrap().1, told.kind, told.stands.clone()))
        .collect();
    let (superseded, resolved) = (ConflictKind::Superseded, ConflictKind::Resolved);
    let expected = [
        ("j", superseded, Stands::Value(Json::null())),
        ("k", superseded, Stands::Gone),
        ("m", resolved, Stands::Untold),
    ];
    assert_eq!(stands, expected);
    assert_eq!(listed(&driver.stored), said);
    driver.ack(
        None,
        &[told(1, &id, 3, json!([{"result": "superseded", "at": 0}]))],
    );
    assert_eq!(listed(&driver.stored), said, "an outcome is stored once");
}

/// CFL-CLIENT-KEPT: outcome and list are one transaction; whatever comes after, none takes the place of another.
#[test]
fn conflicts_are_kept_until_they_are_confirmed() {
    let mut driver = Driver::new();
    driver.online(0);
    let superseded = || json!([{"result": "superseded", "at": 0, "value": 9}]);
    let mut ids = Vec::new();
    for (seq, key) in (1..).zip(["k", "l"]) {
        let id = driver.set("a", key, "1");
        let env = driver.env();
        let ack = json!({"type": "ack", "results": [told(seq, &id, seq, superseded())]});
        driver.replica.receive(&ack.to_string(), env);
        let mut after = driver.stored.clone();
        after.apply(driver.replica.poll_store().unwrap());
        assert_eq!(after.acked_seq(), seq);
        assert_eq!(after.conflicts.len() as u64, seq);
        driver.stored = after;
        driver.settle();
        // The base passes the write: its entry is gone, and its place must not be taken by the next.
        driver.update("ab", seq - 1, seq, &[]);
        assert!(driver.stored.outbox.is_empty());
        ids.push(id);
    }
    let mut reloaded = Driver::on(driver.stored.clone());
    assert_eq!(reloaded.replica.status().conflicts, 2);
    let ops = { listed(&reloaded.stored).into_iter() }.map(|told| told.op_id);
    assert_eq!(ops.collect::<Vec<_>>(), ids);
    let env = reloaded.env();
    assert!(reloaded.replica.confirm_conflicts(&ids[0], env));
    assert!(!reloaded.replica.confirm_conflicts(&ids[0], env));
    assert!(!reloaded.replica.confirm_rejection(&ids[1], env));
    reloaded.settle();
    assert_eq!(listed(&reloaded.stored)[0].op_id, ids[1]);
    assert_eq!(reloaded.replica.status().conflicts, 1);
}

/// CFL-CLIENT-KEPT: of what was rejected, and of what was given up and applied all the same, the lists say what is true.
#[test]
fn a_rejected_mutation_has_no_conflicts() {
    let mut driver = Driver::new();
    driver.online(0);
    let id = driver.set("a", "k", "1");
    driver.ack(None, &[rejected(1, &id, 1, "superseded")]);
    assert_eq!(
        (said(&mut driver), listed(&driver.stored)),
        (vec![], vec![])
    );
    let env = driver.env();
    assert!(!driver.replica.confirm_conflicts(&id, env));
}

/// CFL-CLIENT-KEPT: a row is listed as long as it has several values.
#[test]
fn rows_with_several_values_are_listed() {
    let mut driver = Driver::new();
    driver.online(0);
    let change = |version: u64, siblings: Value| json!({"op": "set", "table": "a", "key": "k", "version": version, "value": 2, "siblings": siblings});
    let siblings = json!([{"version": 1, "value": 1}]);
    let mut other = change(2, siblings.clone());
    other["table"] = "b".into();
    driver.update("ab", 0, 2, &[change(2, siblings), other]);
    let rows = |driver: &Driver| -> Vec<String> {
        let rows = driver.replica.rows_with_siblings();
        rows.map(|(table, key)| format!("{table}/{key}")).collect()
    };
    assert_eq!(rows(&driver), ["a/k", "b/k"]);
    let reloaded = Driver::on(driver.stored.clone());
    assert_eq!(rows(&reloaded), ["a/k", "b/k"]);
    let mut one = change(3, Value::Null);
    one.as_object_mut().unwrap().remove("siblings");
    driver.update("ab", 2, 3, &[one]);
    assert_eq!(rows(&driver), ["b/k"]);
}

/// CFL-CLIENT-BASE: under a new identity an entry says what its app saw, as before, whatever has come since.
#[test]
fn a_new_identity_has_seen_what_the_old_one_saw() {
    let mut driver = Driver::new();
    driver.capabilities = vec!["tables", "conflicts"];
    driver.online(0);
    driver.update("ab", 0, 3, &[change("a", "k", 3, "0")]);
    let first = driver.set("a", "k", "1");
    driver.sent();
    driver.ack(None, &[applied(1, &first, 5)]);
    driver.set("a", "k", "2");
    driver.update("ab", 3, 8, &[change("a", "k", 7, "9")]);
    let bases = |driver: &Driver| -> Vec<Option<u64>> {
        let ops = driver.stored.undecided().flat_map(|entry| &entry.ops);
        ops.map(Op::base).collect()
    };
    assert_eq!(bases(&driver), [Some(3)]);
    let before = driver.client_id();
    driver.cut();
    driver.connect();
    let server_time = driver.now + driver.wall;
    driver.welcome(&Knows {
        epoch: "e1",
        version: 8,
        last_seq: 0,
        results: vec![],
        server_time,
    });
    assert_ne!(driver.client_id(), before, "forgotten");
    assert_eq!(bases(&driver), [Some(3)]);
}
