//! What survives a change, and what a change costs.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use meta::{
    check::{Checked, check},
    document::Document,
};
use tokio::runtime::Handle;

use super::*;
use crate::{cluster::Registry, filters::Filters, router::Lookup};

const TEXT: &str = "\
servers:
- { id: s1, address: 127.0.0.1:1 }
- { id: s2, address: 127.0.0.1:2 }
- { id: s3, address: 127.0.0.1:3 }
clusters:
- { id: c1, servers: [s1] }
- { id: c2, servers: [s2], load_balance: { consistent_hash: param.id } }
- { id: c3, servers: [s3], retry: { attempts: 3, budget_percent: 50 } }
routes:
- { id: r1, match: { path: /1 }, to: [{ cluster: c1 }] }
- { id: r12, match: { path: '/12/{id}' }, to: [{ cluster: c1 }, { cluster: c2 }] }
- { id: r13, match: { path: /13 }, to: [{ cluster: c1 }], mirror: { cluster: c3 } }
- { id: r2, match: { path: '/2/{id}' }, to: [{ cluster: c2 }], filters: [{ headers: { request: { set: { a: b } } } }] }
- { id: alone, match: { path: /alone }, filters: [{ reply: {} }] }
";

/// A proxy's way from texts to snapshots.
struct Proxy {
    workshop: Workshop,
    checked: Option<Checked>,
    snapshot: Option<Snapshot>,
}

impl Proxy {
    fn new() -> Self {
        let registry = Registry::new(Handle::current());
        Self {
            workshop: Workshop::new(registry, Filters::default(), Arc::default()),
            checked: None,
            snapshot: None,
        }
    }

    fn running(text: &str) -> Self {
        let mut proxy = Self::new();
        proxy.takes(text);
        proxy
    }

    /// Compiles a text; returns the snapshot before.
    fn takes(&mut self, text: &str) -> Option<Snapshot> {
        let kinds = self.workshop.filters.kinds();
        let report = check(&Document::read(text), self.checked.as_ref(), kinds);
        assert!(!report.has_errors(), "{:?}", report.problems);
        let snapshot = self.workshop.compile(&report.checked, self.snapshot.as_ref());
        self.checked = Some(report.checked);
        self.snapshot.replace(snapshot)
    }

    fn now(&self) -> &Snapshot {
        self.snapshot.as_ref().unwrap()
    }

    fn route(&self, id: &str) -> &Arc<Route> {
        &self.now().routes[id]
    }

    fn upstream(&self, id: &str) -> &Arc<Upstream> {
        &self.now().upstreams[id]
    }
}

/// The ids of what is not the same in both.
fn changed<T>(before: &HashMap<Id, Arc<T>>, after: &HashMap<Id, Arc<T>>) -> Vec<String> {
    let mut ids: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|id| match (before.get(*id), after.get(*id)) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            _ => true,
        })
        .map(ToString::to_string)
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test]
async fn a_change_compiles_again_what_it_is_about_and_nothing_else() {
    for (from, to, upstreams, routes) in [
        ("", "# a comment\n", &[][..], &[][..]),
        ("path: /1 ", "path: /one ", &[], &["r1"]),
        ("- { id: r1,", "- { id: r0,", &[], &["r0", "r1"]),
        ("a: b", "a: c", &[], &["r2"]),
        ("path: /alone", "path: /all", &[], &["alone"]),
        (
            "- { id: alone,",
            "- { id: alone, enabled: false,",
            &[],
            &["alone"],
        ),
        ("127.0.0.1:2", "127.0.0.1:9", &["c2"], &["r12", "r2"]),
        ("127.0.0.1:3 }", "127.0.0.1:3, weight: 2 }", &["c3"], &["r13"]),
        ("budget_percent: 50", "budget_percent: 60", &["c3"], &["r13"]),
        (
            "servers: [s1] }",
            "servers: [s1, s2] }",
            &["c1"],
            &["r1", "r12", "r13"],
        ),
        (
            "servers: [s3],",
            "servers: [s3], timeout: { connect: 3s },",
            &["c3"],
            &["r13"],
        ),
        (
            "clusters:\n",
            "clusters:\n- { id: c4, servers: [s1] }\n",
            &["c4"],
            &[],
        ),
        (
            "[{ cluster: c1 }, { cluster: c2 }]",
            "[{ cluster: c1 }, { cluster: c2, weight: 2 }]",
            &[],
            &["r12"],
        ),
    ] {
        let mut proxy = Proxy::running(TEXT);
        let before = proxy.takes(&TEXT.replacen(from, to, 1)).unwrap();
        assert_eq!(
            changed(&before.upstreams, &proxy.now().upstreams),
            upstreams,
            "{to}"
        );
        assert_eq!(changed(&before.routes, &proxy.now().routes), routes, "{to}");
    }
}

