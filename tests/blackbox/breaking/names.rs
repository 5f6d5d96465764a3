//! Whatever a server is called and wherever it is, it trips and comes back; and it has one breaker however many clusters it is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{PATIENCE, breaker, revive, until};
use crate::objects::assert_refused;
use crate::support::{Backend, Gateway, Reply, eventually};

const ONCE: &str =
    "breaker: { consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, probe_successes: 1 }";

/// A server of this id, at this host with the backend's port, trips, is left alone and comes back.
async fn trips_and_recovers(id: &str, host: &str, ip: IpAddr) {
    let backend = Backend::start_on(ip, |_| Reply::new(500, "")).await;
    let objects = format!(
        "servers:\n- {{ id: {id}, address: \"{host}:{}\" }}\nclusters:\n- {{ id: c, servers: [{id}], {ONCE} }}\nroutes:\n- {{ id: r, to: [{{ cluster: c }}] }}\n",
        backend.address().port()
    );
    let gateway = Gateway::start(&objects).await;
    // A name is looked up first.
    eventually("it is reached", PATIENCE, || async {
        gateway.get("/").await.status == 500
    })
    .await;
    until(&gateway, id, "rejecting").await;
    revive(&backend, "well");
    until(&gateway, id, "probing").await;
    assert_eq!(gateway.get("/").await.text(), "well");
    until(&gateway, id, "passing").await;
    let sample = [("server", id), ("state", "rejecting")];
    let counted = gateway
        .metric("gateway_server_breaker_transitions_total", &sample)
        .await;
    assert_eq!(counted, 1.0);
}

#[tokio::test]
async fn a_server_with_hyphens_in_its_id_recovers() {
    for id in ["a-b", "eu-west-1--users-0", "10-0-0-1", "a.b-c_d"] {
        trips_and_recovers(id, "127.0.0.1", Ipv4Addr::LOCALHOST.into()).await;
    }
}

#[tokio::test]
async fn a_server_with_a_host_name_recovers() {
    trips_and_recovers("by-name", "localhost", Ipv4Addr::LOCALHOST.into()).await;
}

#[tokio::test]
async fn a_server_with_an_ipv6_address_recovers() {
    trips_and_recovers("six", "[::1]", Ipv6Addr::LOCALHOST.into()).await;
}

#[tokio::test]
async fn a_server_in_two_clusters_has_one_breaker() {
    let (bad, good) = (
        Backend::start(|_| Reply::new(500, "")).await,
        Backend::text("good").await,
    );
    let objects = format!(
        "servers:\n- {{ id: s0, address: \"{}\", {ONCE} }}\n- {{ id: s1, address: \"{}\" }}\nclusters:\n\
         - {{ id: alone, servers: [s0] }}\n- {{ id: both, servers: [s0, s1] }}\nroutes:\n\
         - {{ id: a, match: {{ path: /alone }}, to: [{{ cluster: alone }}] }}\n\
         - {{ id: b, match: {{ path: /both }}, to: [{{ cluster: both }}] }}\n",
        bad.address(),
        good.address()
    )
    .replace("rejecting_for: 200ms", "rejecting_for: 1m");
    let gateway = Gateway::start(&objects).await;
    assert_eq!(gateway.get("/alone").await.status, 500);
    until(&gateway, "s0", "rejecting").await;
    let mut client = gateway.client().await;
    for _ in 0..10 {
        assert_refused(&client.get("/alone").await, 503, "breaker");
        assert_eq!(client.get("/both").await.text(), "good");
    }
    assert_eq!(bad.count(), 1);
    assert_eq!(breaker(&gateway, "s0").await["transitions"]["rejecting"], 1);
    let status = gateway.status().await;
    let tripped = status["clusters"].as_array().unwrap().iter();
    assert!(
        tripped.map(|cluster| &cluster["tripped"]).all(|count| count == 1),
        "{status:#}"
    );
}
