//! What a newer app makes of what an older one has left.

use serde_json::{Value, json};
use syncline_client_core::{
    Decision, Event, Migration, Migrations, NewerStore, PatchFields, StoredState,
};
use syncline_schemas::{Json, Op};

use crate::driver::{Driver, Knows, delete, patch, set, set_if};

/// A function that shows how often it was run, against the rules.
fn counting(version: u64) -> Migration {
    Migration::new(move |value| json!([version, value]))
}

/// Up to this version: of the tables a and c, and for a of patches too.
fn migrations(newest: u64) -> Migrations {
    let mut migrations = Migrations::default();
    for version in 1..=newest {
        let fields = move |mut fields: PatchFields| {
            let new = format!("v{version}");
            fields.removed.push(new);
            fields
        };
        migrations.add("a", version, counting(version).patches(fields));
        migrations.add("c", version, counting(version));
    }
    migrations
}

/// What an app of this version has of a store, before it has stored anything.
fn opened(stored: &StoredState, newest: u64) -> Driver {
    let mut driver = Driver::on(stored.clone());
    let env = driver.env();
    driver.replica.migrate(migrations(newest), env).unwrap();
    driver
}

/// The same, stored.
fn upgraded(stored: &StoredState, newest: u64) -> Driver {
    let mut driver = opened(stored, newest);
    driver.settle();
    driver
}

/// The ops of the outbox, as they would be sent.
fn ops(stored: &StoredState) -> Vec<String> {
    let ops = stored.outbox.values().flat_map(|entry| &entry.ops);
    let text = |op: &Op| match op {
        Op::Set(op) => format!("{} {}", op.table, op.value.get()),
        Op::Patch(op) => {
            let (fields, remove) = (json!(op.fields), json!(op.remove));
            format!("{} {fields} {remove}", op.table)
        }
        Op::Delete(op) => format!("{} -", op.table),
        _ => String::new(),
    };
    ops.map(text).collect()
}

