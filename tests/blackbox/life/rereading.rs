//! SIGHUP: the start-up file is read again; what can change does, what cannot is named, a wrong file changes nothing.

use super::{PATIENCE, objects, says};
use crate::support::{Backend, Gateway, Reply, eventually};

fn startup(gateway: &Gateway) -> std::path::PathBuf {
    gateway.directory().join("gateway.yaml")
}

/// Adds lines to the start-up file as it was, and has it read again.
fn reread(gateway: &Gateway, good: &str, more: &str) {
    std::fs::write(startup(gateway), format!("{good}{more}")).unwrap();
    gateway.signal("HUP");
}

#[tokio::test]
async fn what_can_change_does_while_requests_go_on() {
    let backend = Backend::echo().await;
    let gateway = Gateway::start(&objects(&backend)).await;
    let good = std::fs::read_to_string(startup(&gateway)).unwrap();
    let mut client = gateway.client().await;
    let forwarded = [("X-Forwarded-For", "192.0.2.7")];
    let answer = client.request("GET", "/", &forwarded, b"").await.unwrap();
    assert!(!answer.text().contains("192.0.2.7"));

    reread(
        &gateway,
        &good,
        "trusted_proxies: [127.0.0.0/8]\nlimit: { rate: \"2/1h\", burst: 2 }\n",
    );
    says(
        &gateway,
        "start-up file read again; changed: limit, trusted_proxies",
    )
    .await;
    let answer = client.request("GET", "/", &forwarded, b"").await.unwrap();
    assert!(answer.text().contains("192.0.2.7"), "{}", answer.text());
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
    assert_eq!(
        gateway.status().await["limit"]["refused"],
        1,
        "{}",
        gateway.status().await["limit"]
    );

    reread(&gateway, &good, "");
    eventually("the limit is gone", PATIENCE, async || {
        gateway.get("/").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn what_cannot_change_keeps_its_value_and_is_named_and_so_is_what_did() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let gateway = Gateway::start(&objects(&backend)).await;
    let good = std::fs::read_to_string(startup(&gateway)).unwrap();
    let other = good
        .replace("threads: 2", "threads: 3")
        .replace(&gateway.address().to_string(), "127.0.0.1:1");
    reread(&gateway, &other, "grace: 300ms\nlistener_tasks_per_fd: 2\n");
    says(&gateway, "start-up file read again; changed: grace").await;
    says(
        &gateway,
        "(-u takes over without a pause): listener_tasks_per_fd, listeners, threads",
    )
    .await;
    // The grace that was read counts.
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let exited = gateway.stop().await;
    assert!(exited.stderr.contains("cut off after 300ms"), "{exited:?}");
}

#[tokio::test]
async fn a_wrong_start_up_file_changes_nothing_and_is_reported_with_every_place() {
    let backend = Backend::text("x").await;
    let gateway = Gateway::start(&objects(&backend)).await;
    let good = std::fs::read_to_string(startup(&gateway)).unwrap();
    reread(&gateway, &good, "trusted_proxies: [x]\nlimits: {}\n");
    says(&gateway, "nothing changes, since the start-up file is wrong").await;
    says(&gateway, "did you mean \"limit\"?").await;
    std::fs::remove_file(startup(&gateway)).unwrap();
    gateway.signal("HUP");
    says(&gateway, "No such file").await;
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(gateway.stop().await.code, Some(0));
}
