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
/// Sessions that hear of something.
const SESSIONS: u64 = 100;
/// Rows in a snapshot.
const SNAPSHOT_ROWS: u64 = 100_000;

fn limits() -> Limits {
    Limits {
        mutations_per_second: 1_000_000_000,
        mutation_burst: 1_000_000_000,
        ..Limits::default()
    }
}

/// Tables whose fields are decided one by one.
const BY_FIELD: &str = r#"server_wins","granularity":"field"#;
const BY_FIELD_LAST: &str = r#"last_write_wins","granularity":"field"#;

/// Sets a whole row.
const SET: &str = r#""op":"set","value":{"text":"a line of text","n":0}"#;

fn push_text(frame: u64, op: &str) -> String {
    let first = frame * PUSH + 1;
    let follows = if first > 1 {
        format!(r#""follows":"op-{}","#, first - 1)
    } else {
        String::new()
    };
    let mutations: Vec<_> = (first..first + PUSH)
        .map(|seq| {
            format!(
                r#"{{"seq":{seq},"opId":"op-{seq}","ops":[{{{op},"table":"notes","key":"note-{seq}"}}]}}"#
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
        capabilities: Some(vec!["presence".to_owned()]),
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
    step_at(engine, 1_000)
}

fn step_at(engine: &mut Engine, now_ms: u64) -> usize {
    if !engine.decide(now_ms).is_empty() {
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

/// The pushes of 1000 mutations, each with this op on a row of its own.
fn pushes(op: &str) -> Vec<String> {
    (0..FRAMES).map(|frame| push_text(frame, op)).collect()
}

/// Writes to rows that another client has written: what strategies and patches cost beside a plain set.
fn rewrite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("1000 mutations of others' rows");
    group.throughput(Throughput::Elements(PUSH * FRAMES));
    let patch = r#""op":"patch","fields":{"n":1}"#;
    let seen = r#""op":"patch","fields":{"n":1},"base":1001"#;
    let rounds = [
        ("set (baseline)", None, SET),
        ("patch a field", None, patch),
        ("set under last_write_wins", Some("last_write_wins"), SET),
        (
            "set under server_wins, superseded",
            Some("server_wins"),
            SET,
        ),
        ("set under keep_both", Some("keep_both"), SET),
        (
            "patch under last_write_wins",
            Some("last_write_wins"),
            patch,
        ),
        (
            "patch under server_wins, field by field",
            Some(BY_FIELD),
            seen,
        ),
        (
            "patch under server_wins, field by field, superseded",
            Some(BY_FIELD),
            patch,
        ),
        (
            "set under last_write_wins, field by field",
            Some(BY_FIELD_LAST),
            SET,
        ),
    ];
    let rows = pushes(SET);
    for (name, strategy, op) in rounds {
        let texts = pushes(op);
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || written(&rows, strategy),
                |mut engine| {
                    texts.iter().for_each(|text| frame(&mut engine, 1, text));
                    step(&mut engine)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// An engine whose rows another client has written, in a table of this strategy.
fn written(rows: &[String], strategy: Option<&str>) -> Engine {
    let mut engine = engine(false);
    for (session, client) in [(3, "declarer"), (4, "other")] {
        open(&mut engine, session, Some(client));
    }
    if let Some(strategy) = strategy {
        let op = format!(r#""op":"declare","strategy":"{strategy}""#);
        let declare = format!(
            r#"{{"type":"push","epoch":"e","mutations":[{{"seq":1,"opId":"d","ops":[{{{op},"table":"notes"}}]}}]}}"#
        );
        frame(&mut engine, 3, &declare);
    }
    rows.iter().for_each(|text| frame(&mut engine, 4, text));
    step(&mut engine);
    engine
}

fn apply(criterion: &mut Criterion) {
    let texts = pushes(SET);
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
        frame(&mut engine, 1, &push_text(index, SET));
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

/// Words of presence, beside writes to as many: each step one session says something, and a hundred hear it.
fn presence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("to 100 sessions");
    group.throughput(Throughput::Elements(SESSIONS));
    let subscribe = r#"{"type":"subscribe","id":"s","tables":{"notes":{}}}"#;
    let present = r#"{"type":"present","state":{"cursor":[17,4],"name":"ann"}}"#;
    let rounds = [
        ("a set (baseline)", subscribe),
        ("a word of presence", present),
    ];
    for (name, joins) in rounds {
        let mut engine = engine(false);
        for session in 2..SESSIONS + 2 {
            open(&mut engine, session, None);
            frame(&mut engine, session, joins);
        }
        step(&mut engine);
        let (mut now_ms, mut seq) = (1_000, 0);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                now_ms += 1_000;
                seq += 1;
                match joins == present {
                    true => frame(&mut engine, 2 + seq % SESSIONS, &moved(seq)),
                    false => frame(&mut engine, 1, &one_set(seq)),
                }
                let bytes = step_at(&mut engine, now_ms);
                assert!(bytes as u64 > SESSIONS * 50, "all of them hear it");
                bytes
            });
        });
    }
    group.finish();
}

fn moved(word: u64) -> String {
    format!(r#"{{"type":"present","state":{{"cursor":[{word},4],"name":"ann"}}}}"#)
}

fn one_set(seq: u64) -> String {
    let follows = match seq {
        1 => String::new(),
        _ => format!(r#""follows":"op-{}","#, seq - 1),
    };
    let op = format!(r#"{{{SET},"table":"notes","key":"note-{}"}}"#, seq % 1_000);
    format!(
        r#"{{"type":"push","epoch":"e",{follows}"mutations":[{{"seq":{seq},"opId":"op-{seq}","ops":[{op}]}}]}}"#
    )
}

criterion_group!(benches, apply, rewrite, presence, snapshot);
criterion_main!(benches);
