//! Shrinking: leaves doings out of a plan for as long as it goes on failing for one of the same reasons. A run takes milliseconds and fails every time, so all
//! can be tried, one after the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::judge::judge;
use syncline_sim::{Plan, Settings};

/// How long it may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// The smallest plan that was found which fails in one of these ways.
#[must_use]
pub fn shrink(plan: &Plan, kinds: &BTreeSet<String>) -> Plan {
    let until = Instant::now() + TIME_MAX;
    let fails = |plan: &Plan| !judge(plan).kinds().is_disjoint(kinds);
    let mut smallest = plan.clone();
    loop {
        let before = smallest.clone();
        fewer_doings(&mut smallest, &fails, until);
        simpler(&mut smallest, &fails, until);
        if smallest == before || Instant::now() > until {
            return smallest;
        }
    }
}

/// Leaves out halves, then quarters, and so on down to single doings.
fn fewer_doings(plan: &mut Plan, fails: &impl Fn(&Plan) -> bool, until: Instant) {
    let mut size = plan.doings.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < plan.doings.len() && Instant::now() < until {
            let mut smaller = plan.clone();
            smaller.doings.drain(at..(at + size).min(plan.doings.len()));
            if fails(&smaller) {
                *plan = smaller;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
}

/// What makes a plan simpler without leaving anything out.
fn simpler(plan: &mut Plan, fails: &impl Fn(&Plan) -> bool, until: Instant) {
    let changes: [fn(&mut Plan); 9] = [
        |plan| plan.nodes = 1,
        |plan| plan.clients = plan.clients.saturating_sub(1).max(1),
        |plan| plan.settings.presence = false,
        |plan| plan.settings.block = 0,
        |plan| plan.settings.in_flight = 256,
        |plan| plan.settings.burst = 4_000,
        |plan| plan.settings.versions = 1_000_000,
        |plan| {
            (plan.settings.part_bytes, plan.settings.outbox_bytes) = (64 * 1024, 1 << 20);
        },
        |plan| {
            plan.settings = Settings {
                latency_us: (100, 300),
                append_us: (50, 2_000),
                store_us: 0,
                step_bytes: 32 << 20,
                ..plan.settings.clone()
            }
        },
    ];
    for change in changes {
        let mut other = plan.clone();
        change(&mut other);
        if other != *plan && Instant::now() < until && fails(&other) {
            *plan = other;
        }
    }
}
