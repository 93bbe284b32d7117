//! The engine alone: deciding, acknowledging, and making one update for all, without sockets and without a disk.
//!
//! The baseline does what any server must at the least: parse the frame and keep the rows in a map.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::HashMap;
use syncline_schemas::{Hello, Limits};
use syncline_server_core::{Config, Engine, Input, Output, SessionKey, read_frame};

/// Mutations in a frame.
const PUSH: u64 = 100;
/// Frames in a step.
const FRAMES: u64 = 10;
/// Rows in a snapshot.
const SNAPSHOT_ROWS: u64 = 100_000;

fn limits() -> Limits {
    Limits {
        mutations_per_second: 1_000_000_000,
        mutation_burst: 1_000_000_000,
        ..Limits::default()
    }
}

fn push_text(frame: u64) -> String {
    let first = frame * PUSH + 1;
    let follows = if first > 1 {
        format!(r#""follows":"op-{}","#, first - 1)
    } else {
        String::new()
    };
    let mutations: Vec<_> = (first..first + PUSH)
        .map(|seq| {
            format!(
                r#"{{"seq":{seq},"opId":"op-{seq}","ops":[{{"op":"set","table":"notes","key":"note-{seq}","value":{{"text":"a line of text","n":{seq}}}}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"type":"push","epoch":"e",{follows}"mutations":[{}]}}"#,
        mutations.join(",")
    )
}

/// An engine with one writer and, if asked, a subscriber.
fn engine(subscribed: bool) -> Engine {
    let config = Config {
        limits: limits(),
        ..Config::default()
    };
    let mut engine = Engine::open(config, "e".to_owned(), None, []).expect("the limits fit");
    open(&mut engine, 1, Some("writer"));
    if subscribed {
        open(&mut engine, 2, None);
        let subscribe = r#"{"type":"subscribe","id":"s","tables":{"notes":{}}}"#;
        frame(&mut engine, 2, subscribe);
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

/// One whole step; gives the bytes that would be sent.
fn step(engine: &mut Engine) -> usize {
    if !engine.decide(1_000).is_empty() {
        engine.committed();
    }
    while engine.pump(|_| usize::MAX) {}
    let mut bytes = 0;
    while let Some(output) = engine.poll_output() {
        if let Output::Frame { text, to } = output {
            bytes += text.len() * to.len();
        }
    }
    bytes
}

fn apply(criterion: &mut Criterion) {
    let texts: Vec<_> = (0..FRAMES).map(push_text).collect();
    let mut group = criterion.benchmark_group("1000 mutations");
    group.throughput(Throughput::Elements(PUSH * FRAMES));
    group.bench_function("parse to Value, keep in a map (baseline)", |bench| {
        bench.iter(|| {
            let mut rows = HashMap::new();
            for text in &texts {
                let push: serde_json::Value = serde_json::from_str(text).expect("valid JSON");
                for mutation in push["mutations"].as_array().into_iter().flatten() {
                    let op = &mutation["ops"][0];
                    rows.insert(op["key"].to_string(), op["value"].clone());
                }
            }
            rows.len()
        });
    });
    let rounds = [
        ("decide and ack", false, false),
        ("decide, ack and update", true, false),
        ("decide, ack, update and tell the digest", true, true),
    ];
    for (name, subscribed, digested) in rounds {
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || engine(subscribed),
                |mut engine| {
                    for text in &texts {
                        frame(&mut engine, 1, text);
                    }
                    if digested {
                        frame(&mut engine, 2, r#"{"type":"digest","shape":"s1"}"#);
                    }
                    step(&mut engine)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// What a new subscriber of a large table costs.
fn snapshot(criterion: &mut Criterion) {
    let mut engine = engine(false);
    for index in 0..SNAPSHOT_ROWS / PUSH {
        frame(&mut engine, 1, &push_text(index));
        step(&mut engine);
    }
    let mut group = criterion.benchmark_group("100,000 rows");
    group.throughput(Throughput::Elements(SNAPSHOT_ROWS));
    let mut session = 1;
    group.bench_function("snapshot", |bench| {
        bench.iter(|| {
            session += 1;
            open(&mut engine, session, None);
            frame(
                &mut engine,
                session,
                r#"{"type":"subscribe","id":"s","tables":{"notes":{}}}"#,
            );
            let bytes = step(&mut engine);
            engine.enqueue(Input::Close {
                session: SessionKey(session),
            });
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, apply, snapshot);
criterion_main!(benches);
