//! The objects most tests need: one cluster behind one route.

use std::net::SocketAddr;

use super::support::{Gateway, Response, eventually};

/// Servers `s0`, `s1`, … at these addresses in the cluster `c` behind the route `r`, which takes everything. `cluster` and `route`
/// are further keys of those two, as in `timeout: { total: 1s }`.
pub(crate) fn one_cluster(addresses: &[SocketAddr], cluster: &str, route: &str) -> String {
    let all: Vec<_> = (0..addresses.len()).collect();
    format!(
        "{}clusters:\n- {{ id: c, servers: {}{} }}\nroutes:\n- {{ id: r, to: [{{ cluster: c }}]{} }}\n",
        servers(addresses),
        bindings(&all),
        more(cluster),
        more(route),
    )
}

/// The section of servers `s0`, `s1`, …
pub(crate) fn servers(addresses: &[SocketAddr]) -> String {
    let lines = addresses.iter().enumerate();
    let lines = lines.map(|(n, address)| format!("- {{ id: s{n}, address: \"{address}\" }}\n"));
    format!("servers:\n{}", lines.collect::<String>())
}

/// `[s0, s2]`
pub(crate) fn bindings(which: &[usize]) -> String {
    let ids: Vec<_> = which.iter().map(|n| format!("s{n}")).collect();
    format!("[{}]", ids.join(", "))
}

fn more(keys: &str) -> String {
    if keys.is_empty() {
        String::new()
    } else {
        format!(", {keys}")
    }
}

/// What a server was counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) in_flight: u64,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) cancelled: u64,
}

/// What `/status` says of a server.
pub(crate) async fn counted(gateway: &Gateway, server: &str) -> Counted {
    let status = server_status(gateway, server).await;
    let number = |key: &str| status[key].as_u64().unwrap();
    Counted {
        in_flight: number("in_flight"),
        successes: number("successes"),
        failures: number("failures"),
        cancelled: number("cancelled"),
    }
}

/// Waits until the server `s0` was counted for exactly this. An answer is counted when its last byte has gone out, so the client may
/// have it a moment before.
pub(crate) async fn eventually_counted(gateway: &Gateway, expected: Counted) {
    let what = format!("s0 counted for {expected:?}");
    let deadline = std::time::Duration::from_secs(10);
    eventually(&what, deadline, || async {
        counted(gateway, "s0").await == expected
    })
    .await;
}

/// A server's part of `/status`.
pub(crate) async fn server_status(gateway: &Gateway, server: &str) -> serde_json::Value {
    let status = gateway.status().await;
    let servers = status["servers"].as_array().unwrap();
    let found = servers.iter().find(|known| known["id"] == server);
    found
        .unwrap_or_else(|| panic!("no server {server} in {status}"))
        .clone()
}

/// Asserts that the gateway refused for this reason, in the form all its refusals have.
pub(crate) fn assert_refused(response: &Response, status: u16, reason: &str) {
    assert_eq!(
        (response.status, response.header("x-gateway-refusal")),
        (status, Some(reason)),
        "{response:?}"
    );
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.json()["status"], status);
}
