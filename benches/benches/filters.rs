//! What filters cost, by the clock: see `syncline_benches::rounds::fan_out`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use std::time::{Duration, Instant};
use syncline_benches::rounds::fan_out::{FanOut, KINDS, SUBSCRIBERS};

/// The server's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100 writes to subscribers");
    group.throughput(Throughput::Elements(100));
    for subscribers in SUBSCRIBERS {
        for (name, settings) in KINDS {
            let mut fan_out = FanOut::new(subscribers, settings);
            group.bench_function(BenchmarkId::new(name, subscribers), |bench| {
                bench.iter_custom(|rounds| {
                    let mut took = Duration::ZERO;
                    for _ in 0..rounds {
                        let push = fan_out.next_push();
                        let start = Instant::now();
                        fan_out.tell(&push);
                        took += start.elapsed();
                    }
                    took
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
