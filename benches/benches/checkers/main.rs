//! Judging a history: the facts and all checkers, for one long session and for eight clients in one workspace.
//!
//! The baseline is reading the same frames as JSON, which no checker can do without. Throughput is in events: where it is the same for ten thousand
//! and for a million, judging is linear.

mod honest;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use mimalloc::MiMalloc;
use std::cell::LazyCell;
use std::sync::Arc;
use syncline_conformance::checkers;
use syncline_conformance::facts::Facts;
use syncline_conformance::history::{Body, Entry, Event, Frame};
use syncline_schemas::Limits;

/// As the runner has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the histories are.
const EVENTS: [usize; 3] = [10_000, 100_000, 1_000_000];

/// The frames of a correct session, and whether the runner sent them: of each write a push, an ack and an update.
fn frames(writes: u64) -> Vec<(bool, String)> {
    let limits = serde_json::to_string(&Limits::default()).expect("limits are JSON");
    let welcome = format!(
        r#"{{"type":"welcome","epoch":"e","version":0,"lastSeq":0,"results":[],"session":"s","capabilities":[],"limits":{limits},"serverTime":1,"server":{{"name":"x","version":"1"}}}}"#
    );
    let mut frames = vec![
        (
            true,
            r#"{"type":"hello","workspace":"w","clientId":"writer-1"}"#.to_owned(),
        ),
        (false, welcome),
        (
            true,
            r#"{"type":"subscribe","id":"i","tables":{"notes":{}}}"#.to_owned(),
        ),
        (
            false,
            r#"{"type":"subscribed","id":"i","shape":"sh","tables":{"notes":{}}}"#.to_owned(),
        ),
        (
            false,
            r#"{"type":"update","shape":"sh","from":0,"to":0,"replace":true,"changes":[]}"#
                .to_owned(),
        ),
    ];
    for seq in 1..=writes {
        let follows = if seq > 1 {
            format!(r#""follows":"op-{}","#, seq - 1)
        } else {
            String::new()
        };
        frames.push((
            true,
            format!(
                r#"{{"type":"push","epoch":"e",{follows}"mutations":[{{"seq":{seq},"opId":"op-{seq}","ops":[{{"op":"set","table":"notes","key":"k{}","value":{seq}}}]}}]}}"#,
                seq % 1000
            ),
        ));
        frames.push((
            false,
            format!(
                r#"{{"type":"ack","re":{},"results":[{{"status":"applied","seq":{seq},"opId":"op-{seq}","version":{seq}}}]}}"#,
                seq + 2
            ),
        ));
        frames.push((
            false,
            format!(
                r#"{{"type":"update","shape":"sh","from":{},"to":{seq},"changes":[{{"op":"set","table":"notes","key":"k{}","version":{seq},"value":{seq}}}]}}"#,
                seq - 1,
                seq % 1000
            ),
        ));
    }
    frames
}

fn one_session(events: usize) -> Vec<Entry> {
    history(&frames(events as u64 / 3))
}

fn history(frames: &[(bool, String)]) -> Vec<Entry> {
    let opened = Event::Opened {
        conn: 0,
        name: "a".to_owned(),
    };
    let events = frames.iter().map(|(sent, text)| {
        let frame = Arc::new(Frame::text(text.clone()));
        if *sent {
            Event::Sent {
                conn: 0,
                frame,
                resumes: None,
                own: true,
            }
        } else {
            Event::Received { conn: 0, frame }
        }
    });
    let entries = std::iter::once(opened).chain(events).enumerate();
    entries
        .map(|(at, event)| Entry {
            at_us: at as u64,
            event,
        })
        .collect()
}

/// The text of each frame.
fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| match &entry.event {
        Event::Sent { frame, .. } | Event::Received { frame, .. } => match &frame.body {
            Body::Text(text) => Some(text.clone()),
            Body::Binary(_) => None,
        },
        _ => None,
    };
    entries.iter().filter_map(text).collect()
}

/// What is judged: made only when something asks for it, as a filter may leave it out.
struct Made {
    entries: Vec<Entry>,
    texts: Vec<String>,
    facts: Facts,
}

impl Made {
    fn of(entries: Vec<Entry>) -> Made {
        let facts = Facts::of(entries.clone());
        let found = checkers::check(&facts);
        assert!(
            found.violations.is_empty() && found.internal.is_empty() && found.unclear.is_empty(),
            "the history is correct: {:?} {:?}",
            found.violations.first(),
            found.internal.first()
        );
        let texts = texts(&entries);
        Made {
            entries,
            texts,
            facts,
        }
    }
}

fn judge(criterion: &mut Criterion, name: &str, make: fn(usize) -> Vec<Entry>) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for events in EVENTS {
        let made = LazyCell::new(|| Made::of(make(events)));
        group.throughput(Throughput::Elements(events as u64));
        let json = BenchmarkId::new("read as JSON (baseline)", events);
        group.bench_function(json, |bench| {
            let made = LazyCell::force(&made);
            bench.iter(|| {
                let read = made.texts.iter().map(|text| Frame::text(text.clone()));
                read.filter(|frame| frame.json.is_some()).count()
            });
        });
        let folded = BenchmarkId::new("facts", events);
        group.bench_function(folded, |bench| {
            let made = LazyCell::force(&made);
            bench.iter_batched(|| made.entries.clone(), Facts::of, BatchSize::PerIteration);
        });
        let checked = BenchmarkId::new("all checkers", events);
        group.bench_function(checked, |bench| {
            let made = LazyCell::force(&made);
            bench.iter(|| checkers::check(&made.facts).judged.len());
        });
    }
    group.finish();
}

fn both(criterion: &mut Criterion) {
    judge(criterion, "eight clients", honest::history);
    judge(criterion, "one session", one_session);
}

criterion_group!(benches, both);
criterion_main!(benches);
