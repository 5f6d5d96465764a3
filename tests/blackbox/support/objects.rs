//! Objects as YAML, for tests that say only what they are about.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Gateway, eventually};

/// One cluster for each name, with one server of the same name.
pub(crate) fn clusters(backends: &[(&str, SocketAddr)]) -> String {
    let server =
        |(name, address): &(&str, SocketAddr)| format!("- {{ id: {name}, address: \"{address}\" }}\n");
    let cluster = |(name, _): &(&str, SocketAddr)| format!("- {{ id: {name}, servers: [{name}] }}\n");
    let servers: String = backends.iter().map(server).collect();
    let clusters: String = backends.iter().map(cluster).collect();
    format!("servers:\n{servers}clusters:\n{clusters}")
}

/// One route for each id, its members given in YAML's flow style: `match: {…}, priority: 1`. Each answers with its own id.
pub(crate) fn replies(routes: &[(&str, &str)]) -> String {
    let route = |(id, members): &(&str, &str)| {
        format!("- {{ id: {id}, {members}, filters: [{{ reply: {{ body: {id} }} }}] }}\n")
    };
    let routes: String = routes.iter().map(route).collect();
    format!("routes:\n{routes}")
}

/// One route `r` for every path to the cluster `b`, which is this backend, with more members in YAML's flow style.
pub(crate) fn one_route(backend: SocketAddr, members: impl Display) -> String {
    format!(
        "{}routes:\n- {{ id: r, to: [{{ cluster: b }}], {members} }}\n",
        clusters(&[("b", backend)])
    )
}

/// The revision that serves.
pub(crate) async fn revision(gateway: &Gateway) -> u64 {
    let status = gateway.status().await;
    status["configuration"]["revision"].as_u64().unwrap_or(0)
}

/// Replaces the objects and waits until they serve.
pub(crate) async fn edit_and_wait(gateway: &Gateway, objects: &str) {
    let before = revision(gateway).await;
    gateway.edit(objects);
    eventually("the edit serves", Duration::from_secs(20), || async {
        revision(gateway).await > before
    })
    .await;
}
