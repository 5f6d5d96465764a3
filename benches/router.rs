//! What finding a route costs, by kind of route, number of routes and order of insertion.
//!
//! Requests are many and spread over all routes, so the figures include cache misses.
#![allow(missing_docs, reason = "the function criterion_group! makes has none")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gateway::router::{Entry, Lookup, Router};
use http::Method;
use std::hint::black_box;

/// How routes are made, and a request each of them answers.
struct Kind {
    name: &'static str,
    pattern: fn(usize) -> (String, String),
    request: fn(usize) -> (String, String),
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "prefix",
        pattern: |n| ("".into(), format!("/api/v1/service-{n}/*")),
        request: |n| {
            (
                "example.com".into(),
                format!("/api/v1/service-{n}/some/thing/{n}"),
            )
        },
    },
    Kind {
        name: "parameters",
        pattern: |n| {
            (
                "".into(),
                format!("/api/v1/service-{n}/users/{{user}}/orders/{{order}}"),
            )
        },
        request: |n| {
            (
                "example.com".into(),
                format!("/api/v1/service-{n}/users/{n}/orders/12345"),
            )
        },
    },
    Kind {
        name: "regex",
        pattern: |n| ("".into(), format!("/api/v1/service-{n}/{{id:[0-9]+}}")),
        request: |n| ("example.com".into(), format!("/api/v1/service-{n}/{n}")),
    },
    Kind {
        name: "hosts",
        pattern: |n| (format!("*.tenant-{n}.example.com"), "/api/v1/users/{id}".into()),
        request: |n| {
            (
                format!("www.tenant-{n}.example.com"),
                format!("/api/v1/users/{n}"),
            )
        },
    },
    Kind {
        name: "miss_early",
        pattern: |n| {
            (
                "".into(),
                format!("/api/v1/service-{n}/users/{{user}}/orders/{{order}}"),
            )
        },
        request: |n| ("example.com".into(), format!("/api/v1/unknown-{n}/users")),
    },
    Kind {
        name: "miss_late",
        pattern: |n| {
            (
                "".into(),
                format!("/api/v1/service-{n}/users/{{user}}/orders/{{order}}"),
            )
        },
        request: |n| {
            (
                "example.com".into(),
                format!("/api/v1/service-{n}/users/{n}/orders/12345/none"),
            )
        },
    },
];

fn router(kind: &Kind, order: impl Iterator<Item = usize>) -> Router<usize> {
    let entry = |n| {
        let (host, path) = (kind.pattern)(n);
        Entry {
            id: format!("route-{n:06}"),
            priority: 0,
            hosts: if host.is_empty() {
                vec![]
            } else {
                vec![host.parse().expect("a host")]
            },
            path: Some(path.parse().expect("a pattern")),
            methods: vec![Method::GET],
            terms: 0,
            value: n,
        }
    };
    Router::new(order.map(entry).collect())
}

/// The numbers below `count`, out of order, each once (for a `count` without the factor 7,919).
fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| n * 7919 % count)
}

fn run(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    id: BenchmarkId,
    kind: &Kind,
    router: &Router<usize>,
    count: usize,
) {
    // One text, read from front to back: a request's own bytes are in the cache when it is matched.
    let mut text = String::new();
    let mut add = |part: String| {
        text.push_str(&part);
        text.len() - part.len()..text.len()
    };
    let requests: Vec<_> = shuffled(count)
        .map(kind.request)
        .map(|(host, path)| (add(host), add(path)))
        .collect();
    let mut next = requests.iter().cycle();
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            let Some((host, path)) = next.next() else { return 0 };
            match router.find(
                black_box(&text[host.clone()]),
                black_box(&text[path.clone()]),
                &Method::GET,
                |_, _| true,
            ) {
                Lookup::Found { value, params } => *value + params.get("id").map_or(0, str::len),
                Lookup::MethodNotAllowed(_) | Lookup::NotFound => 0,
            }
        });
    });
}

fn by_size(criterion: &mut Criterion) {
    for kind in &KINDS {
        let mut group = criterion.benchmark_group(format!("router/{}", kind.name));
        for count in [10, 1_000, 10_000, 100_000] {
            let router = router(kind, 0..count);
            run(
                &mut group,
                BenchmarkId::from_parameter(count),
                kind,
                &router,
                count,
            );
        }
    }
}

fn by_insertion(criterion: &mut Criterion) {
    let (kind, count) = (&KINDS[1], 100_000);
    let mut group = criterion.benchmark_group("router/insertion");
    run(
        &mut group,
        BenchmarkId::from_parameter("sorted"),
        kind,
        &router(kind, 0..count),
        count,
    );
    run(
        &mut group,
        BenchmarkId::from_parameter("reversed"),
        kind,
        &router(kind, (0..count).rev()),
        count,
    );
    run(
        &mut group,
        BenchmarkId::from_parameter("shuffled"),
        kind,
        &router(kind, shuffled(count)),
        count,
    );
}

criterion_group!(benches, by_size, by_insertion);
criterion_main!(benches);
