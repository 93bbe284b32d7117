//! Apps that grow newer: their migrations rewrite what was never sent, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_client_core::{Env, Migration, Migrations, PatchFields, Replica, StoredState};

use crate::world::Client;

/// The replica of an app of the client's version on its store.
pub(crate) fn reopened(client: &Client, env: Env) -> Replica {
    let mut replica = Replica::load("home", client.stored.clone(), env).unwrap();
    replica.migrate(migrations(client.version), env).unwrap();
    replica
}

/// Each version of the app writes texts another way, and patches one field more.
fn migrations(newest: u64) -> Migrations {
    let mut migrations = Migrations::default();
    for version in 1..=newest {
        let row = move |value: Value| match value {
            Value::String(text) => format!("{text} v{version}").into(),
            other => other,
        };
        let patch = move |mut fields: PatchFields| {
            fields.set.insert("v".to_owned(), version.into());
            fields
        };
        let migration = Migration::new(row).patches(patch);
        migrations.add("a", version, migration.clone());
        migrations.add("c", version, migration);
    }
    migrations
}

/// The ops of each mutation that a store has sent, by `opId`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(BTreeMap<String, Vec<Value>>);

impl Sent {
    /// CLIENT-IMMUTABLE, TAB-CLIENT-OUTBOX: what was sent once is sent so again, and the store knew before that it may be.
    pub(crate) fn note(&mut self, frame: &str, stored: &StoredState) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        for mutation in frame["mutations"].as_array().into_iter().flatten() {
            let seq = mutation["seq"].as_u64().unwrap();
            let entry = stored.undecided_at(seq).unwrap();
            let through = stored.meta.as_ref().unwrap().let_through_seq;
            assert!(entry.let_through || seq <= through, "{entry:?}");
            let mut ops = mutation["ops"].as_array().unwrap().clone();
            for op in &mut ops {
                // A version of another history is left out.
                op.as_object_mut().unwrap().remove("base");
            }
            let before = self.0.entry(entry.op_id.clone()).or_insert(ops.clone());
            assert!(
                ops == *before || ops.is_empty(),
                "{ops:?}, before {before:?}"
            );
            *before = ops;
        }
    }
}
