//! What documents cost the engine: appends beside plain sets, with a hundred who hear of them; a compaction; and who comes and fetches a document, whole or as one of many.
//!
//! An append touches neither the entries before it nor their bytes, so its price is not to depend on how many there are.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline_schemas::{Hello, Limits};
use syncline_server_core::{Config, Engine, Input, Output, SessionKey, read_frame};

/// Writes in a step.
const WRITES: u64 = 100;
/// Sessions that hear of them.
const SUBSCRIBERS: u64 = 100;
/// Entries of a long document.
const ENTRIES: u64 = 1_000;
/// Documents of a table of which one is opened.
const DOCUMENTS: u64 = 100;

/// As many bytes as the sets write.
const DATA: &str = "YSBsaW5lIG9mIHRleHQsIGFuZCBzb21lIG1vcmUgb2YgaXQuIQ==";
const SET: &str = r#""op":"set","value":"a line of text, and some more of it, up to 52 bytes.""#;

fn limits() -> Limits {
    Limits {
        mutations_per_second: 1_000_000_000,
        mutation_burst: 1_000_000_000,
        document_entries_max: Some(1_000_000),
        document_bytes_max: Some(1 << 40),
        ..Limits::default()
    }
}

/// An engine with a writer, and how many mutations that has made.
struct World {
    engine: Engine,
    seq: u64,
    sessions: u64,
}

impl World {
    /// The table `drawings` is one of documents; `notes` is not.
    fn new() -> World {
        let config = Config {
            limits: limits(),
            ..Config::default()
        };
        let engine = Engine::open(config, "e".to_owned(), None, []).expect("the limits fit");
        let (seq, sessions) = (0, 0);
        let mut world = World {
            engine,
            seq,
            sessions,
        };
        world.open(Some("writer"));
        let declare = r#"{"op":"declare","table":"drawings","kind":"document"}"#.to_owned();
        let push = world.push([declare]);
        world.frame(1, &push);
        world.step();
        world
    }

    /// A document of so many entries.
    fn with_entries(entries: u64) -> World {
        let mut world = World::new();
        world.fill("d", entries);
        world
    }

    fn fill(&mut self, key: &str, entries: u64) {
        for first in (0..entries).step_by(WRITES as usize) {
            let some = WRITES.min(entries - first);
            let push = self.push((0..some).map(|_| append(key)));
            self.frame(1, &push);
            self.step();
        }
    }

    /// Everybody hears of both tables.
    fn subscribed(mut self) -> World {
        for _ in 0..SUBSCRIBERS {
            let session = self.open(None);
            self.frame(
                session,
                r#"{"type":"subscribe","id":"s","tables":{"drawings":{},"notes":{}}}"#,
            );
        }
        self.step();
        self
    }

    fn open(&mut self, client: Option<&str>) -> u64 {
        self.sessions += 1;
        let hello = Hello {
            workspace: "w".to_owned(),
            client_id: client.map(str::to_owned),
            acked_seq: None,
            capabilities: Some(vec!["documents".to_owned()]),
        };
        self.engine.enqueue(Input::Open {
            session: SessionKey(self.sessions),
            name: format!("session-{}", self.sessions),
            hello,
        });
        self.sessions
    }

