//! What stands in etcd is no configuration, or there is no more room for any.

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Keys};

/// The longest value that is put, of which etcd would refuse the most by its own settings.
const HUGE: usize = 10 << 20;

/// Writes all that should not be there.
async fn write_rubbish(keys: &Keys) {
    keys.put("routes/garbage", [0xff, 0x00, 0xc3, 0x28, 0x80].as_slice())
        .await;
    keys.put("routes/empty", "").await;
    keys.put("routes/cut-off", r#"{"id": "cut-off", "match": {"pa"#)
        .await;
    keys.put(
        "routes/other-id",
        r#"{"id": "watched", "match": {"path": "/watched"}}"#,
    )
    .await;
    keys.put(
        "routes/no-cluster",
        r#"{"id": "no-cluster", "to": [{"cluster": "none"}]}"#,
    )
    .await;
    keys.put("routes/deep", "[".repeat(100_000)).await;
    keys.put("routes/..%2f../\u{1f980}", "{}").await;
    keys.put("clusters/huge", vec![b'x'; HUGE]).await;
    let long = format!(
        r#"{{"id": "long", "description": "{}", "match": {{"path": "/long"}}}}"#,
        "x".repeat(HUGE)
    );
    keys.put("routes/long", long).await;
    keys.put("revision", "not a number").await;
    keys.put("pending", "nothing that is pending").await;
    keys.put("unknown/key", "x").await;
    keys.put("", "the prefix itself").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_under_the_prefix_holds_up_no_edit() {
    let etcd = Etcd::start_with(&["--max-request-bytes", "12000000"]).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    write_rubbish(&keys).await;
    let took = lab.edit(&keys).await;
    println!("amid rubbish, an edit was served in {took:.0?}");
    assert!(took < scale::promptly(), "served after {took:?}");
    let quarantined = |status: &serde_json::Value| status["configuration"]["quarantined"].as_array().cloned();
    lab.until_told("garbage is quarantined", |status| {
        let objects = quarantined(status).unwrap_or_default();
        objects.iter().any(|object| object["id"] == "garbage")
    })
    .await;
    tokio::time::sleep(scale::lasting(10)).await;
    for name in keys.names("").await {
        if !["servers/b", "clusters/b", "routes/watched"].contains(&name.as_str())
            && !name.starts_with("proxies/")
        {
            keys.delete(&name).await;
        }
    }
    lab.until_told("nothing is quarantined", |status| {
        quarantined(status) == Some(Vec::new())
    })
    .await;
    lab.finish("rubbish and 10 MB values under the prefix", &keys)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_without_space_fails_no_request() {
    let etcd = Etcd::start_with(&["--quota-backend-bytes", "8000000"]).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    keys.fill().await;
    assert!(
        keys.try_put("routes/watched", "x").await.is_err(),
        "there is space"
    );
    tokio::time::sleep(scale::lasting(20)).await;
    keys.make_space().await;
    lab.finish("etcd without space", &keys).await;
}
