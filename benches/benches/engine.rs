//! The engine alone, by the clock: deciding, acknowledging, and making one update for all, without sockets and without a disk.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use syncline_benches::rounds::{self, SET};
use syncline_benches::workspace::{Workspace, config, push};

/// The server's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sessions that hear of something.
const SESSIONS: u64 = 100;
/// Rows in a snapshot.
const SNAPSHOT_ROWS: u64 = 100_000;

/// The rounds that instructions are counted of, too.
fn writes(criterion: &mut Criterion) {
    for rounds in rounds::writes() {
        let mut group = criterion.benchmark_group(rounds.name);
        group.throughput(Throughput::Elements(rounds.elements));
        for (name, set_up) in &rounds.rounds {
            group.bench_function(name, |bench| {
                bench.iter_batched_ref(set_up, |run| run(), BatchSize::LargeInput);
            });
        }
        group.finish();
    }
}

/// What a new subscriber of a large table costs.
fn snapshot(criterion: &mut Criterion) {
    let mut workspace = Workspace::new(config());
    workspace.open(1, Some("writer"));
    for first in (1..=SNAPSHOT_ROWS).step_by(100) {
        let op = |seq| format!(r#"{SET},"table":"notes","key":"note-{seq}""#);
        workspace.frame(1, &push(first, 100, op));
        workspace.step();
    }
    let mut group = criterion.benchmark_group("100,000 rows");
    group.throughput(Throughput::Elements(SNAPSHOT_ROWS));
    let mut session = 1;
    group.bench_function("snapshot", |bench| {
        bench.iter(|| {
            session += 1;
            workspace.open(session, None);
            workspace.subscribe(session, "{}");
            let sent = workspace.step();
            workspace.close(session);
            sent.bytes
        });
    });
    group.finish();
}

/// Words of presence, beside writes to as many: each step one session says something, and a hundred hear it.
fn presence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("to 100 sessions");
    group.throughput(Throughput::Elements(SESSIONS));
    for (name, speaks) in [("a set (baseline)", false), ("a word of presence", true)] {
        let mut workspace = Workspace::new(config());
        workspace.open(1, Some("writer"));
        for session in 2..SESSIONS + 2 {
            workspace.open(session, None);
            match speaks {
                true => workspace.frame(session, &moved(0)),
                false => workspace.subscribe(session, "{}"),
            }
        }
        workspace.step();
        let mut seq = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                seq += 1;
                workspace.sleep(1_000);
                match speaks {
                    true => workspace.frame(2 + seq % SESSIONS, &moved(seq)),
                    false => workspace.frame(1, &one_set(seq)),
                }
                let sent = workspace.step();
                assert!(sent.frames as u64 >= SESSIONS, "all of them hear it");
                sent.bytes
            });
        });
    }
    group.finish();
}

fn moved(word: u64) -> String {
    format!(r#"{{"type":"present","state":{{"cursor":[{word},4],"name":"ann"}}}}"#)
}

fn one_set(seq: u64) -> String {
    let op = |seq| format!(r#"{SET},"table":"notes","key":"note-{}""#, seq % 1_000);
    push(seq, 1, op)
}

criterion_group!(benches, writes, presence, snapshot);
criterion_main!(benches);
