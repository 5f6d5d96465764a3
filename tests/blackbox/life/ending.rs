//! The end of a process: SIGTERM takes no new clients and loses no request of those there are.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{PATIENCE, objects};
use crate::support::{Backend, Client, Gateway, Reply, eventually, get};

async fn gateway(backend: &Backend) -> Gateway {
    Gateway::start(&objects(backend)).await
}

async fn says_draining(gateway: &Gateway) {
    eventually("it says that it takes no new clients", PATIENCE, async || {
        let answer = get(gateway.manage(), "/readyz").await;
        (answer.status, answer.text().as_str()) == (503, "draining\n")
    })
    .await;
}

#[tokio::test]
async fn a_process_without_clients_ends_at_once() {
    let backend = Backend::text("x").await;
    let gateway = gateway(&backend).await;
    let began = Instant::now();
    let exited = timeout(Duration::from_secs(10), gateway.stop()).await;
    assert_eq!(exited.expect("it ends").code, Some(0));
    // The engine alone would sleep its whole grace period, five minutes.
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_the_last_on_its_connection() {
    let backend = Backend::start(|_| Reply::new(200, "late").after(Duration::from_millis(1500))).await;
    let gateway = gateway(&backend).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    eventually("the request is under way", PATIENCE, async || {
        backend.count() == 1
    })
    .await;
    gateway.signal("TERM");
    says_draining(&gateway).await;
    let response = client.read_response("GET").await.unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "late"));
    assert_eq!(gateway.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_request_that_comes_on_a_connection_from_before_is_answered_and_the_client_told_to_close() {
    let backend = Backend::text("x").await;
    let gateway = gateway(&backend).await;
    let (mut kept, mut fresh) = (gateway.client().await, gateway.client().await);
    assert!(kept.get("/").await.keeps_alive());
    gateway.signal("TERM");
    says_draining(&gateway).await;
    for client in [&mut kept, &mut fresh] {
        // It says that it drains a moment before its connections know.
        while client.get("/").await.keeps_alive() {}
    }
    assert!(kept.closed().await && fresh.closed().await);
    assert_eq!(gateway.stop().await.code, Some(0));
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_the_process() {
    let backend = Backend::text("x").await;
    let gateway = gateway(&backend).await;
    let mut idle = gateway.client().await;
    idle.get("/").await;
    let exited = timeout(Duration::from_secs(10), gateway.stop()).await;
    assert_eq!(exited.expect("it ends").code, Some(0));
    assert!(idle.closed().await);
}

#[tokio::test]
async fn nobody_new_is_served_once_it_drains() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let gateway = gateway(&backend).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    eventually("the request is under way", PATIENCE, async || {
        backend.count() == 1
    })
    .await;
    gateway.signal("TERM");
    says_draining(&gateway).await;
    assert!(Client::try_connect(gateway.address()).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_grace() {
    let backend = Backend::start(|_| Reply::hang()).await;
    for (key, least) in [("grace: 700ms", 700), ("grace_period_seconds: 1", 1000)] {
        let gateway = Gateway::start_with(&format!("{key}\n"), &objects(&backend)).await;
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        let underway = async || gateway.metric("gateway_requests_in_flight", &[]).await > 0.0;
        eventually("the request is under way", PATIENCE, underway).await;
        let began = Instant::now();
        let exited = gateway.stop().await;
        assert!(began.elapsed() >= Duration::from_millis(least));
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(
            exited.stderr.contains("1 connections are cut off after"),
            "{exited:?}"
        );
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let backend = Backend::start(|_| Reply::hang()).await;
    for second in ["TERM", "INT"] {
        let gateway = gateway(&backend).await;
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        let underway = async || gateway.metric("gateway_requests_in_flight", &[]).await > 0.0;
        eventually("the request is under way", PATIENCE, underway).await;
        gateway.signal("TERM");
        says_draining(&gateway).await;
        gateway.signal(second);
        let exited = gateway.until_exit().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(exited.stderr.contains("cut off by a second signal"), "{exited:?}");
    }
}

#[tokio::test]
async fn sigint_ends_it_at_once() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let gateway = gateway(&backend).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    gateway.signal("INT");
    assert_eq!(gateway.until_exit().await.code, Some(0));
}

#[tokio::test]
async fn who_is_at_the_listener_when_the_signal_comes_is_served() {
    let backend = Backend::text("x").await;
    let gateway = gateway(&backend).await;
    // Stopped, so that the kernel takes connections and nobody accepts them.
    gateway.signal("STOP");
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        clients.push(client);
    }
    gateway.signal("TERM");
    gateway.signal("CONT");
    for client in &mut clients {
        assert_eq!(client.read_response("GET").await.unwrap().status, 200);
    }
    assert_eq!(gateway.until_exit().await.code, Some(0));
}
