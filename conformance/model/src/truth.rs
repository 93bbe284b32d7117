//! What must hold in every state.

use std::collections::{BTreeMap, BTreeSet};

use syncline_schemas::{Json, Op};
use syncline_server_core::{Decided, Decision, Event, Record};

use crate::client::Client;
use crate::scope::{Scope, TABLE};
use crate::world::World;

/// Rows by key, with their versions.
type Rows = BTreeMap<String, (u64, Json)>;

/// PUSH-ONCE: no mutation is applied twice, whoever sends it again.
pub(crate) fn exactly_once(_: &Scope, world: &World) -> bool {
    let mut seen = BTreeSet::new();
    { applied(&world.log) }.all(|(_, decided)| seen.insert(&decided.op_id))
}

/// MODEL-VERSION, PUSH-SEQ-GAP: versions rise, and the numbers of each client's mutations without a hole.
pub(crate) fn in_order(_: &Scope, world: &World) -> bool {
    let rising = { world.log.windows(2) }.all(|pair| pair[0].version < pair[1].version);
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    rising
        && outcomes(&world.log).all(|(_, decided)| {
            let before = last.insert(&decided.client, decided.seq);
            decided.seq == before.unwrap_or(0) + 1
        })
}

/// UPD-ATOMIC, CLIENT-CURSOR-ATOMIC, CLIENT-REPLACE: what a client holds was the state at a moment, each mutation in it whole or not at all; nothing deleted comes back.
pub(crate) fn stands_in_the_log(_: &Scope, world: &World) -> bool {
    world.clients.iter().all(|client| {
        let shape = client.stored.shape_of(TABLE);
        let cursor = shape.and_then(|(_, cursor)| cursor.as_ref());
        held(client) == cursor.map_or(Rows::new(), |cursor| rows_at(&world.log, cursor.version))
    })
}

/// CLIENT-OVERLAY: what the app sees is that, with its own writes over it.
pub(crate) fn sees_its_writes(_: &Scope, world: &World) -> bool {
    world.clients.iter().all(|client| {
        let held = held(client).into_iter();
        let mut rows: BTreeMap<String, Json> = held.map(|(key, (_, value))| (key, value)).collect();
        let entries = client.stored.outbox.values();
        for op in entries
            .filter(|entry| entry.given_up.is_none())
            .flat_map(|entry| &entry.ops)
        {
            match op {
                Op::Set(set) => drop(rows.insert(set.key.clone(), set.value.clone())),
                Op::Delete(delete) => drop(rows.remove(&delete.key)),
                _ => {}
            }
        }
        let seen = client.replica.view_rows(TABLE).into_iter();
        rows == seen
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect()
    })
}

/// CLIENT-STORE-FIRST, MODEL-DURABLE: what was written is in the outbox until it is decided, and the app was told if it was not applied.
pub(crate) fn nothing_is_lost(_: &Scope, world: &World) -> bool {
    let applied: BTreeSet<&str> = applied(&world.log)
        .map(|(_, decided)| &*decided.op_id)
        .collect();
    world.clients.iter().all(|client| {
        let waits = |op_id: &String| client.stored.undecided().any(|entry| entry.op_id == *op_id);
        let known = &client.known;
        let told = |op_id: &String| known.rejected.contains(op_id) || known.doubted.contains(op_id);
        { known.written.iter() }
            .all(|op_id| applied.contains(op_id.as_str()) || waits(op_id) || told(op_id))
    })
}

/// CLIENT-REJECTED: the app is never told that a mutation is rejected that was applied.
pub(crate) fn told_the_truth(_: &Scope, world: &World) -> bool {
    let told = |op_id: &str| {
        world
            .clients
            .iter()
            .any(|client| client.known.rejected.contains(op_id))
    };
    !applied(&world.log).any(|(_, decided)| told(&decided.op_id))
}

/// What is stored is what the replica goes by, and no core did what it may not.
pub(crate) fn sound(_: &Scope, world: &World) -> bool {
    let stored = |client: &Client| *client.replica.stored() == client.stored;
    world.broken.is_empty() && world.clients.iter().all(stored)
}

