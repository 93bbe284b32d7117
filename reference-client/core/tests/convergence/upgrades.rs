//! Apps that grow newer, whose migrations rewrite what was never sent, and nothing else; apps that have urgent tables.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_client_core::{Env, Migration, Migrations, PatchFields, Replica, StoredState};

use super::server::Server;
use super::world::{Client, World};

/// The replica of an app of the client's version on its store.
pub(crate) fn reopened(client: &Client, env: Env) -> Replica {
    let mut replica = Replica::load("home", client.stored.clone(), env).unwrap();
    replica.migrate(migrations(client.version), env).unwrap();
    replica
}

impl World {
    /// The app says anew which tables are urgent.
    pub(crate) fn urge(&mut self, index: usize) {
        let env = self.env();
        let client = &mut self.clients[index];
        let tables: &[&str] = if client.urgent { &["c", "b"] } else { &[] };
        let tables = tables.iter().map(ToString::to_string);
        client.replica.set_urgent(tables, env);
    }
}

/// CLIENT-URGENT-ROWS, CLIENT-SEQ: two writes of one row are applied in the order in which the app made them, and all of an app without urgent tables are.
pub(crate) fn writes_of_a_row_keep_their_order(client: &Client, server: &Server) {
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let log = server.history.log.iter();
    let versions: BTreeMap<&str, u64> = log
        .filter(|commit| commit.applied)
        .map(|commit| (commit.op_id.as_str(), commit.version))
        .collect();
    for (op_id, ops) in &client.written {
        let Some(version) = versions.get(op_id.as_str()) else {
            continue;
        };
        for row in ops.iter().filter_map(|op| op.row()) {
            let before = last.insert(row, *version);
            assert!(before < Some(*version), "{op_id} was applied too early");
        }
    }
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

/// What a store has sent. A copy of it may send the same in another order, or in another form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// The ops of each mutation, by `opId`.
    ops: BTreeMap<String, Vec<Value>>,
    /// Its `seq` under each `clientId`.
    seqs: BTreeMap<(String, String), u64>,
}

impl Sent {
    /// CLIENT-IMMUTABLE, TAB-CLIENT-OUTBOX: what was sent once is sent so again, and the store knew before that it may be.
    pub(crate) fn note(&mut self, frame: &str, stored: &StoredState) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        for mutation in frame["mutations"].as_array().into_iter().flatten() {
            let seq = mutation["seq"].as_u64().unwrap();
            let entry = stored.undecided_at(seq).unwrap();
            let meta = stored.meta.as_ref().unwrap();
            let name = (meta.client_id.clone(), entry.op_id.clone());
            let before = *self.seqs.entry(name).or_insert(seq);
            assert_eq!(before, seq, "CLIENT-IMMUTABLE: seq of {}", entry.op_id);
            let through = meta.let_through_seq;
            assert!(entry.let_through || seq <= through, "{entry:?}");
            let mut ops = mutation["ops"].as_array().unwrap().clone();
            for op in &mut ops {
                // A version of another history is left out.
                op.as_object_mut().unwrap().remove("base");
            }
            let before = self.ops.entry(entry.op_id.clone()).or_insert(ops.clone());
            assert!(
                ops == *before || ops.is_empty(),
                "{ops:?}, before {before:?}"
            );
            *before = ops;
        }
    }
}