/// TAB-CLIENT-OUTBOX, TAB-CLIENT-ONCE: each function once, those of patches where there is one, other tables not at all; all else as it was.
#[test]
fn what_was_never_sent_is_rewritten_once() {
    let mut old = Driver::new();
    old.mutate(vec![
        set_if("a", "k", "0", Some(3)),
        set("b", "k", "1"),
        set("c", "k", "2"),
        delete("a", "gone"),
    ]);
    old.mutate(vec![
        patch("a", "l", r#"{"x":1}"#, &["y"]),
        patch("c", "l", r#"{"x":1}"#, &[]),
    ]);
    let one = upgraded(&old.stored, 1);
    let expected = |a: &str, c: &str, remove: &str| {
        let lines = [
            format!("a {a}"),
            "b 1".into(),
            format!("c {c}"),
            "a -".into(),
            format!("a {{\"x\":1}} {remove}"),
            "c {\"x\":1} []".into(),
        ];
        lines.to_vec()
    };
    let first = expected("[1,0]", "[1,2]", r#"["y","v1"]"#);
    assert_eq!(ops(&one.stored), first);
    assert_eq!(ops(&upgraded(&one.stored, 1).stored), first);
    let three = upgraded(&one.stored, 3);
    let second = expected("[3,[2,[1,0]]]", "[3,[2,[1,2]]]", r#"["y","v1","v2","v3"]"#);
    assert_eq!(ops(&three.stored), second);
    assert_eq!(ops(&upgraded(&old.stored, 3).stored), second);
    assert_eq!(three.undecided(), old.undecided());
    let entries = |driver: &Driver| {
        { driver.stored.outbox.values() }
            .cloned()
            .collect::<Vec<_>>()
    };
    for (before, after) in entries(&old).into_iter().zip(entries(&three)) {
        assert_eq!(before.ops[0].if_version(), after.ops[0].if_version());
        let ops = before.ops.clone();
        assert_eq!(before, syncline_client_core::Entry { ops, ..after });
    }
    assert_eq!(three.view("a", "k"), Some("[3,[2,[1,0]]]"));
}

/// TAB-CLIENT-ONCE: until the one transaction is stored nothing has changed, and it has everything.
#[test]
fn a_crash_leaves_all_or_nothing() {
    let mut old = Driver::new();
    old.set("a", "k", "0");
    let mut crashed = opened(&old.stored, 1);
    // The driver has settled what it does by itself; nothing of the migration was stored.
    assert_eq!(ops(&crashed.stored), ["a 0"]);
    let transaction = crashed.replica.poll_store().unwrap();
    let mut after = crashed.stored.clone();
    after.apply(transaction);
    assert_eq!(ops(&after), ["a [1,0]"]);
    assert_eq!(after.meta.as_ref().unwrap().migrated["a"], 1);
    assert_eq!(crashed.replica.poll_store(), None);
    assert_eq!(crashed.replica.poll_event(), None);
    assert_eq!(ops(&upgraded(&crashed.stored, 1).stored), ["a [1,0]"]);
}

/// TAB-CLIENT-OUTBOX, CLIENT-IMMUTABLE: what was let through in a session may have been sent, under a later name of the store as well.
#[test]
fn what_may_have_been_sent_is_left() {
    let mut old = Driver::new();
    old.set("a", "before", "0");
    old.online(0);
    old.set("a", "during", "1");
    old.cut();
    old.set("a", "after", "2");
    assert_eq!(
        ops(&upgraded(&old.stored, 1).stored),
        ["a 0", "a 1", "a [1,2]"]
    );
    // The store finds out that it is a copy, and goes on under another name.
    old.connect();
    let foreign = json!({"status": "applied", "seq": 1, "opId": "foreign", "version": 1});
    old.welcome(&Knows {
        epoch: "e1",
        version: 1,
        last_seq: 1,
        results: vec![foreign],
        server_time: 0,
    });
    assert_eq!(old.undecided()[0].0, 1);
    assert_eq!(old.stored.acked_seq(), 0);
    let left = ["a 0", "a 1", "a [1,2]"];
    assert_eq!(ops(&upgraded(&old.stored, 1).stored), left);
    // Under that one, too, it has sent all of it in the end.
    old.online(1);
    assert_eq!(ops(&upgraded(&old.stored, 1).stored), ["a 0", "a 1", "a 2"]);
}

/// CLIENT-IMMUTABLE: a store of before, which did not note it, may have sent all that it has.
#[test]
fn what_is_not_known_counts_as_sent() {
    let mut old = Driver::new();
    old.set("a", "k", "0");
    let entry = old.stored.outbox.values().next().unwrap();
    let text = serde_json::to_string(entry).unwrap();
    let noted = r#""letThrough":false,"#;
    assert!(text.contains(noted), "{text}");
    let entry = serde_json::from_str(&text.replace(noted, "")).unwrap();
    let mut stored = old.stored.clone();
    stored.outbox.insert(1, entry);
    assert_eq!(ops(&upgraded(&stored, 1).stored), ["a 0"]);
}

/// TAB-CLIENT-NEWER.
#[test]
fn a_store_of_a_newer_app_is_refused() {
    let new = upgraded(&Driver::new().stored, 2);
    let refused = |migrations: Migrations| {
        let mut driver = Driver::on(new.stored.clone());
        let env = driver.env();
        let refused = driver.replica.migrate(migrations, env).unwrap_err();
        assert_eq!(driver.replica.poll_store(), None);
        let NewerStore {
            table,
            stored,
            known,
        } = refused;
        assert_eq!((table.as_str(), stored), ("a", 2));
        known
    };
    assert_eq!(refused(Migrations::default()), 0);
    assert_eq!(refused(migrations(1)), 1);
    upgraded(&new.stored, 2);
    upgraded(&new.stored, 3);
    // An app that has no need of the functions any more knows the versions all the same.
    let mut known = Migrations::default();
    known.know("a", 2);
    known.know("c", 7);
    let mut driver = Driver::on(new.stored.clone());
    let env = driver.env();
    driver.replica.migrate(known, env).unwrap();
}

/// An entry in doubt that is applied again is a new mutation, in the new form; functions take what is in it already.
#[test]
fn what_was_in_doubt_is_applied_again_in_the_new_form() {
    let mut old = Driver::new();
    old.set("a", "k", r#"{"text":1}"#);
    old.connect();
    old.welcome(&Knows {
        epoch: "e1",
        version: 9,
        last_seq: 9,
        results: vec![],
        server_time: 0,
    });
    assert!(
        old.events
            .iter()
            .any(|event| matches!(event, Event::InDoubt(_)))
    );
    let rename = |mut value: Value| {
        if let Some(text) = value.as_object_mut().and_then(|row| row.remove("text")) {
            value["title"] = text;
        }
        value
    };
    let mut migrations = Migrations::default();
    migrations.add("a", 1, Migration::new(rename));
    let mut new = Driver::on(old.stored.clone());
    let env = new.env();
    new.replica.migrate(migrations, env).unwrap();
    let doubt = new.stored.in_doubt.values().next().unwrap().op_id.clone();
    let env = new.env();
    let again = new.replica.resolve_doubt(&doubt, Decision::Again, env);
    assert!(again.unwrap().is_some());
    new.settle();
    assert_eq!(ops(&new.stored), [r#"a {"title":1}"#]);
}

/// TAB-CLIENT-MIGRATED: all functions in order; text that no function changes stays as it is, digit for digit.
#[test]
fn values_are_brought_to_the_newest_form() {
    let seen = |table: &str, text: &str| {
        let value = Json::parse(text).unwrap();
        migrations(2).upcast(table, &value).get().to_owned()
    };
    assert_eq!(seen("a", "1.50"), "[2,[1,1.5]]");
    assert_eq!(seen("b", "1.50"), "1.50");
    let mut none = Migrations::default();
    none.add("a", 1, Migration::new(|value| value));
    let value = Json::parse(r#"{"z": 1.50, "a": 1}"#).unwrap();
    assert_eq!(none.upcast("a", &value).get(), value.get());
}
