//! A probe whose client goes away is lost: its place is given back, and the server still comes back.

use super::{PATIENCE, breaker, failing, guarding, revive, trip, until};
use crate::support::{Backend, Client, Gateway, Reply, Step, eventually};

const TOGETHER: u64 = 50;

/// How one of the clients begins, and how it ends.
async fn begin(gateway: &Gateway, n: u64) -> Client {
    let mut client = gateway.client().await;
    let request = match n % 3 {
        0 => "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        1 => "GET /half HTTP/1.1\r\nHost: x\r\n\r\n",
        _ => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    };
    client.send(request).await.unwrap();
    client
}

/// It answers nothing, or half of what it promises.
fn hang(backend: &Backend) {
    backend.script(|request| match request.target.as_str() {
        "/half" => Reply::raw(*b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").then(Step::Hang),
        _ => Reply::hang(),
    });
}

async fn until_none_is_out(gateway: &Gateway) {
    eventually("no probe is out", PATIENCE, || async {
        breaker(gateway, "s0").await["probes_in_flight"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_recovers_after_two_thousand_clients_left_in_the_middle_of_a_probe() {
    let backend = failing().await;
    let rules = format!(
        "consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, max_probes: {TOGETHER}, probe_successes: 3"
    );
    let gateway = guarding(&[&backend], &rules, "").await;
    trip(&gateway, "s0").await;
    hang(&backend);
    until(&gateway, "s0", "probing").await;
    backend.forget();
    for round in 1..=40 {
        let mut clients = Vec::new();
        for n in 0..TOGETHER {
            clients.push(begin(&gateway, n).await);
        }
        // One place that was not given back would keep one of them out.
        eventually("all are at the server", PATIENCE, || async {
            backend.count() == round * TOGETHER
        })
        .await;
        for (n, client) in clients.into_iter().enumerate() {
            if n % 2 == 0 {
                client.reset();
            }
        }
        until_none_is_out(&gateway).await;
    }
    revive(&backend, "well");
    let mut client = gateway.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
    }
    until(&gateway, "s0", "passing").await;
}

#[tokio::test]
async fn a_probe_that_outlives_a_change_of_the_configuration_gives_its_place_back() {
    let backend = failing().await;
    let rules = |successes: u32| {
        format!(
            "consecutive_failures: 1, rejecting_for: 200ms, probe_percent: 100, max_probes: 1, probe_successes: {successes}"
        )
    };
    let gateway = guarding(&[&backend], &rules(9), "").await;
    trip(&gateway, "s0").await;
    hang(&backend);
    until(&gateway, "s0", "probing").await;
    let probe = begin(&gateway, 0).await;
    eventually("it is at the server", PATIENCE, || async { backend.count() == 2 }).await;
    let cluster = format!("breaker: {{ {} }}", rules(1));
    let objects = crate::objects::one_cluster(&[backend.address()], &cluster, "priority: 7");
    crate::support::edit_and_wait(&gateway, &objects).await;
    assert_eq!(breaker(&gateway, "s0").await["probes_in_flight"], 1);
    drop(probe);
    until_none_is_out(&gateway).await;
    revive(&backend, "well");
    assert_eq!(gateway.get("/").await.status, 200);
    until(&gateway, "s0", "passing").await;
}
