//! The hunt: seed after seed, on several threads, until the seeds or the time are over.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::judge::{Failed, Judged, judge};
use crate::history::{Entry, Event};
use syncline_sim::plan;

/// What to hunt through.
#[derive(Clone, Debug)]
pub struct Search {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Ends after so long, whatever seeds are left.
    pub time: Option<Duration>,
    /// Threads.
    pub jobs: usize,
    /// Clients of each plan.
    pub clients: usize,
    /// Operations of each plan, over all clients.
    pub operations: usize,
    /// Ends at so many failed seeds.
    pub failures_max: usize,
    /// Whether a sum of all histories is made.
    pub fingerprint: bool,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Find {
    /// The seed.
    pub seed: u64,
    /// After how long it was found.
    pub after: Duration,
    /// What does not hold.
    pub failures: Vec<Failed>,
}

/// What came of a hunt.
#[derive(Clone, Debug, Default)]
pub struct Hunt {
    /// How many histories were judged.
    pub histories: u64,
    /// How many entries they have.
    pub entries: u64,
    /// How many things happened in the simulated worlds.
    pub events: u64,
    /// How many records their logs came to hold.
    pub records: u64,
    /// How long they took in their own time, in milliseconds.
    pub virtual_ms: u64,
    /// How long it took.
    pub took: Duration,
    /// The seeds that failed, in their order.
    pub finds: Vec<Find>,
    /// A sum of each seed's history, if asked for.
    pub sums: BTreeMap<u64, String>,
}

/// Hunts. `tick` is called now and then with what has come of it so far.
#[must_use]
pub fn hunt(search: &Search, tick: impl Fn(&Hunt) + Sync) -> Hunt {
    let began = Instant::now();
    let next = AtomicU64::new(search.seeds.start);
    let hunt = Mutex::new(Hunt::default());
    let told = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            let over = search.time.is_some_and(|time| began.elapsed() >= time);
            let failed = with(&hunt, |hunt| hunt.finds.len());
            if seed >= search.seeds.end || over || failed >= search.failures_max {
                return;
            }
            let judged = judge(&plan(seed, search.clients, search.operations));
            let sum = search.fingerprint.then(|| sum_of(&judged.facts.entries));
            with(&hunt, |hunt| hunt.count(seed, judged, sum, began.elapsed()));
            let second = began.elapsed().as_secs();
            if told.fetch_max(second, Relaxed) < second {
                with(&hunt, |hunt| {
                    hunt.took = began.elapsed();
                    tick(hunt);
                });
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..search.jobs {
            scope.spawn(work);
        }
        work();
    });
    let mut hunt = hunt.into_inner().unwrap_or_else(PoisonError::into_inner);
    hunt.took = began.elapsed();
    hunt.finds.sort_by_key(|find| find.seed);
    hunt
}

fn with<T>(hunt: &Mutex<Hunt>, act: impl FnOnce(&mut Hunt) -> T) -> T {
    act(&mut hunt.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Hunt {
    fn count(&mut self, seed: u64, judged: Judged, sum: Option<String>, after: Duration) {
        self.histories += 1;
        self.entries += judged.facts.entries.len() as u64;
        self.events += judged.ended.events;
        self.records += judged.ended.records;
        self.virtual_ms += judged.ended.virtual_ms;
        self.sums.extend(sum.map(|sum| (seed, sum)));
        if !judged.failures.is_empty() {
            let failures = judged.failures;
            self.finds.push(Find {
                seed,
                after,
                failures,
            });
        }
    }
}

/// A sum of a history, byte for byte, times included.
#[must_use]
pub fn sum_of(entries: &[Entry]) -> String {
    let mut sum = Sha256::new();
    for Entry { at_us, event } in entries {
        sum.update(at_us.to_le_bytes());
        match event {
            Event::Sent {
                conn,
                frame,
                resumes,
                ..
            } => {
                sum.update(format!("{conn}>{resumes:?}{:?}", frame.body));
            }
            Event::Received { conn, frame } => sum.update(format!("{conn}<{:?}", frame.body)),
            other => sum.update(format!("{other:?}")),
        }
    }
    let digits = sum.finalize();
    digits[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
