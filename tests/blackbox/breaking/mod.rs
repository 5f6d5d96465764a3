//! Circuit breakers: what trips them, what clients notice, how a server comes back, and who may hold one.

mod criteria;
mod edits;
mod forcing;
mod healths;
mod innocent;
mod lost_probes;
mod most_rejecting;
mod names;
mod one_of_three;
mod pauses;
mod probes;
mod routes;
mod telling;

use std::time::Duration;

use serde_json::Value as Json;

use crate::objects::{assert_refused, one_cluster, server_status};
use crate::support::{Backend, Gateway, Reply, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// A backend that fails every request.
async fn failing() -> Backend {
    Backend::start(|_| Reply::new(500, "failed")).await
}

/// From here on it answers well, with this body.
fn revive(backend: &Backend, body: &'static str) {
    backend.script(move |_| Reply::new(200, body));
}

/// A gateway before these backends, whose cluster has this breaker, and further keys as in [`one_cluster`].
async fn guarding(backends: &[&Backend], breaker: &str, cluster: &str) -> Gateway {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    let cluster = format!("breaker: {{ {breaker} }}{cluster}");
    Gateway::start(&one_cluster(&addresses, &cluster, "")).await
}

/// What `/status` says of a server's breaker.
async fn breaker(gateway: &Gateway, server: &str) -> Json {
    server_status(gateway, server).await["breaker"].clone()
}

/// How often a server's breaker came to be so.
async fn times(gateway: &Gateway, server: &str, state: &str) -> u64 {
    breaker(gateway, server).await["transitions"][state]
        .as_u64()
        .unwrap()
}

/// Waits until a server's breaker is so.
async fn until(gateway: &Gateway, server: &str, state: &str) {
    eventually(&format!("{server} is {state}"), PATIENCE, || async {
        breaker(gateway, server).await["state"] == state
    })
    .await;
}

/// Sends one request that fails, which is enough for a breaker with `consecutive_failures: 1`.
async fn trip(gateway: &Gateway, server: &str) {
    assert_eq!(gateway.get("/").await.status, 500);
    // What came of a request is told to the breaker a moment after the client has the answer.
    eventually(&format!("{server} trips"), PATIENCE, || async {
        times(gateway, server, "rejecting").await == 1
    })
    .await;
}

/// Asserts that the next request is refused by a breaker.
async fn assert_rejects(gateway: &Gateway) {
    assert_refused(&gateway.get("/").await, 503, "breaker");
}
