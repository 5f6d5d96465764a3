//! Each proxy tells others of itself under a key that is gone soon after it is; `/status` and `/metrics` tell of the store.

use serde_json::{Value, json};

use super::{PATIENCE, log_says, on, reply, serves_revision};
use crate::support::{Etcd, Gateway, Keys, eventually};

/// What the proxy `id` tells of itself.
async fn told(keys: &Keys, id: &str) -> Value {
    let value = keys.get(&format!("proxies/{id}")).await.unwrap_or_default();
    serde_json::from_slice(&value).unwrap_or_default()
}

/// Waits until the proxy `p1` tells this.
async fn tells(keys: &Keys, member: &str, value: Value) {
    eventually(&format!("{member} is {value}"), PATIENCE, || async {
        told(keys, "p1").await[member] == value
    })
    .await;
}

#[tokio::test]
async fn a_proxy_tells_what_it_serves_until_it_ends() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let first = keys.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&format!("id: p1\n{}", on(&etcd)), "").await;
    tells(&keys, "revision", json!(first)).await;
    let proxy = told(&keys, "p1").await;
    assert_eq!(proxy["id"], "p1");
    assert_eq!(proxy["version"], "0.1.0");
    assert_eq!(proxy["addresses"], json!([gateway.address()]));
    assert_eq!(proxy["manage"], json!(gateway.manage()));
    assert!(
        proxy["started_unix_ms"].as_u64().unwrap() > 1_600_000_000_000,
        "{proxy}"
    );
    assert_eq!(proxy["quarantined"], 0);
    let broken = keys.put("routes/a", "{ nonsense").await;
    tells(&keys, "revision", json!(broken)).await;
    tells(&keys, "quarantined", json!(1)).await;
    gateway.stop().await;
    eventually("its key is gone", PATIENCE, || async {
        keys.get("proxies/p1").await.is_none()
    })
    .await;
}

#[tokio::test]
async fn a_proxy_registers_again_after_an_outage() {
    let mut etcd = Etcd::start().await;
    etcd.keys().await.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&format!("id: p1\n{}", on(&etcd)), "").await;
    tells(&etcd.keys().await, "id", json!("p1")).await;
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    tells(&etcd.keys().await, "id", json!("p1")).await;
    eventually("it knows", PATIENCE, || async {
        gateway.status().await["store"]["registration"] == json!({ "id": "p1", "registered": true })
    })
    .await;
}

#[tokio::test]
async fn a_proxy_registers_again_after_its_key_was_deleted() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let _gateway = Gateway::start_with(&format!("id: p1\n{}", on(&etcd)), "").await;
    tells(&keys, "id", json!("p1")).await;
    keys.delete("proxies/p1").await;
    tells(&keys, "id", json!("p1")).await;
}

#[tokio::test]
async fn a_proxy_without_a_name_is_called_by_its_host_and_port() {
    let etcd = Etcd::start().await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    let port = gateway.address().port();
    eventually("it is registered", PATIENCE, || async {
        let names = etcd.keys().await.names("proxies/").await;
        names.len() == 1 && names[0].ends_with(&format!("-{port}"))
    })
    .await;
}

#[tokio::test]
async fn status_and_metrics_tell_how_the_store_is() {
    let mut etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "one")).await;
    let store = on(&etcd).replace(" } }", ", timeout: 500ms } }");
    let gateway = Gateway::start_with(&format!("id: p1\n{store}"), "").await;
    let last = keys.put("routes/a", reply("a", "two")).await;
    serves_revision(&gateway, last).await;
    let status = gateway.status().await;
    let store = &status["store"];
    assert_eq!(store["kind"], "etcd");
    assert_eq!(store["connected"], true, "{store:#}");
    assert_eq!(store["revision_seen"], last);
    assert_eq!(store["revision_served"], last);
    assert!(store["served_since_unix_ms"].as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(store["reloads"], 2);
    assert!(store["last_error"].is_null() && store["last_good"].is_null());
    for (name, value) in [
        ("gateway_config_revision", last as f64),
        ("gateway_store_revision_seen", last as f64),
        ("gateway_store_connected", 1.0),
        ("gateway_store_reloads_total", 2.0),
    ] {
        assert_eq!(gateway.metric(name, &[]).await, value, "{name}");
    }
    eventually("it is registered", PATIENCE, || async {
        gateway.metric("gateway_store_registered", &[]).await == 1.0
    })
    .await;
    etcd.kill();
    eventually("the outage is told", PATIENCE, || async {
        gateway.metric("gateway_store_connected", &[]).await == 0.0
            && gateway.metric("gateway_config_store_ok", &[]).await == 0.0
    })
    .await;
    let store = gateway.status().await["store"].take();
    assert!(store["last_error"].is_string(), "{store:#}");
    log_says(&gateway, "etcd cannot be reached").await;
    assert_eq!(gateway.get("/a").await.text(), "two");
    etcd.run().await;
    eventually("it is over", PATIENCE, || async {
        gateway.metric("gateway_store_connected", &[]).await == 1.0
            && gateway.metric("gateway_config_store_ok", &[]).await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_a_file_has_no_registration() {
    let gateway = Gateway::start("{}\n").await;
    let store = gateway.status().await["store"].take();
    assert_eq!(store["kind"], "file");
    assert_eq!(store["connected"], true);
    assert!(store["registration"].is_null());
    assert!(!gateway.metrics().await.contains("gateway_store_registered"));
}
