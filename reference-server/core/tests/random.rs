//! Random lives of a workspace: connections that come and go, retries, forks, slow readers, truncations, restarts and other
//! nodes. Whatever happens, every connection sees what the specification promises, and all of it follows from the log.

mod support;

use proptest::prelude::*;
use support::plan::{Action, CursorPlan, DocumentWhat, OpPlan, What};
use support::world::World;
use syncline_schemas::Limits;
use syncline_server_core::{Config, Retention};

fn ops() -> impl Strategy<Value = Vec<OpPlan>> {
    let op = (
        0..3usize,
        0..4usize,
        prop_oneof![
            3 => Just(What::SetObject),
            1 => Just(What::SetWord),
            3 => Just(What::Delete),
            3 => any::<u8>().prop_map(What::Patch),
        ],
        prop::option::weighted(0.3, 0..8u64),
    );
    let op = op.prop_map(|(table, key, what, if_version)| OpPlan::Row {
        table,
        key,
        what,
        if_version,
    });
    let sequence_ops = prop::collection::vec(sequence_op(), 0..7);
    let mixed =
        prop_oneof![8 => op, 1 => sequence_op(), 4 => document_op(), 1 => Just(OpPlan::Declare)];
    prop_oneof![12 => prop::collection::vec(mixed, 0..4), 1 => sequence_ops]
}

fn document_op() -> impl Strategy<Value = OpPlan> {
    let what = prop_oneof![
        6 => prop::option::weighted(0.3, 0..12u64).prop_map(|base| DocumentWhat::Append { base }),
        4 => (0..12u64).prop_map(|covers| DocumentWhat::Compact { covers }),
        1 => Just(DocumentWhat::Delete),
        1 => Just(DocumentWhat::Set),
    ];
    (0..3usize, what).prop_map(|(key, what)| OpPlan::Document { key, what })
}

fn sequence_op() -> impl Strategy<Value = OpPlan> {
    let count = prop_oneof![6 => 1..8u64, 1 => 999..1002u64];
    let value = prop_oneof![4 => 1..30u64, 1 => (1 << 53) - 8..1u64 << 53];
    prop_oneof![
        3 => (0..6usize, count).prop_map(|(sequence, count)| OpPlan::Allocate { sequence, count }),
        1 => (0..6usize, value).prop_map(|(sequence, value)| OpPlan::Observe { sequence, value }),
    ]
}

fn cursor() -> impl Strategy<Value = CursorPlan> {
    prop_oneof![
        2 => Just(CursorPlan::None),
        5 => (0..12u64).prop_map(CursorPlan::Behind),
        1 => Just(CursorPlan::Ahead),
        1 => Just(CursorPlan::OtherEpoch),
    ]
}

fn room() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 3 => Just(1), 2 => 1..600usize]
}