/// Where nothing can happen any more unless something goes wrong, everybody has everything.
pub(crate) fn converges(scope: &Scope, world: &World) -> bool {
    let head = world.log.last().map_or(0, |record| record.version);
    is_under_way(scope, world)
        || world.clients.iter().all(|client| {
            client.replica.is_synced()
                && held(client) == rows_at(&world.log, head)
                && client.stored.undecided().next().is_none()
        })
}

/// All that was to go wrong has, and all is quiet.
pub(crate) fn ends_with_all_faults(scope: &Scope, world: &World) -> bool {
    !is_under_way(scope, world) && world.left.none()
}

fn is_under_way(scope: &Scope, world: &World) -> bool {
    !world.progress(scope).is_empty()
}

fn outcomes(log: &[Record]) -> impl Iterator<Item = (u64, &Decided)> {
    log.iter().filter_map(|record| match &record.event {
        Event::Outcome(decided) => Some((record.version, decided)),
        Event::Truncated(_) => None,
    })
}

fn applied(log: &[Record]) -> impl Iterator<Item = (u64, &Decided)> {
    outcomes(log).filter(|(_, decided)| matches!(decided.decision, Decision::Applied { .. }))
}

fn held(client: &Client) -> Rows {
    let rows = client.stored.base.get(TABLE).into_iter().flatten();
    rows.map(|(key, row)| (key.clone(), (row.version, row.value.clone())))
        .collect()
}

fn rows_at(log: &[Record], version: u64) -> Rows {
    let mut rows = Rows::new();
    for (at, decided) in applied(log).take_while(|(at, _)| *at <= version) {
        let Decision::Applied { effects, .. } = &decided.decision else {
            continue;
        };
        for effect in effects {
            match &effect.value {
                Some(value) => drop(rows.insert(effect.key.to_string(), (at, value.clone()))),
                None => drop(rows.remove(&*effect.key)),
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::scopes;

    type Holds = fn(&Scope, &World) -> bool;

    const ALL: [Holds; 8] = [
        exactly_once,
        in_order,
        stands_in_the_log,
        sees_its_writes,
        nothing_is_lost,
        told_the_truth,
        sound,
        converges,
    ];

    /// A world in which all has happened, nothing wrong.
    fn over() -> (Scope, World) {
        let scope = { scopes().into_iter() }.find(|scope| scope.faults.none());
        let scope = scope.expect("a scope without faults");
        let mut world = World::new(&scope);
        while let Some(action) = world.progress(&scope).first() {
            assert!(world.act(*action, &scope));
        }
        (scope, world)
    }

    /// Which of them hold once this has been done to the world, by their places.
    fn broken_by(harm: impl FnOnce(&mut World)) -> Vec<usize> {
        let (scope, mut world) = over();
        harm(&mut world);
        let broken = ALL
            .iter()
            .enumerate()
            .filter(|(_, holds)| !holds(&scope, &world));
        broken.map(|(place, _)| place).collect()
    }

    #[test]
    fn a_world_that_ends_well_keeps_all() {
        assert_eq!(broken_by(|_| {}), [0; 0]);
    }

    #[test]
    fn each_sees_its_harm() {
        let twice = |world: &mut World| {
            let mut again = world.log[0].clone();
            again.version = world.log.len() as u64 + 1;
            world.log.push(again);
        };
        assert_eq!(
            broken_by(twice),
            [0, 1, 7],
            "applied twice, and nobody was told"
        );
        assert_eq!(broken_by(|world| world.log.swap(0, 1))[..2], [1, 2]);
        let row = |world: &mut World| {
            let rows = world.clients[0].stored.base.get_mut(TABLE);
            rows.and_then(BTreeMap::pop_first);
        };
        assert_eq!(broken_by(row), [2, 3, 6, 7], "a row is gone from the store");
        let written = |world: &mut World| {
            world.clients[1]
                .known
                .written
                .insert("never sent".to_owned());
        };
        assert_eq!(broken_by(written), [4]);
        let rejected = |world: &mut World| {
            let Event::Outcome(decided) = &world.log[0].event else {
                panic!("the first record is an outcome");
            };
            let op_id = decided.op_id.to_string();
            world.clients[1].known.rejected.insert(op_id);
        };
        assert_eq!(broken_by(rejected), [5]);
        assert_eq!(broken_by(|world| world.breaks("it")), [6]);
    }
}
