//! What protection costs: `cargo bench -p gateway --bench protect`.
//!
//! `alone` is one thread, `two threads` the same with another thread at the same limit, breaker or server all the while: the worst that
//! two cores can do to each other.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::{
    breaker::{self, Breaker, Rules},
    clock::Moment,
    limiter::{
        Bucket, Gate, KeyHasher, Rate, Ticks,
        keyed::{KeyedGates, KeyedRates},
    },
    statistics::{self, Statistics},
};

/// Measures `run` alone, and with another thread doing the same.
fn measure(bench: &mut Criterion, name: &str, run: impl Fn() + Sync) {
    let mut group = bench.benchmark_group(name);
    group.bench_function("alone", |bencher| bencher.iter(&run));
    group.bench_function("two threads", |bencher| {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    run();
                }
            });
            bencher.iter(&run);
            stop.store(true, Relaxed);
        });
    });
}

fn rules() -> Rules {
    let breaker: meta::model::Breaker =
        serde_json::from_str(r#"{"consecutive_failures": 5, "failure_percent": 50, "slow_call": "2s"}"#)
            .expect("a good breaker");
    Rules::from(&breaker.rules())
}

fn limits(bench: &mut Criterion) {
    let generous = Rate::new(1e7, Duration::from_secs(1), 1_000_000).expect("a good rate");
    let stingy = Rate::new(1.0, Duration::from_secs(3600), 1).expect("a good rate");
    let now = || Ticks::from_nanos(Moment::now().nanos());
    measure(bench, "clock", || _ = black_box(now()));
    let bucket = Bucket::default();
    measure(bench, "bucket, admitted (with clock)", || {
        _ = black_box(bucket.take(&generous, now()))
    });
    let bucket = Bucket::default();
    measure(bench, "bucket, refused (with clock)", || {
        _ = black_box(bucket.take(&stingy, now()))
    });
    let gate = Arc::new(Gate::default());
    measure(bench, "gate", || _ = black_box(gate.try_enter(1000)));
    let keyed = KeyedRates::new(KeyedRates::CELLS);
    let key = |part: u64| {
        let mut hasher = KeyHasher::new(7);
        hasher.add(&part.to_le_bytes());
        hasher.finish()
    };
    measure(bench, "keyed bucket, one key (with clock)", || {
        _ = black_box(keyed.take(key(1), &generous, now()));
    });
    measure(bench, "keyed bucket, 100,000 keys (with clock)", || {
        _ = black_box(keyed.take(key(fastrand::u64(..100_000)), &stingy, now()));
    });
    let gates = Arc::new(KeyedGates::new(KeyedGates::CELLS));
    measure(bench, "keyed gate", || _ = black_box(gates.enter(key(1), 1000)));
}

fn breakers(bench: &mut Criterion) {
    let rules = rules();
    for (name, failing) in [("breaker, healthy", 0.0), ("breaker, 1 % fail", 0.01)] {
        let breaker = Breaker::default();
        measure(bench, name, || {
            let now = Moment::now().millis();
            let outcome = match failing > 0.0 && fastrand::f64() < failing {
                true => breaker::Outcome::Failure,
                false => breaker::Outcome::Success,
            };
            if let Ok(ticket) = breaker.admit(Some(&rules), now, fastrand::f64, |_| ()) {
                _ = black_box(breaker.report(Some(&rules), ticket, outcome, now, || false, fastrand::f64));
            }
        });
    }
}

fn statistics(bench: &mut Criterion) {
    let statistics = Statistics::default();
    let latency = || Duration::from_micros(fastrand::u64(100..10_000));
    measure(bench, "statistics", || {
        statistics.record(1, statistics::Outcome::Success, latency());
    });
}

criterion_group!(benches, limits, breakers, statistics);
criterion_main!(benches);
