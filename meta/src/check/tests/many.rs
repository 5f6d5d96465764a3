//! What checking costs with thousands of objects. Times are the best of a few, printed, and bounded with room for a slow machine.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::*;

const MANY: usize = 5_000;

/// So many servers and clusters, and `MANY` routes.
fn many(clusters: usize, route: impl Fn(usize) -> String) -> String {
    let mut text = String::from("servers:\n");
    for n in 0..clusters {
        let _ = writeln!(text, "- {{ id: server-{n}, address: '10.0.0.1:{}' }}", 1 + n);
    }
    text.push_str("clusters:\n");
    for n in 0..clusters {
        let _ = writeln!(text, "- {{ id: cluster-{n}, servers: [server-{n}] }}");
    }
    text.push_str("routes:\n");
    for n in 0..MANY {
        let _ = writeln!(text, "- {{ id: route-{n}, {} }}", route(n));
    }
    text
}

fn sound(cluster: usize, n: usize) -> String {
    format!(
        "match: {{ path: '/service-{n}/{{id}}', methods: [GET] }}, to: [{{ cluster: cluster-{cluster} }}], rewrite: '/{{param.id}}'"
    )
}

fn best_of<T>(times: usize, mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed(), result)
    };
    let mut best = timed();
    for _ in 1..times {
        let again = timed();
        if again.0 < best.0 {
            best = again;
        }
    }
    best
}

#[test]
fn a_problem_in_every_one_of_thousands_of_routes_does_not_take_long() {
    let kinds = FilterKinds::default();
    let running = check(&Document::read(&many(MANY, |n| sound(n, n))), None, &kinds).checked;
    let wrong_reference: fn(usize) -> String =
        |n| format!("match: {{ path: /service-{n} }}, to: [{{ cluster: clutser-{n} }}]");
    let wrong_value = |n| format!("priority: {}, to: [{{ cluster: cluster-{n} }}]", 2_000_000 + n);
    let unreachable = |n| format!("to: [{{ cluster: cluster-{n} }}]");
    for (what, route, quarantined) in [
        ("reference", wrong_reference, MANY),
        ("value", wrong_value, MANY),
        ("unreachable", unreachable, 0),
    ] {
        let document = Document::read(&many(MANY, route));
        let (took, report) = best_of(2, || check(&document, Some(&running), &kinds));
        eprintln!("{MANY} routes, each with a problem ({what}): {took:?}");
        assert!(report.problems.len() >= MANY - 1, "{}", report.problems.len());
        assert_eq!(report.quarantined.len(), quarantined);
        assert_whole(&report.checked);
        println!("{what}: {took:?}");
    }
}

#[test]
fn of_an_object_with_any_number_of_faults_a_few_are_told_and_soon() {
    let many = |what: &str| what.repeat(20_000);
    let aggregation = |nodes: &str, response: &str| {
        format!("aggregations: [{{ id: a, response: [{response}], nodes: [{nodes}] }}]\n")
    };
    let node = |members: &str| format!("{{ name: n, cluster: c, {members} }}");
    let url = node(&format!("url: '/{}'", many("{node.x}")));
    let status = node(&format!("url: /, status: [{}]", many("200, ")));
    let nodes = many("{ name: n, cluster: c, url: '/{node.n}' }, ");
    let rewrite = many("{param.x}");
    for (what, text) in [
        ("url", aggregation(&url, "")),
        ("status", aggregation(&status, "")),
        ("nodes", aggregation(&nodes, "")),
        ("response", aggregation(&node("url: /"), &many("'{node.x.y}', "))),
        (
            "rewrite",
            format!("routes: [{{ id: a, to: [{{ cluster: c }}], rewrite: '/{rewrite}' }}]\n"),
        ),
    ] {
        let document = Document::read(&text);
        let (took, report) = best_of(1, || check(&document, None, &FilterKinds::default()));
        eprintln!("{what}: {} problems in {took:?}", report.problems.len());
        assert!((1..=MOST_FAULTS).contains(&report.problems.len()), "{what}");
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        assert!(report.has_errors(), "{what}");
    }
}

#[test]
fn a_change_of_one_among_thousands_costs_little() {
    let kinds = FilterKinds::default();
    for clusters in [50, MANY] {
        let text = many(clusters, |n| sound(n % clusters, n));
        let (took, document) = best_of(1, || Document::read(&text));
        let (took_first, first) = best_of(2, || check(&document, None, &kinds));
        assert_eq!(problems(&first), [""; 0]);
        let changed = Document::read(&text.replacen("/service-7/", "/service-x/", 1));
        let (took_change, report) = best_of(7, || check(&changed, Some(&first.checked), &kinds));
        eprintln!(
            "{MANY} routes, {clusters} clusters: read {took:?}, checked first {took_first:?}, after a change of one {took_change:?}"
        );
        let same = first.checked.routes().zip(report.checked.routes());
        assert_eq!(same.filter(|(old, new)| !Arc::ptr_eq(old, new)).count(), 1);
        assert!(took_change < Duration::from_millis(500), "{took_change:?}");
    }
}
