//! What must hold after every step, and what at the end.

use std::collections::{BTreeMap, BTreeSet};

use syncline_client_core::{Entry, StoredState, Tables};
use syncline_schemas::{Cursor, Json, Op};

use super::decide::replay;
use super::documents;
use super::filters::{Shape, shape_of};
use super::server::{RowKey, Server};
use super::upgrades::writes_of_a_row_keep_their_order;
use super::world::{Client, World};

impl World {
    /// What holds at every moment.
    pub(crate) fn check(&self) {
        applied_once(&self.server);
        for client in &self.clients {
            assert_eq!(
                client.stored,
                *client.replica.stored(),
                "what is stored is what the replica goes by"
            );
            view_is_base_and_outbox(client);
            base_is_the_log(client, &self.server);
            documents::base_is_the_log(client, &self.server);
            documents::all_is_told_once(client, self.copied || self.slept);
            outcomes_are_true(client, &self.server);
            nothing_is_lost_nor_flickers(client, &self.server);
            numbered_without_holes(&client.stored);
            assert!(
                client.replica.status().online || client.replica.others().is_empty(),
                "PRES-LOST"
            );
            if !self.copied {
                writes_of_a_row_keep_their_order(client, &self.server);
                outcomes_precede_cursors(client, &self.server);
            }
        }
    }

    /// What holds when everything has arrived.
    pub(crate) fn check_converged(&self) {
        for client in &self.clients {
            for tables in client.stored.shapes.keys() {
                let shape = held_shape(client, tables);
                let said = replay(&self.server.history.log, u64::MAX, &shape);
                let said: BTreeMap<RowKey, Json> = said
                    .into_iter()
                    .map(|(row, (_, value))| (row, value))
                    .collect();
                assert_eq!(
                    view(client, tables),
                    said,
                    "the view is what the server has"
                );
            }
        }
    }
}

/// A shape, under the filters that its cursor is of.
pub(crate) fn held_shape(client: &Client, tables: &Tables) -> Shape {
    let filters = client.stored.filters.get(tables);
    let settings = |table: &String| {
        let filter = filters.and_then(|filters| filters.get(table)?.to_value().ok());
        let setting = filter.map(|filter| ("where".to_owned(), filter));
        (table.clone(), setting.into_iter().collect())
    };
    shape_of(&tables.iter().map(settings).collect())
}

/// CLIENT-COPY, CLIENT-NEW-ID, PUSH-ONCE: no mutation is applied twice within an epoch.
fn applied_once(server: &Server) {
    let mut seen = BTreeSet::new();
    for commit in server.history.log.iter().filter(|commit| commit.applied) {
        assert!(
            seen.insert(&commit.op_id),
            "{} was applied twice",
            commit.op_id
        );
    }
}

fn view(client: &Client, tables: &Tables) -> BTreeMap<RowKey, Json> {
    let of_table = |table: &String| {
        let rows = client.replica.view_rows(table).into_iter();
        rows.map(|(key, value)| ((table.clone(), key.to_owned()), value.clone()))
            .collect::<Vec<_>>()
    };
    tables.iter().flat_map(of_table).collect()
}

/// CLIENT-OVERLAY, CLIENT-REJECTED: computed anew from what is stored, entry by entry.
fn view_is_base_and_outbox(client: &Client) {
    let tables: Tables = ["a", "b", "c", "d"].map(str::to_owned).into();
    let base = client
        .stored
        .base
        .iter()
        .flat_map(|(table, rows)| rows.iter().map(move |(key, row)| (table, key, row)));
    let mut rows: BTreeMap<RowKey, Json> = base
        .map(|(table, key, row)| ((table.clone(), key.clone()), row.value.clone()))
        .collect();
    for op in client
        .stored
        .outbox
        .values()
        .filter(|entry| entry.given_up.is_none())
        .flat_map(|entry| &entry.ops)
    {
        let Some((table, key)) = op.row() else {
            continue;
        };
        let row = (table.to_owned(), key.to_owned());
        match op {
            Op::Set(set) => drop(rows.insert(row, set.value.clone())),
            Op::Delete(_) => drop(rows.remove(&row)),
            Op::Patch(patch) => {
                let patched = patch.applied_to(rows.get(&row));
                // What is no object, which the server will reject, shows the fields alone.
                let shown = patched
                    .or_else(|| patch.applied_to(None))
                    .expect("an object");
                rows.insert(row, shown);
            }
            Op::Allocate(_) | Op::Observe(_) | Op::Declare(_) => {}
            Op::Append(_) | Op::Compact(_) => {}
        }
    }
    assert_eq!(
        view(client, &tables),
        rows,
        "the view is the base with the outbox over it"
    );
    for ((table, key), value) in &rows {
        assert_eq!(client.replica.view(table, key), Some(value));
    }
}

