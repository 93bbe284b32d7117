//! What filters cost the engine: one step with a hundred writes, for 1, 100 and 10,000 subscribers of 50 different filters, beside as many without.
//!
//! A filter is looked at once for each changed row, however many subscribe by it, and its update is encoded once: so the price is that of the filters, not of
//! the subscribers. Two kinds: filters of which each takes a fiftieth of the rows, as those of an app do, and filters of which each takes every row, so that as much
//! is sent as without.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use syncline_schemas::{Hello, Limits};
use syncline_server_core::{Config, Engine, Input, Output, SessionKey, read_frame};

/// Writes in a step.
const WRITES: u64 = 100;
/// Filters that differ.
const FILTERS: u64 = 50;

fn limits() -> Limits {
    Limits {
        mutations_per_second: 1_000_000_000,
        mutation_burst: 1_000_000_000,
        ..Limits::default()
    }
}

/// The settings of the table for a subscriber of this number.
type Settings = fn(u64) -> String;

const KINDS: [(&str, Settings); 3] = [
    ("no filter (baseline)", |_| "{}".to_owned()),
    ("each takes a fiftieth", |number| {
        format!(r#"{{"where":{{"field":"n","eq":{}}}}}"#, number % FILTERS)
    }),
    ("each takes everything", |number| {
        format!(r#"{{"where":{{"field":"n","gte":-{}}}}}"#, number % FILTERS)
    }),
];

fn engine(subscribers: u64, settings: Settings) -> Engine {
    let config = Config {
        limits: limits(),
        ..Config::default()
    };
    let mut engine = Engine::open(config, "e".to_owned(), None, []).expect("the limits fit");
    open(&mut engine, 0, Some("writer"));
    for number in 1..=subscribers {
        open(&mut engine, number, None);
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"s","tables":{{"notes":{}}}}}"#,
            settings(number)
        );
        frame(&mut engine, number, &subscribe);
    }
    step(&mut engine);
    engine
}

fn open(engine: &mut Engine, session: u64, client: Option<&str>) {
    let hello = Hello {
        workspace: "w".to_owned(),
        client_id: client.map(str::to_owned),
        acked_seq: None,
        capabilities: None,
    };
    engine.enqueue(Input::Open {
        session: SessionKey(session),
        name: format!("session-{session}"),
        hello,
    });
}

fn frame(engine: &mut Engine, session: u64, text: &str) {
    let request =
        read_frame(text, &limits(), &Config::default().capabilities).expect("a valid frame");
    engine.enqueue(Input::Frame {
        session: SessionKey(session),
        re: 2,
        request,
    });
}

/// One whole step; gives how many frames go out, counted for each who gets one.
fn step(engine: &mut Engine) -> usize {
    if !engine.decide(1_000).is_empty() {
        engine.committed();
    }
    while engine.pump(|_| usize::MAX) {}
    let mut frames = 0;
    while let Some(output) = engine.poll_output() {
        if let Output::Frame { to, .. } = output {
            frames += to.len();
        }
    }
    frames
}

/// A push of a hundred writes to rows of their own, spread over what the filters look at.
fn push(round: u64) -> String {
    let first = round * WRITES + 1;
    let follows = match first {
        1 => String::new(),
        _ => format!(r#""follows":"op-{}","#, first - 1),
    };
    let mutations: Vec<_> = (first..first + WRITES)
        .map(|seq| {
            let n = seq % FILTERS;
            format!(
                r#"{{"seq":{seq},"opId":"op-{seq}","ops":[{{"op":"set","table":"notes","key":"note-{}","value":{{"text":"a line of text, and some more of it","n":{n},"done":false}}}}]}}"#,
                seq % 1000
            )
        })
        .collect();
    format!(
        r#"{{"type":"push","epoch":"e",{follows}"mutations":[{}]}}"#,
        mutations.join(",")
    )
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100 writes to subscribers");
    group.throughput(Throughput::Elements(WRITES));
    for subscribers in [1, 100, 10_000] {
        for (name, settings) in KINDS {
            let mut engine = engine(subscribers, settings);
            let mut round = 0;
            group.bench_function(BenchmarkId::new(name, subscribers), |bench| {
                bench.iter_batched(
                    || {
                        round += 1;
                        push(round - 1)
                    },
                    |text| {
                        frame(&mut engine, 0, &text);
                        step(&mut engine)
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