fn history() -> impl Strategy<Value = Action> {
    let place = || prop::option::weighted(0.3, (0..9u64, prop::option::of(0..3u64)));
    let rows = (0..3usize, prop::option::of(0..4usize));
    let page = (any::<bool>(), prop::option::of(1..6u64));
    (0..4usize, rows, page, [place(), place()]).prop_map(
        |(session, (table, key), (newest, limit), places)| Action::History {
            session,
            table,
            key,
            newest,
            limit,
            places,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let session = 0..4usize;
    prop_oneof![
        4 => (prop::option::weighted(0.8, 0..3usize), prop::option::of(room()))
            .prop_map(|(client, room)| Action::Connect { client, room }),
        12 => (session.clone(), prop::collection::vec(ops(), 1..4))
            .prop_map(|(session, mutations)| Action::Push { session, mutations }),
        3 => (session.clone(), 0..20usize, 1..5usize)
            .prop_map(|(session, first, count)| Action::Retry { session, first, count }),
        2 => (session.clone(), 0..20usize, 0..20usize, ops())
            .prop_map(|(session, seq, follows, ops)| Action::Fork { session, seq, follows, ops }),
        7 => (session.clone(), 0..7usize, 0..8usize, cursor())
            .prop_map(|(session, tables, filter, cursor)| Action::Subscribe { session, tables, filter, cursor }),
        1 => (session.clone(), 0..4usize).prop_map(|(session, shape)| Action::Unsubscribe { session, shape }),
        1 => session.clone().prop_map(|session| Action::Ping { session }),
        3 => (session.clone(), 0..4usize).prop_map(|(session, shape)| Action::Digest { session, shape }),
        5 => (session.clone(), prop::bool::weighted(0.2))
            .prop_map(|(session, withdraw)| Action::Present { session, withdraw }),
        4 => history(),
        1 => session.clone().prop_map(|session| Action::Close { session }),
        6 => (session, prop_oneof![room(), Just(9999)])
            .prop_map(|(session, bytes)| Action::Room { session, bytes }),
        3 => (0..6u64).prop_map(|keep_versions| Action::Truncate { keep_versions }),
        1 => (0..50u64).prop_map(|ms| Action::Wait { ms }),
        10 => Just(Action::Step),
        3 => (0..3usize, ops(), any::<bool>())
            .prop_map(|(client, ops, retry)| Action::Elsewhere { client, ops, retry }),
        1 => any::<bool>().prop_map(|checkpoint| Action::Reopen { checkpoint }),
    ]
}

/// Four sessions, of whom each presents, watches, reads too little, ends.
fn present_action() -> impl Strategy<Value = Action> {
    let session = 0..5usize;
    prop_oneof![
        2 => (prop::option::of(0..3usize), prop::option::of(room()))
            .prop_map(|(client, room)| Action::Connect { client, room }),
        12 => (session.clone(), prop::bool::weighted(0.25))
            .prop_map(|(session, withdraw)| Action::Present { session, withdraw }),
        2 => session.clone().prop_map(|session| Action::Close { session }),
        6 => (session, prop_oneof![room(), Just(9999)])
            .prop_map(|(session, bytes)| Action::Room { session, bytes }),
        6 => (0..30u64).prop_map(|ms| Action::Wait { ms }),
        8 => Just(Action::Step),
    ]
}

/// One writer (the first connection), two readers, who get a part at a time; deletes that are soon forgotten.
fn slow_action() -> impl Strategy<Value = Action> {
    let reader = 1..3usize;
    prop_oneof![
        6 => ops().prop_map(|ops| Action::Push { session: 0, mutations: vec![ops] }),
        3 => (reader.clone(), 2..7usize, 0..8usize, cursor())
            .prop_map(|(session, tables, filter, cursor)| Action::Subscribe { session, tables, filter, cursor }),
        2 => (reader.clone(), 0..2usize).prop_map(|(session, bytes)| Action::Room { session, bytes }),
        2 => (reader, 0..2usize).prop_map(|(session, shape)| Action::Digest { session, shape }),
        1 => (0..3u64).prop_map(|keep_versions| Action::Truncate { keep_versions }),
        8 => Just(Action::Step),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let parts = prop_oneof![Just(1usize), Just(200), Just(4096)];
    let versions_max = prop_oneof![Just(5u64), Just(1000)];
    let in_flight_max = prop_oneof![Just(1u64), Just(4), Just(256)];
    let burst = prop_oneof![1 => Just(3u64), 4 => Just(1000)];
    let history = (
        prop_oneof![Just(6u64), Just(10_000)],
        prop_oneof![Just(60u64), Just(10_000)],
        prop_oneof![Just(40u64), Just(10_000)],
    );
    (parts, versions_max, in_flight_max, burst, history).prop_map(
        |(part_bytes, versions_max, in_flight_max, mutation_burst, history)| {
            let limits = Limits {
                in_flight_max,
                mutation_burst,
                mutations_per_second: 100,
                allocate_max: Some(1000),
                mutation_sequences_max: Some(4),
                presence_interval_ms: Some(20),
                document_entries_max: Some(16),
                history_changes_max: Some(history.0),
                history_bytes_max: Some(history.1),
                history_ms: Some(history.2),
                ..Limits::default()
            };
            let retention = Retention {
                versions_max,
                ..Retention::default()
            };
            Config {
                limits,
                retention,
                part_bytes,
                ..Config::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_log_is_what_everyone_sees(
        config in config(),
        filled in any::<bool>(),
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let mut world = World::new(config);
        if filled {
            world.fill();
        }
        for action in &actions {
            world.act(action);
        }
        world.finish();
    }

    #[test]
    fn who_is_present_is_known_to_all_who_watch(
        config in config(),
        actions in prop::collection::vec(present_action(), 1..120),
    ) {
        let mut world = World::new(Config { part_bytes: config.part_bytes.min(200), ..config });
        for _ in 0..3 {
            world.act(&Action::Connect { client: None, room: None });
        }
        for action in &actions {
            world.act(action);
        }
        world.finish();
    }

    #[test]
    fn slow_readers_miss_nothing_that_is_forgotten(
        actions in prop::collection::vec(slow_action(), 1..80),
    ) {
        let mut world = World::new(Config { part_bytes: 1, ..Config::default() });
        world.fill();
        for _ in 0..2 {
            world.act(&Action::Connect { client: None, room: Some(1) });
        }
        for action in &actions {
            world.act(action);
        }
        world.finish();
    }
}
