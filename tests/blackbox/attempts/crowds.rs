//! Many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::objects::{Counted, eventually_counted, one_cluster};
use crate::support::{Backend, Client, Gateway, Reply};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_requests_at_a_time_to_one_server_succeed() {
    const CROWD: u32 = 300;
    let backend = Backend::start(|_| Reply::new(200, "ok").after(Duration::from_millis(500))).await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let mut clients = JoinSet::new();
    for _ in 0..CROWD {
        let mut client = gateway.client().await;
        clients.spawn(async move { client.get("/").await.status });
    }
    while let Some(status) = clients.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert!(backend.connections() > 65, "{}", backend.connections());
    eventually_counted(
        &gateway,
        Counted {
            successes: u64::from(CROWD),
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_kept_alive_clients_are_served_over_few_connections() {
    const CLIENTS: usize = 1000;
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(gateway.client().await);
    }
    let served = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for mut part in chunked(clients, 20) {
        let served = Arc::clone(&served);
        tasks.spawn(async move {
            for _ in 0..3 {
                for client in &mut part {
                    assert_eq!(client.get("/").await.status, 200);
                    served.fetch_add(1, SeqCst);
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(served.load(SeqCst), 3000);
    assert!(backend.connections() <= 60, "{}", backend.connections());
}

fn chunked(mut clients: Vec<Client>, parts: usize) -> Vec<Vec<Client>> {
    let size = clients.len().div_ceil(parts);
    (0..parts)
        .map(|_| clients.split_off(clients.len().saturating_sub(size)))
        .collect()
}
