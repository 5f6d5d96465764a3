//! The end of a process: SIGTERM takes no new clients and loses no request of those there are.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::support::{Backend, Gateway, Reply, clusters, eventually, get};

const PATIENCE: Duration = Duration::from_secs(10);

const ROUTE: &str = "routes: [{ id: r, to: [{ cluster: c }] }]\n";

async fn gateway(backend: &Backend) -> Gateway {
    let objects = format!("{}{ROUTE}", clusters(&[("c", backend.address())]));
    Gateway::start(&objects).await
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
        let response = client.get("/").await;
        assert_eq!(response.status, 200);
        assert!(!response.keeps_alive());
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
