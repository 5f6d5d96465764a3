//! Health check and breaker each have their own view of a server; neither keeps the other from coming back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::SeqCst};

use super::{PATIENCE, assert_rejects, breaker, guarding, trip, until};
use crate::objects::{assert_refused, server_status};
use crate::support::{Backend, Gateway, Reply, eventually};

const CHECK: &str = ", health_check: { path: /health, interval: 100ms, timeout: 50ms }";

/// A backend that answers checks and requests with statuses of their own.
struct Watched {
    backend: Backend,
    health: Arc<AtomicU16>,
    requests: Arc<AtomicU16>,
    checks: Arc<AtomicU64>,
}

impl Watched {
    /// Its checks go well, its requests do not.
    async fn start() -> Self {
        let (health, requests) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(500)));
        let checks = Arc::new(AtomicU64::new(0));
        let (to_checks, to_requests, asked) = (health.clone(), requests.clone(), checks.clone());
        let backend = Backend::start(move |request| {
            if request.target == "/health" {
                asked.fetch_add(1, SeqCst);
                return Reply::new(to_checks.load(SeqCst), "");
            }
            Reply::new(to_requests.load(SeqCst), "")
        })
        .await;
        Self {
            backend,
            health,
            requests,
            checks,
        }
    }

    async fn gateway(&self, pause: &str) -> Gateway {
        let rules = format!(
            "consecutive_failures: 1, rejecting_for: {pause}, probe_percent: 100, probe_successes: 2"
        );
        let gateway = guarding(&[&self.backend], &rules, CHECK).await;
        eventually("it was checked", PATIENCE, || async {
            self.checks.load(SeqCst) > 0
        })
        .await;
        gateway
    }

    async fn turn(&self, gateway: &Gateway, healthy: bool) {
        self.health.store(if healthy { 200 } else { 500 }, SeqCst);
        eventually(&format!("healthy: {healthy}"), PATIENCE, || async {
            server_status(gateway, "s0").await["usable"] == healthy
        })
        .await;
    }

    async fn recovers(&self, gateway: &Gateway) {
        self.requests.store(200, SeqCst);
        until(gateway, "s0", "probing").await;
        eventually("a probe goes through", PATIENCE, || async {
            gateway.get("/").await.status == 200
        })
        .await;
        assert_eq!(gateway.get("/").await.status, 200);
        until(gateway, "s0", "passing").await;
    }
}

#[tokio::test]
async fn a_server_in_its_pause_is_still_checked_and_no_check_ends_its_pause() {
    let watched = Watched::start().await;
    let gateway = watched.gateway("1m").await;
    trip(&gateway, "s0").await;
    let before = watched.checks.load(SeqCst);
    eventually("ten more checks", PATIENCE, || async {
        watched.checks.load(SeqCst) >= before + 10
    })
    .await;
    assert_eq!(server_status(&gateway, "s0").await["usable"], true);
    assert_rejects(&gateway).await;
}

#[tokio::test]
async fn failed_checks_do_not_trip_and_good_ones_are_no_probes() {
    let watched = Watched::start().await;
    let gateway = watched.gateway("200ms").await;
    watched.turn(&gateway, false).await;
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
    watched.turn(&gateway, true).await;
    trip(&gateway, "s0").await;
    until(&gateway, "s0", "probing").await;
    let before = watched.checks.load(SeqCst);
    eventually("ten more checks", PATIENCE, || async {
        watched.checks.load(SeqCst) >= before + 10
    })
    .await;
    let breaker = breaker(&gateway, "s0").await;
    assert_eq!(
        (&breaker["state"], &breaker["probe_successes"]),
        (&"probing".into(), &0.into())
    );
}

#[tokio::test]
async fn a_server_that_was_unhealthy_during_its_pause_recovers() {
    let watched = Watched::start().await;
    let gateway = watched.gateway("200ms").await;
    trip(&gateway, "s0").await;
    watched.turn(&gateway, false).await;
    // The pause ends although nobody could send it anything.
    until(&gateway, "s0", "probing").await;
    watched.turn(&gateway, true).await;
    watched.recovers(&gateway).await;
}

#[tokio::test]
async fn a_server_that_was_unhealthy_during_its_trial_recovers() {
    let watched = Watched::start().await;
    let gateway = watched.gateway("200ms").await;
    trip(&gateway, "s0").await;
    until(&gateway, "s0", "probing").await;
    watched.requests.store(200, SeqCst);
    assert_eq!(gateway.get("/").await.status, 200);
    watched.turn(&gateway, false).await;
    eventually("nobody is asked", PATIENCE, || async {
        gateway.get("/").await.status == 503
    })
    .await;
    assert_refused(&gateway.get("/").await, 503, "no_server");
    watched.turn(&gateway, true).await;
    eventually("its second probe goes through", PATIENCE, || async {
        gateway.get("/").await.status == 200
    })
    .await;
    until(&gateway, "s0", "passing").await;
}

#[tokio::test]
async fn a_server_that_trips_right_after_it_was_unhealthy_recovers() {
    let watched = Watched::start().await;
    let gateway = watched.gateway("200ms").await;
    watched.turn(&gateway, false).await;
    watched.turn(&gateway, true).await;
    eventually("it is asked again", PATIENCE, || async {
        gateway.get("/").await.status == 500
    })
    .await;
    until(&gateway, "s0", "rejecting").await;
    watched.recovers(&gateway).await;
}