    /// A push of the next mutations, each of one of these ops.
    fn push(&mut self, ops: impl IntoIterator<Item = String>) -> String {
        let follows = match self.seq {
            0 => String::new(),
            seq => format!(r#""follows":"op-{seq}","#),
        };
        let mutation = |op: String| {
            self.seq += 1;
            format!(r#"{{"seq":{0},"opId":"op-{0}","ops":[{op}]}}"#, self.seq)
        };
        let mutations: Vec<_> = ops.into_iter().map(mutation).collect();
        format!(
            r#"{{"type":"push","epoch":"e",{follows}"mutations":[{}]}}"#,
            mutations.join(",")
        )
    }

    fn frame(&mut self, session: u64, text: &str) {
        let request =
            read_frame(text, &limits(), &Config::default().capabilities).expect("a valid frame");
        self.engine.enqueue(Input::Frame {
            session: SessionKey(session),
            re: 2,
            request,
        });
    }

    /// One whole step; gives the bytes that would be sent.
    fn step(&mut self) -> usize {
        if !self.engine.decide(1_000).is_empty() {
            self.engine.committed();
        }
        while self.engine.pump(|_| usize::MAX) {}
        let mut bytes = 0;
        while let Some(output) = self.engine.poll_output() {
            if let Output::Frame { text, to } = output {
                bytes += text.len() * to.len();
            }
        }
        bytes
    }

    /// Somebody comes, subscribes so, and goes.
    fn visit(&mut self, tables: &str) -> usize {
        let session = self.open(None);
        let subscribe = format!(r#"{{"type":"subscribe","id":"s","tables":{tables}}}"#);
        self.frame(session, &subscribe);
        let bytes = self.step();
        self.engine.enqueue(Input::Close {
            session: SessionKey(session),
        });
        bytes
    }
}

fn append(key: &str) -> String {
    format!(r#"{{"op":"append","table":"drawings","key":"{key}","data":"{DATA}"}}"#)
}

/// The op of this number: a row of its own each.
fn set(number: u64) -> String {
    format!(r#"{{{SET},"table":"notes","key":"note-{number}"}}"#)
}

/// A hundred writes in a step, to a hundred subscribers.
fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100 writes to 100 subscribers");
    group.throughput(Throughput::Elements(WRITES));
    let mut round = |name: BenchmarkId, entries: u64, ops: fn() -> Vec<String>| {
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || {
                    let mut world = World::with_entries(entries).subscribed();
                    let push = world.push(ops());
                    (world, push)
                },
                |(mut world, push)| {
                    world.frame(1, &push);
                    let bytes = world.step();
                    assert!(bytes as u64 > SUBSCRIBERS * WRITES * 50, "all hear of it");
                    world
                },
                BatchSize::LargeInput,
            );
        });
    };
    let sets = || (0..WRITES).map(set).collect();
    round(BenchmarkId::from_parameter("sets (baseline)"), 1, sets);
    for entries in [1, 100, ENTRIES] {
        let appends = || (0..WRITES).map(|_| append("d")).collect();
        round(BenchmarkId::new("appends to", entries), entries, appends);
    }
    group.finish();
}

/// One mutation that puts an entry in the place of a thousand.
fn compact(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one mutation, to 100 subscribers");
    let compaction = format!(
        r#"{{"op":"compact","table":"drawings","key":"d","covers":{},"data":"{DATA}"}}"#,
        ENTRIES + 1
    );
    let rounds = [
        ("set (baseline)", set(1)),
        ("compaction of 1,000 entries", compaction),
        (
            "delete of 1,000 entries",
            r#"{"op":"delete","table":"drawings","key":"d"}"#.to_owned(),
        ),
    ];
    for (name, op) in rounds {
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || {
                    let mut world = World::with_entries(ENTRIES).subscribed();
                    let push = world.push([op.clone()]);
                    (world, push)
                },
                |(mut world, push)| {
                    world.frame(1, &push);
                    assert!(world.step() as u64 > SUBSCRIBERS * 50, "all hear of it");
                    world
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Who comes, and fetches a thousand of something.
fn catch_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1,000 fetched");
    group.throughput(Throughput::Elements(ENTRIES));
    let mut rows = World::new();
    for first in (0..ENTRIES).step_by(WRITES as usize) {
        let push = rows.push((first..first + WRITES).map(set));
        rows.frame(1, &push);
        rows.step();
    }
    let mut many = World::new();
    for number in 0..DOCUMENTS {
        many.fill(&format!("d{number}"), ENTRIES);
    }
    let rounds = [
        ("rows (baseline)", rows, r#"{"notes":{}}"#),
        (
            "entries of the only document",
            World::with_entries(ENTRIES),
            r#"{"drawings":{}}"#,
        ),
        (
            "entries of one document of a hundred",
            many,
            r#"{"drawings":{"where":{"keys":["d7"]}}}"#,
        ),
    ];
    for (name, mut world, tables) in rounds {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let bytes = world.visit(tables);
                assert!(bytes as u64 > ENTRIES * 50, "all of it comes");
                bytes
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appends, compact, catch_up);
criterion_main!(benches);
