//! What an aggregation does with its nodes' answers beside calling for them: `cargo bench -p gateway --bench aggregate`.
//!
//! Three answers of 18 KB are checked, merged, reshaped and compressed. `serde_json` stands beside for comparison: `ignored` only checks,
//! `value` is the usual way of decoding everything and encoding it anew.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gateway::aggregate::json::{Json, Merge, OnCollision, merge};
use gateway::bench::compressed;
use meta::language::Step;
use serde::de::IgnoredAny;

mod content;

const NAMES: [&str; 3] = ["user", "orders", "offers"];
const LENGTH: usize = 18 * 1024;

/// Three answers as they come.
fn bodies() -> [Bytes; 3] {
    [0, 1, 2].map(|seed| content::object(LENGTH, seed).into())
}

/// The same, checked.
fn answers() -> [Json; 3] {
    bodies().map(|body| Json::parse(body).expect("JSON"))
}

/// Answers of as many bytes with a hundred members each, none of which another one has: `flat` finds no collision.
fn distinct() -> [Json; 3] {
    [0_u64, 1, 2].map(|seed| {
        let items = (0..100).map(|at| {
            let value = String::from_utf8(content::object(170, seed * 100 + at)).expect("UTF-8");
            format!("\"{}-{at}\":{value}", NAMES[seed as usize])
        });
        let text = format!("{{{}}}", items.collect::<Vec<_>>().join(","));
        Json::parse(text.into()).expect("JSON")
    })
}

fn named(answers: &[Json; 3]) -> impl ExactSizeIterator<Item = (&str, &Json)> + Clone {
    NAMES.into_iter().zip(answers)
}

fn check(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("check");
    let body = bodies()[0].clone();
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("18 KB", |bencher| {
        bencher.iter(|| Json::parse(black_box(body.clone())).expect("JSON"));
    });
    group.bench_function("18 KB, serde_json ignored", |bencher| {
        bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&body)).expect("JSON"));
    });
    let small = Bytes::from(content::object(200, 0));
    group.throughput(Throughput::Bytes(200));
    group.bench_function("200 bytes", |bencher| {
        bencher.iter(|| Json::parse(black_box(small.clone())).expect("JSON"));
    });
    group.bench_function("200 bytes, serde_json ignored", |bencher| {
        bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&small)).expect("JSON"));
    });
}

fn merging(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("merge 3 × 18 KB");
    let answers = answers();
    let distinct = distinct();
    group.bench_function("object", |bencher| {
        bencher.iter(|| merge(Merge::Object, named(black_box(&answers))).expect("no collision"));
    });
    group.bench_function("list", |bencher| {
        bencher.iter(|| merge(Merge::List, named(black_box(&answers))).expect("no collision"));
    });
    group.bench_function("flat, 3 × 3 members, first", |bencher| {
        let flat = Merge::Flat(OnCollision::First);
        bencher.iter(|| merge(flat, named(black_box(&answers))).expect("no collision"));
    });
    group.bench_function("flat, 3 × 100 members", |bencher| {
        let flat = Merge::Flat(OnCollision::Error);
        bencher.iter(|| merge(flat, named(black_box(&distinct))).expect("no collision"));
    });
}

/// What a request pays in all: to be kept under 100 µs.
fn both(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("check and merge 3 × 18 KB");
    let bodies = bodies();
    group.bench_function("object", |bencher| {
        bencher.iter(|| {
            let answers = black_box(&bodies)
                .clone()
                .map(|body| Json::parse(body).expect("JSON"));
            merge(Merge::Object, named(&answers)).expect("no collision")
        });
    });
    group.bench_function("object, serde_json value", |bencher| {
        bencher.iter(|| {
            let answers = black_box(&bodies).iter();
            let values = answers.map(|body| serde_json::from_slice::<serde_json::Value>(body).expect("JSON"));
            let members = NAMES.into_iter().map(str::to_owned).zip(values);
            let whole: serde_json::Map<_, _> = members.collect();
            serde_json::to_vec(&whole).expect("JSON")
        });
    });
}

/// What reshaping does for each value: looks it up and copies it.
fn reshape(bench: &mut Criterion) {
    let answers = answers();
    let paths = [
        vec![Step::Member("id".into())],
        vec![Step::Member("items".into())],
        vec![Step::Member("note".into())],
    ];
    bench.bench_function("reshape 3 × 18 KB, 9 values", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(4 * LENGTH);
            for answer in black_box(&answers) {
                for path in &paths {
                    let found = answer.find(path).expect("a member");
                    out.extend_from_slice(found.as_bytes());
                }
            }
            out
        });
    });
}

fn compress(bench: &mut Criterion) {
    let whole = merge(Merge::Object, named(&answers())).expect("no collision");
    let mut group = bench.benchmark_group("compress 54 KB");
    group.throughput(Throughput::Bytes(whole.len() as u64));
    for coding in ["gzip", "br"] {
        let percent = 100.0 * compressed(coding, &whole).len() as f64 / whole.len() as f64;
        group.bench_function(format!("{coding}, to {percent:.1} %"), |bencher| {
            bencher.iter(|| compressed(coding, black_box(&whole)));
        });
    }
}

criterion_group!(benches, check, merging, both, reshape, compress);
criterion_main!(benches);
