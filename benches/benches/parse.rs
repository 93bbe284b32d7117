//! Reading a frame: the strict, typed way of `syncline-schemas`, beside what a program without schemas would do.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use syncline_schemas::{ClientMessage, ServerMessage};

const PUSH: &str = r#"{"type":"push","epoch":"e1","follows":"op-41","mutations":[{"seq":42,"opId":"op-42","ops":[{"op":"set","table":"notes","key":"n1","value":{"text":"hello"}}]}]}"#;

fn update(changes: usize) -> String {
    let changes: Vec<_> = (0..changes)
        .map(|n| format!(r#"{{"op":"set","table":"notes","key":"n{n}","version":{n},"value":{{"text":"a line of text","done":false,"n":{n}}}}}"#))
        .collect();
    format!(
        r#"{{"type":"update","shape":"s1","from":0,"to":{},"changes":[{}]}}"#,
        changes.len(),
        changes.join(",")
    )
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push of 160 bytes");
    group.throughput(Throughput::Elements(1));
    group.bench_function("serde_json::Value (baseline)", |bench| {
        bench.iter(|| serde_json::from_str::<serde_json::Value>(black_box(PUSH)).map(|_| ()));
    });
    group.bench_function("strict and typed", |bench| {
        bench.iter(|| ClientMessage::decode(black_box(PUSH), 64).map(|_| ()));
    });
    group.finish();

    let text = update(100);
    let mut group = criterion.benchmark_group("update of 100 changes");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("serde_json::Value (baseline)", |bench| {
        bench.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)).map(|_| ()));
    });
    group.bench_function("strict and typed", |bench| {
        bench.iter(|| ServerMessage::decode(black_box(&text), 64).map(|_| ()));
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