/// CLIENT-CURSOR-ATOMIC, CLIENT-STAGED, CLIENT-REPLACE, CLIENT-SKIP: the base is the log of the cursor's epoch, replayed to the cursor.
fn base_is_the_log(client: &Client, server: &Server) {
    for (tables, cursor) in &client.stored.shapes {
        if cursor.is_none() && client.filtered {
            // The rows are those of the filter before, until there are those of the new one (FLT-CLIENT-CHANGE).
            continue;
        }
        let shape = held_shape(client, tables);
        let held = tables
            .iter()
            .filter_map(|table| Some((table, client.stored.base.get(table)?)));
        let held = held.flat_map(|(table, rows)| {
            rows.iter().map(move |(key, row)| {
                (
                    (table.clone(), key.clone()),
                    (row.version, row.value.clone()),
                )
            })
        });
        let held: BTreeMap<RowKey, (u64, Json)> = held.collect();
        let said = cursor
            .as_ref()
            .map(|cursor| replay(server.log_of(&cursor.epoch), cursor.version, &shape));
        assert_eq!(
            held,
            said.unwrap_or_default(),
            "the base is the log at {cursor:?}"
        );
    }
}

/// An outcome in the store is one that the server decided.
fn outcomes_are_true(client: &Client, server: &Server) {
    for entry in client.stored.outbox.values() {
        if let Some(at) = &entry.applied_at {
            let commit = commit_of(server, &at.epoch, &entry.op_id);
            assert_eq!(commit, Some((at.version, true)), "{entry:?}");
        }
    }
    for rejected in client.stored.rejected.values() {
        let applied = server
            .history
            .log
            .iter()
            .any(|commit| commit.op_id == rejected.op_id && commit.applied);
        assert!(
            !applied,
            "{} is said to be rejected and was applied",
            rejected.op_id
        );
    }
}

fn commit_of(server: &Server, epoch: &str, op_id: &str) -> Option<(u64, bool)> {
    let commit = server
        .log_of(epoch)
        .iter()
        .find(|commit| commit.op_id == op_id);
    commit.map(|commit| (commit.version, commit.applied))
}

/// CLIENT-STORE-FIRST, CLIENT-OVERLAY-LEAVES: of every write that the app was told of, each op stands in the overlay, or the base is past
/// its version; unless the app was told that the write was rejected or is in doubt.
fn nothing_is_lost_nor_flickers(client: &Client, server: &Server) {
    for (op_id, ops) in client
        .written
        .iter()
        .filter(|(op_id, _)| !client.ended.contains(op_id))
    {
        let entry = client
            .stored
            .outbox
            .values()
            .find(|entry| entry.op_id == *op_id);
        let seen = ops.iter().filter_map(|op| Some((op, op.row()?.0)));
        for (op, table) in seen.filter(|(_, table)| *table != "d") {
            let same = |kept: &Op| kept.row() == op.row() && kept.op() == op.op();
            let shape = client.stored.shape_of(table);
            if client.filtered && shape.is_some_and(|(_, cursor)| cursor.is_none()) {
                // What it had passed before the filter changed nobody can tell.
                continue;
            }
            let stands = entry.is_some_and(|entry| entry.ops.iter().any(same))
                || client.given_up.contains(op_id);
            assert!(
                stands || is_past(client, server, op_id, table),
                "{op:?} of {op_id} is gone"
            );
        }
        if let Some(Entry {
            applied_at: Some(at),
            ops,
            ..
        }) = entry
        {
            let stale = { ops.iter() }.find(|op| {
                // SEQN-VIEW: what names no row stands no longer than its outcome is unknown.
                op.row()
                    .is_none_or(|(table, _)| has_reached(client, table, at))
            });
            assert!(
                stale.is_none(),
                "{stale:?} of {op_id} still stands over a base that has it"
            );
        }
    }
}

/// Whether the base has passed what became of a mutation, in some epoch.
fn is_past(client: &Client, server: &Server, op_id: &str, table: &str) -> bool {
    let epochs = server.past.keys().chain([&server.epoch]);
    let mut decided = epochs.filter_map(|epoch| {
        let (version, applied) = commit_of(server, epoch, op_id)?;
        applied.then_some(Cursor {
            epoch: epoch.clone(),
            version,
        })
    });
    decided.any(|at| has_reached(client, table, &at))
}

fn has_reached(client: &Client, table: &str, at: &Cursor) -> bool {
    let number = |epoch: &str| epoch[1..].parse::<u32>().unwrap();
    let cursor = client
        .stored
        .shape_of(table)
        .and_then(|(_, cursor)| cursor.as_ref());
    cursor.is_some_and(|cursor| {
        (number(&cursor.epoch), cursor.version)
            >= (
                number(&at.epoch),
                if cursor.epoch == at.epoch {
                    at.version
                } else {
                    0
                },
            )
    })
}

/// CLIENT-OUTCOME-STORED: where no store is copied, what is undecided lies beyond every cursor.
fn outcomes_precede_cursors(client: &Client, server: &Server) {
    let cursors = client
        .stored
        .shapes
        .values()
        .flatten()
        .filter(|cursor| cursor.epoch == server.epoch);
    let Some(furthest) = cursors.map(|cursor| cursor.version).max() else {
        return;
    };
    for entry in client.stored.undecided() {
        let decided = commit_of(server, &server.epoch, &entry.op_id);
        assert!(
            decided.is_none_or(|(version, _)| version > furthest),
            "{} was decided, and passed",
            entry.op_id
        );
    }
}

/// CLIENT-SEQ.
fn numbered_without_holes(stored: &StoredState) {
    let undecided: Vec<u64> = stored.undecided().map(|entry| entry.seq).collect();
    let expected: Vec<u64> = (stored.acked_seq() + 1..).take(undecided.len()).collect();
    assert_eq!(undecided, expected);
    assert!(
        stored.undecided().all(Entry::is_undecided),
        "decided entries stand before undecided ones"
    );
}
