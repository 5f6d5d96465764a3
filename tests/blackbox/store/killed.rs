//! A proxy that is killed at any moment, also while it writes its last good state, starts with a whole one.

use std::time::Duration;

use super::{PATIENCE, reply, serves};
use crate::support::{Etcd, Gateway, eventually};

/// So many routes that a write takes a while.
const ROUTES: usize = 100;

/// 8 kills, or as many as `GATEWAY_TEST_KILLS` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_killed_while_it_writes_starts_with_a_whole_last_good_state() {
    let kills = std::env::var("GATEWAY_TEST_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let mut etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    for n in 0..ROUTES {
        let id = format!("r{n}");
        keys.put(&format!("routes/{id}"), reply(&id, "of many")).await;
    }
    keys.put("routes/a", reply("a", "one")).await;
    let startup = format!("snapshot: last-good.json\n{}", super::on(&etcd));
    let mut gateway = Gateway::start_with(&startup, "").await;
    is_kept(&gateway).await;
    for kill in 0..kills {
        // It writes as soon as it has applied what is in etcd.
        gateway.restart().await;
        keys.put("routes/a", reply("a", &kill.to_string())).await;
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..60_000))).await;
        gateway.signal("KILL");
        let whole = std::fs::read(gateway.directory().join("last-good.json")).unwrap();
        assert!(
            is_whole(&whole),
            "after kill {kill}: {}",
            String::from_utf8_lossy(&whole)
        );
    }
    etcd.kill();
    gateway.restart().await;
    serves(&gateway, "r7", "of many").await;
    let status = gateway.status().await;
    assert_eq!(
        status["configuration"]["objects"]["routes"],
        ROUTES + 1,
        "{status}"
    );
    assert!(!gateway.stderr().contains("is not used"), "{}", gateway.stderr());
}

async fn is_kept(gateway: &Gateway) {
    eventually("the last good state is kept", PATIENCE, || async {
        gateway.directory().join("last-good.json").exists()
    })
    .await;
}

/// By its first line, which says how long the rest is.
fn is_whole(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap();
    let seal: serde_json::Value = serde_json::from_slice(&text[..end]).unwrap();
    seal["bytes"] == text.len() - end - 1
}
