//! What is told of breakers: each transition is logged once and counted once.

use super::{PATIENCE, breaker, failing, guarding, revive, times, trip, until};
use crate::objects::one_cluster;
use crate::support::{Backend, Gateway, Load, Plan, Reply, eventually, request};

const STATES: [&str; 3] = ["passing", "rejecting", "probing"];

/// How often a line with all of these was logged.
fn logged(gateway: &Gateway, parts: &[&str]) -> u64 {
    let stderr = gateway.stderr();
    let found = stderr
        .lines()
        .filter(|line| parts.iter().all(|part| line.contains(part)));
    found.count() as u64
}

async fn until_logged(gateway: &Gateway, line: &str, count: u64) {
    eventually(line, PATIENCE, || async { logged(gateway, &[line]) == count }).await;
}

/// The samples of one breaker by state.
async fn by_state(gateway: &Gateway, metric: &str, label: (&str, &str)) -> [f64; 3] {
    let mut found = [0.0; 3];
    for (value, state) in found.iter_mut().zip(STATES) {
        *value = gateway.metric(metric, &[label, ("state", state)]).await;
    }
    found
}

#[tokio::test]
async fn a_whole_round_of_a_server_is_logged_line_by_line_and_counted() {
    let backend = failing().await;
    let rules = "consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, probe_successes: 1";
    let gateway = guarding(&[&backend], rules, "").await;
    trip(&gateway, "s0").await;
    until_logged(
        &gateway,
        "server s0: breaker passing → rejecting: too many failures in a row",
        1,
    )
    .await;
    until(&gateway, "s0", "probing").await;
    assert_eq!(gateway.get("/").await.status, 500);
    until_logged(
        &gateway,
        "server s0: breaker probing → rejecting: a probe failed",
        1,
    )
    .await;
    revive(&backend, "well");
    until(&gateway, "s0", "probing").await;
    assert_eq!(gateway.get("/").await.status, 200);
    until_logged(
        &gateway,
        "server s0: breaker probing → passing: enough probes succeeded",
        1,
    )
    .await;
    until_logged(
        &gateway,
        "server s0: breaker rejecting → probing: the pause is over",
        2,
    )
    .await;
    assert_eq!(logged(&gateway, &["breaker"]), 5, "{}", gateway.stderr());
    let s0 = ("server", "s0");
    let counted = by_state(&gateway, "gateway_server_breaker_transitions_total", s0).await;
    assert_eq!(counted, [1.0, 2.0, 2.0]);
    assert_eq!(
        by_state(&gateway, "gateway_server_breaker_state", s0).await,
        [1.0, 0.0, 0.0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transitions_under_many_clients_are_logged_and_counted_once_each() {
    let bad = failing().await;
    let good = Backend::text("well").await;
    let rules = "consecutive_failures: 3, rejecting_for: 100ms, max_rejecting_for: 100ms, probe_percent: 100, probe_successes: 2";
    let gateway = guarding(&[&bad, &good], rules, "").await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(1000).connections(32));
    for round in 1..=4 {
        bad.script(|_| Reply::new(500, ""));
        eventually("it trips", PATIENCE, || async {
            times(&gateway, "s0", "rejecting").await >= 3 * round
        })
        .await;
        revive(&bad, "well");
        eventually("it passes", PATIENCE, || async {
            times(&gateway, "s0", "passing").await == round
        })
        .await;
    }
    load.stop().await;
    let status = breaker(&gateway, "s0").await["transitions"].clone();
    for state in STATES {
        let counted = status[state].as_u64().unwrap();
        let sample = [("server", "s0"), ("state", state)];
        let sampled = gateway
            .metric("gateway_server_breaker_transitions_total", &sample)
            .await;
        assert_eq!(sampled, counted as f64, "{state}");
        let to = format!("→ {state}:");
        eventually(&format!("{counted} lines of {state}"), PATIENCE, || async {
            logged(&gateway, &["server s0: breaker", &to]) >= counted
        })
        .await;
        assert_eq!(
            logged(&gateway, &["server s0: breaker", &to]),
            counted,
            "{}",
            gateway.stderr()
        );
    }
    // Between two trips in a row lies always a trial.
    let count = |state: &str| status[state].as_u64().unwrap();
    assert_eq!(count("rejecting"), count("probing"));
    assert_eq!(logged(&gateway, &["server s1: breaker"]), 0);
}

#[tokio::test]
async fn a_route_is_told_of_under_its_own_name() {
    let backend = failing().await;
    let route = "breaker: { consecutive_failures: 1, rejecting_for: 1m }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", route)).await;
    assert_eq!(gateway.get("/").await.status, 500);
    until_logged(
        &gateway,
        "route r: breaker passing → rejecting: too many failures in a row",
        1,
    )
    .await;
    let r = ("route", "r");
    let counted = by_state(&gateway, "gateway_route_breaker_transitions_total", r).await;
    assert_eq!(counted, [0.0, 1.0, 0.0]);
    assert_eq!(
        by_state(&gateway, "gateway_route_breaker_state", r).await,
        [0.0, 1.0, 0.0]
    );
    let refused = [r, ("refusal", "breaker")];
    for n in 1..=3 {
        assert_eq!(gateway.get("/").await.status, 503);
        assert_eq!(
            gateway.metric("gateway_route_refusals_total", &refused).await,
            f64::from(n)
        );
    }
}

#[tokio::test]
async fn what_an_operator_does_is_logged_once_however_often_it_is_told() {
    let backend = Backend::text("well").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    for (state, line, forced) in [
        ("rejecting", "passing → rejecting: forced by an operator", 1.0),
        ("auto", "rejecting → passing: released by an operator", 1.0),
    ] {
        let order = format!("{{\"state\": \"{state}\"}}");
        for _ in 0..3 {
            let json = [("Content-Type", "application/json")];
            let path = "/servers/s0/breaker";
            request(gateway.manage(), "POST", path, &json, order.as_bytes()).await;
        }
        until_logged(&gateway, &format!("server s0: breaker {line}"), 1).await;
        let sample = [("server", "s0"), ("state", "rejecting")];
        let counted = gateway
            .metric("gateway_server_breaker_transitions_total", &sample)
            .await;
        assert_eq!(counted, forced);
    }
    assert_eq!(logged(&gateway, &["breaker"]), 2, "{}", gateway.stderr());
}
