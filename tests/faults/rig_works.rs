//! The ground the scenarios stand on does what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Backend, Client, Etcd, Fault, Relay, Reply, eventually, leader};
use crate::traffic::Traffic;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_etcd_keeps_its_keys_over_a_kill_and_loses_them_when_emptied() {
    let mut etcd = Etcd::start().await;
    etcd.keys().await.put("routes/r", "1").await;
    etcd.kill();
    assert!(Client::try_connect(etcd.address()).await.is_err());
    etcd.run().await;
    assert_eq!(etcd.keys().await.get("routes/r").await, Some(b"1".to_vec()));
    assert_eq!(etcd.keys().await.names("routes/").await, ["routes/r"]);
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    assert_eq!(etcd.keys().await.get("routes/r").await, None);
    assert!(etcd.processor_time() > Duration::ZERO);
}

#[tokio::test]
async fn a_filled_etcd_refuses_to_write_until_space_is_made() {
    let etcd = Etcd::start_with(&["--quota-backend-bytes", "4000000"]).await;
    let keys = etcd.keys().await;
    keys.fill().await;
    assert!(keys.try_put("routes/r", "1").await.is_err());
    keys.make_space().await;
    keys.put("routes/r", "1").await;
}

#[tokio::test]
async fn three_members_have_a_leader_and_another_when_that_is_killed() {
    let mut members = Etcd::cluster().await;
    let first = leader(&members).await;
    members[first].kill();
    let second = leader(&members).await;
    assert_ne!(first, second);
    members[second].keys().await.put("routes/r", "1").await;
}

#[tokio::test]
async fn a_relay_passes_delays_and_corrupts_what_is_answered() {
    let backend = Backend::text("0123456789").await;
    let relay = Relay::to(backend.address()).await;
    let mut client = Client::connect(relay.address()).await;
    assert_eq!(client.get("/").await.text(), "0123456789");
    relay.set(Fault::Delay(Duration::from_millis(100)));
    let start = Instant::now();
    assert_eq!(client.get("/").await.text(), "0123456789");
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    relay.set(Fault::Corrupt);
    assert!(client.request("GET", "/", &[], b"").await.is_err());
}

#[tokio::test]
async fn a_relay_stalls_without_closing_and_loses_nothing() {
    let backend = Backend::text("late").await;
    let relay = Relay::to(backend.address()).await;
    for (fault, arrives) in [(Fault::Stall, false), (Fault::StallAnswers, true)] {
        let mut client = Client::connect(relay.address()).await;
        client.get("/").await;
        let before = backend.count();
        relay.set(fault);
        client.send_request("GET", "/", &[], b"").await.unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(100), client.read_response("GET")).await;
        assert!(answer.is_err(), "{fault:?}");
        assert_eq!(backend.count() > before, arrives, "{fault:?}");
        relay.set(Fault::None);
        assert_eq!(client.read_response("GET").await.unwrap().text(), "late");
    }
}

#[tokio::test]
async fn a_relay_cuts_after_so_many_bytes_and_refuses() {
    let backend = Backend::text("0123456789").await;
    let relay = Relay::to(backend.address()).await;
    let mut client = Client::connect(relay.address()).await;
    let whole = client.get("/").await;
    relay.set(Fault::CutAfter(50));
    let cut = client
        .request("GET", "/", &[], b"")
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(whole.text().len(), 10);
    assert!(cut.contains("cut short") || cut.contains("closed"), "{cut}");
    relay.set(Fault::Refuse);
    eventually("it refuses", PATIENCE, || async {
        Client::try_connect(relay.address()).await.is_err()
    })
    .await;
    relay.set(Fault::None);
    eventually("it takes connections", PATIENCE, || async {
        Client::try_connect(relay.address()).await.is_ok()
    })
    .await;
    assert!(relay.ended() > 0);
}

/// A proxy that answers as the watched route would, in the state that it is told.
async fn pretender(state: &Arc<AtomicU64>) -> Backend {
    let state = Arc::clone(state);
    Backend::start(move |request| {
        let query = request.target.replacen("/watched", "", 1);
        Reply::new(200, format!("/{}{query}", state.load(Ordering::SeqCst)))
    })
    .await
}

#[tokio::test]
async fn traffic_tells_when_a_state_is_first_served() {
    let (served, written) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(2)));
    let proxy = pretender(&served).await;
    let traffic = Traffic::start(proxy.address(), 200, written);
    let first = traffic.until_served(1, PATIENCE).await;
    served.store(2, Ordering::SeqCst);
    assert!(traffic.until_served(2, PATIENCE).await > first);
    assert!(traffic.stop().await.sent > 0);
}

#[tokio::test]
async fn traffic_notices_answers_that_cannot_be() {
    for (states, reason) in [([2, 1], "older than"), ([1, 3], "never written")] {
        let (served, written) = (Arc::new(AtomicU64::new(states[0])), Arc::new(AtomicU64::new(2)));
        let proxy = pretender(&served).await;
        let traffic = Traffic::start(proxy.address(), 200, written);
        traffic.until_served(states[0], PATIENCE).await;
        served.store(states[1], Ordering::SeqCst);
        let before = proxy.count();
        eventually("it is asked again", PATIENCE, || async {
            proxy.count() > before + 20
        })
        .await;
        let stopped = tokio::spawn(traffic.stop()).await;
        let panic = stopped.expect_err("a panic").into_panic();
        let text = panic.downcast_ref::<String>().expect("a text");
        assert!(text.contains(reason), "{text}");
    }
}