#[tokio::test]
async fn every_target_and_mirror_is_the_present_compilation_of_its_cluster() {
    let mut proxy = Proxy::running(TEXT);
    for change in ["127.0.0.1:7", "127.0.0.1:8", "127.0.0.1:1"] {
        proxy.takes(&TEXT.replacen("127.0.0.1:1", change, 1));
        for route in proxy.now().routes.values() {
            let mirrored = route.mirror.iter().map(|mirror| &mirror.0);
            for upstream in route.split.targets().chain(mirrored) {
                assert!(
                    Arc::ptr_eq(upstream, proxy.upstream(upstream.id.as_str())),
                    "{}",
                    route.id()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_quarantined_object_comes_back_as_what_it_was_when_its_text_does() {
    let mut proxy = Proxy::running(TEXT);
    let kinds = proxy.workshop.filters.kinds().clone();
    let broken = Document::read(&TEXT.replacen("127.0.0.1:1", "nowhere", 1).replacen(
        "path: /1 ",
        "path: 1 ",
        1,
    ));
    let report = check(&broken, proxy.checked.as_ref(), &kinds);
    assert_eq!(report.quarantined.len(), 2);
    let middle = proxy.workshop.compile(&report.checked, proxy.snapshot.as_ref());
    proxy.checked = Some(report.checked);
    let before = proxy.snapshot.replace(middle).unwrap();
    for _ in 0..2 {
        assert_eq!(changed(&before.upstreams, &proxy.now().upstreams), [""; 0]);
        assert_eq!(changed(&before.routes, &proxy.now().routes), [""; 0]);
        proxy.takes(TEXT);
    }
}

#[tokio::test]
async fn budgets_and_counters_survive_every_change_and_go_with_their_object() {
    let mut proxy = Proxy::running(TEXT);
    let (budget, counters) = (
        proxy.upstream("c3").budget.clone(),
        proxy.route("r13").counters.clone(),
    );
    let retries = proxy.upstream("c3").counters.clone();
    for change in ["budget_percent: 10", "budget_percent: 90, on: [connect]"] {
        proxy.takes(
            &TEXT
                .replace("budget_percent: 50", change)
                .replace("path: /13", "path: /thirteen"),
        );
        assert!(Arc::ptr_eq(&budget, &proxy.upstream("c3").budget));
        assert!(Arc::ptr_eq(&retries, &proxy.upstream("c3").counters));
        assert!(Arc::ptr_eq(&counters, &proxy.route("r13").counters));
    }
    proxy.takes(&TEXT.replace("r13", "r31").replace("c3", "cx"));
    proxy.takes(TEXT);
    assert!(!Arc::ptr_eq(&budget, &proxy.upstream("c3").budget));
    assert!(!Arc::ptr_eq(&counters, &proxy.route("r13").counters));
}

#[tokio::test]
async fn a_cluster_that_is_not_enabled_is_still_its_routes_target() {
    let mut proxy = Proxy::running(TEXT);
    for enabled in ["false", "true"] {
        proxy.takes(&TEXT.replace("- { id: c1,", &format!("- {{ id: c1, enabled: {enabled},")));
        assert_eq!(proxy.route("r12").split.targets().count(), 2, "{enabled}");
        assert!(proxy.route("r13").mirror.is_some());
    }
}

#[tokio::test]
async fn parameters_are_kept_only_where_something_reads_them_later() {
    let mut proxy = Proxy::running(TEXT);
    let of = |proxy: &Proxy| ["r1", "r12", "r13", "r2", "alone"].map(|id| proxy.route(id).reads_params);
    assert_eq!(of(&proxy), [false, true, false, true, true]);
    proxy.takes(
        &TEXT
            .replace("path: /1 }", "path: /1 }, rewrite: /x")
            .replace("consistent_hash: param.id", "consistent_hash: path"),
    );
    assert_eq!(of(&proxy), [true, false, false, true, true]);
    // The key of a cluster that is only mirrored to counts too.
    proxy.takes(&TEXT.replace(
        "retry: { attempts: 3, budget_percent: 50 }",
        "load_balance: { consistent_hash: param.id }",
    ));
    assert_eq!(of(&proxy), [false, true, true, true, true]);
}

#[tokio::test]
async fn only_enabled_routes_can_be_found() {
    let proxy = Proxy::running(&TEXT.replace("- { id: r1,", "- { id: r1, enabled: false,"));
    let found = |path: &str| {
        matches!(
            proxy.now().router.find("", path, &http::Method::GET, |_, _| true),
            Lookup::Found { .. }
        )
    };
    assert!(!found("/1") && found("/2/7") && found("/alone"));
}

#[tokio::test]
async fn thousands_of_routes_compile_in_reasonable_time() {
    const MANY: usize = 5_000;
    let text = |other: usize| {
        let mut text = String::from("servers: [{ id: s, address: 127.0.0.1:1 }]\nclusters:\n");
        for n in 0..50 {
            let _ = writeln!(text, "- {{ id: c{n}, servers: [s], load_balance: ip_hash }}");
        }
        text.push_str("routes:\n");
        for n in 0..MANY {
            let path = if n == other { "other" } else { "same" };
            let _ = writeln!(
                text,
                "- {{ id: r{n}, match: {{ path: '/{path}/{n}/{{id}}' }}, to: [{{ cluster: c{} }}] }}",
                n % 50
            );
        }
        text
    };
    let proxy = Proxy::new();
    let kinds = proxy.workshop.filters.kinds().clone();
    let first = check(&Document::read(&text(MANY)), None, &kinds).checked;
    let start = Instant::now();
    let mut snapshot = proxy.workshop.compile(&first, None);
    eprintln!("compiling {MANY} routes: {:?}", start.elapsed());
    let (mut checked, mut best) = (first, Duration::MAX);
    for other in 0..5 {
        let after = check(&Document::read(&text(other)), Some(&checked), &kinds).checked;
        let start = Instant::now();
        let next = proxy.workshop.compile(&after, Some(&snapshot));
        best = best.min(start.elapsed());
        assert!(changed(&snapshot.routes, &next.routes).len() <= 2);
        (checked, snapshot) = (after, next);
    }
    eprintln!("compiling {MANY} routes of which one or two changed: {best:?}");
    assert!(best < Duration::from_secs(2), "{best:?}");
}
