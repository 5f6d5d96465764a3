//! What a change of the configuration costs between reading its text and serving it: `cargo bench -p gateway --bench snapshot`.
//!
//! `full` checks and compiles 5,000 routes over 50 clusters from nothing, `one` a change of one of them, `read` is the
//! text's way to a document, for comparison.
#![allow(missing_docs, reason = "the function criterion_group! makes has none")]

use std::{fmt::Write, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::bench::Compiler;
use meta::document::Document;
use tokio::runtime::Runtime;

const ROUTES: usize = 5_000;
const CLUSTERS: usize = 50;

/// A configuration in which the route `other` has another path.
fn text(other: Option<usize>) -> String {
    let mut text = String::from("servers:\n");
    for n in 0..CLUSTERS {
        let _ = writeln!(text, "- {{ id: server-{n}, address: '10.0.0.1:{}' }}", n + 1);
    }
    text.push_str("clusters:\n");
    for n in 0..CLUSTERS {
        let _ = writeln!(text, "- {{ id: cluster-{n}, servers: [server-{n}] }}");
    }
    text.push_str("routes:\n");
    for n in 0..ROUTES {
        let path = if other == Some(n) { "other" } else { "service" };
        let _ = writeln!(
            text,
            "- {{ id: route-{n}, match: {{ path: '/{path}-{n}/{{id}}', methods: [GET] }}, to: [{{ cluster: cluster-{} }}] }}",
            n % CLUSTERS
        );
    }
    text
}

fn changes(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let base = text(None);
    let documents = [Document::read(&base), Document::read(&text(Some(ROUTES / 2)))];
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("read", |bench| {
        bench.iter(|| black_box(Document::read(black_box(&base))))
    });
    let mut compiler = Compiler::new(runtime.handle().clone());
    group.bench_function("full", |bench| bench.iter(|| compiler.first(&documents[0])));
    let mut turn = 0;
    group.bench_function("one", |bench| {
        bench.iter(|| {
            turn += 1;
            compiler.change(&documents[turn % 2]);
        });
    });
}

criterion_group!(benches, changes);
criterion_main!(benches);
