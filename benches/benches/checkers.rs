//! Judging a history: the facts and all checkers, for a session of many pushes and updates.
//!
//! The baseline is reading the same frames as JSON, which no checker can do without.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;
use syncline_conformance::checkers;
use syncline_conformance::facts::Facts;
use syncline_conformance::history::{Entry, Event, Frame};
use syncline_schemas::Limits;

/// Writes in the history; each is a push, an ack and an update.
const WRITES: u64 = 10_000;

/// The frames of a correct session, and whether the runner sent them.
fn frames() -> Vec<(bool, String)> {
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
    for seq in 1..=WRITES {
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

fn judge(criterion: &mut Criterion) {
    let frames = frames();
    let entries = history(&frames);
    let found = checkers::check(&Facts::of(entries.clone()));
    assert!(
        found.violations.is_empty(),
        "the session is correct: {:?}",
        found.violations.first()
    );
    let mut group = criterion.benchmark_group("history of 30,000 frames");
    group.sample_size(10);
    group.throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("read as JSON (baseline)", |bench| {
        bench.iter(|| {
            frames
                .iter()
                .filter(|(_, text)| Frame::text(text.clone()).json.is_some())
                .count()
        });
    });
    group.bench_function("facts", |bench| {
        bench.iter_batched(|| entries.clone(), Facts::of, BatchSize::LargeInput);
    });
    let facts = Facts::of(entries.clone());
    group.bench_function("all checkers", |bench| {
        bench.iter(|| checkers::check(&facts).judged.len())
    });
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
