//! What no server is blamed for: whatever happens so often, its breaker goes on passing.

use std::time::Duration;

use super::{PATIENCE, guarding, times};
use crate::objects::{assert_refused, counted, one_cluster};
use crate::support::{Backend, Client, Gateway, Reply, eventually};

const ONE: &str = "consecutive_failures: 1";
const MANY: u64 = 20;

async fn assert_never_tripped(gateway: &Gateway) {
    assert_eq!(times(gateway, "s0", "rejecting").await, 0);
}

async fn until_counted(gateway: &Gateway, successes: u64, cancelled: u64) {
    eventually("all are counted", PATIENCE, || async {
        let counted = counted(gateway, "s0").await;
        (counted.successes, counted.cancelled, counted.in_flight) == (successes, cancelled, 0)
    })
    .await;
}

#[tokio::test]
async fn answers_that_blame_the_client_do_not_trip() {
    const STATUSES: [u16; 9] = [400, 401, 403, 404, 408, 409, 422, 429, 501];
    let backend = Backend::start(|request| {
        let status = request.target.trim_start_matches('/').parse();
        Reply::new(status.unwrap(), "")
    })
    .await;
    let gateway = guarding(&[&backend], ONE, "").await;
    for status in STATUSES {
        assert_eq!(gateway.get(&format!("/{status}")).await.status, status);
    }
    until_counted(&gateway, STATUSES.len() as u64, 0).await;
    assert_never_tripped(&gateway).await;
}

/// So many clients that leave once `arrived` says so.
async fn leave(gateway: &Gateway, request: &str, backend: &Backend) {
    for n in 1..=MANY {
        let mut client = gateway.client().await;
        client.send(request).await.unwrap();
        eventually("it arrives", PATIENCE, || async { backend.count() == n }).await;
        if n % 2 == 0 {
            client.reset();
        }
    }
    until_counted(gateway, 0, MANY).await;
    assert_never_tripped(gateway).await;
}

#[tokio::test]
async fn clients_that_go_away_while_the_server_thinks_do_not_trip() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let gateway = guarding(&[&backend], ONE, "").await;
    leave(&gateway, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &backend).await;
}

#[tokio::test]
async fn clients_that_go_away_in_the_middle_of_their_upload_do_not_trip() {
    let backend = Backend::text("").await;
    let gateway = guarding(&[&backend], ONE, "").await;
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    leave(&gateway, request, &backend).await;
}

/// Sends the head and part of a body.
async fn begin_upload(gateway: &Gateway) -> Client {
    let mut client = gateway.client().await;
    let begun = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc";
    client.send(begun).await.unwrap();
    client
}

#[tokio::test]
async fn a_client_that_uploads_slowly_makes_no_slow_call() {
    let backend = Backend::text("").await;
    let rules = "slow_call: 100ms, slow_percent: 1, min_requests: 1";
    let gateway = guarding(&[&backend], rules, "").await;
    for _ in 0..3 {
        let mut client = begin_upload(&gateway).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        client.send("def").await.unwrap();
        assert_eq!(client.read_response("POST").await.unwrap().status, 200);
    }
    until_counted(&gateway, 3, 0).await;
    assert_never_tripped(&gateway).await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_upload_in_time_does_not_trip() {
    let backend = Backend::text("").await;
    let gateway = guarding(&[&backend], ONE, ", timeout: { idle: 100ms }").await;
    for _ in 0..3 {
        let answer = begin_upload(&gateway).await.read_response("POST").await.unwrap();
        assert_refused(&answer, 408, "client_timeout");
    }
    until_counted(&gateway, 0, 3).await;
    assert_never_tripped(&gateway).await;
}

#[tokio::test]
async fn what_a_limit_refuses_does_not_trip() {
    let backend = Backend::text("").await;
    let with_limit = |server: &str, cluster: &str, route: &str| {
        let cluster = format!("breaker: {{ {ONE}, failure_status: [429, 503] }}{cluster}");
        let objects = one_cluster(&[backend.address()], &cluster, route);
        objects.replace("- { id: s0,", &format!("- {{ id: s0,{server}"))
    };
    const LIMIT: &str = "limit: { rate: 1/h }";
    for objects in [
        with_limit(&format!(" {LIMIT},"), "", ""),
        with_limit("", &format!(", {LIMIT}"), ""),
        with_limit(
            "",
            "",
            &format!("{LIMIT}, breaker: {{ {ONE}, failure_status: [429, 503] }}"),
        ),
    ] {
        let gateway = Gateway::start(&objects).await;
        let mut client = gateway.client().await;
        assert_eq!(client.get("/").await.status, 200);
        for _ in 0..MANY {
            assert_refused(&client.get("/").await, 429, "rate_limited");
        }
        until_counted(&gateway, 1, 0).await;
        assert_never_tripped(&gateway).await;
        let route = &gateway.status().await["routes"][0];
        assert!(route["breaker"].is_null() || route["breaker"]["transitions"]["rejecting"] == 0);
    }
}
