//! Replicas against a model of a server, under cuts, crashes, copies, restores and long sleeps: random programs, and what must hold after every step
//! of them. The rules of the chapter on the client are what keeps these from failing; take one out, and one of them does.
#![allow(clippy::unwrap_used, reason = "a test")]

mod check;
mod decide;
mod documents;
mod duties;
mod filters;
mod presence;
mod server;
mod upgrades;
mod world;
mod writes;

use proptest::prelude::*;
use world::{Step, World};
use writes::Write;

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => Just(Write::Set),
        2 => Just(Write::SetFields),
        3 => Just(Write::Patch),
        2 => Just(Write::Delete),
        2 => Just(Write::SetIf),
        2 => Just(Write::Many),
        4 => Just(Write::Append),
        2 => Just(Write::Compact),
        1 => Just(Write::DeleteDocument),
        1 => Just(Write::Poison),
        1 => Just(Write::Observe),
    ]
}

/// What happens to every app.
fn ordinary() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, write(), any::<u8>()).prop_map(|(client, write, key)| Step::Write(client, write, key)),
        12 => (0..3_usize).prop_map(Step::ServerReads),
        12 => (0..3_usize).prop_map(Step::ClientReads),
        6 => (0..3_usize).prop_map(Step::TakeId),
        4 => (0..3_usize).prop_map(Step::Flush),
        4 => (0..400_u16).prop_map(Step::Tick),
        2 => (0..3_usize).prop_map(Step::Cut),
        1 => (0..3_usize).prop_map(Step::Lose),
        1 => (0..3_usize).prop_map(Step::Crash),
        1 => (0..3_usize).prop_map(Step::Upgrade),
        2 => (0..3_usize, any::<bool>()).prop_map(|(client, urgent)| Step::Urge(client, urgent)),
        3 => (0..3_usize, any::<u8>()).prop_map(|(client, state)| Step::Present(client, state)),
        2 => (0..3_usize, any::<u8>()).prop_map(|(client, choice)| Step::Steer(client, choice)),
        2 => (0..3_usize, any::<u8>()).prop_map(|(client, choice)| Step::Refilter(client, choice)),
        1 => Just(Step::Defer),
        1 => Just(Step::Truncate),
    ]
}

/// Programs in which stores are copied, and everybody sleeps for longer than the server remembers.
fn with_copies() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => ordinary(),
        2 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => Just(Step::LongSleep),
    ]
}

/// Programs in which the server goes back to a backup. (Copies together with that are not promised to apply once.)
fn with_restores() -> impl Strategy<Value = Step> {
    prop_oneof![60 => ordinary(), 1 => Just(Step::Backup), 1 => Just(Step::Restore)]
}

fn run(clients: usize, program: &[Step]) {
    let mut world = World::new(clients);
    world.check();
    for step in program {
        world.step(*step);
        world.check();
    }
    world.quiesce();
    world.check();
    world.check_converged();
}

/// Enough for every change; `PROPTEST_CASES=20000` for a night.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_converge_whatever_breaks(program in prop::collection::vec(ordinary(), 1..120)) {
        run(2, &program);
    }

    #[test]
    fn copies_and_the_forgotten_apply_nothing_twice(program in prop::collection::vec(with_copies(), 1..160)) {
        run(3, &program);
    }

    #[test]
    fn a_restored_server_is_followed(program in prop::collection::vec(with_restores(), 1..160)) {
        run(2, &program);
    }
}
