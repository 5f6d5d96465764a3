//! What is put into etcd serves, and what cannot be used is quarantined.

use super::{PATIENCE, on, reply, serves, serves_revision};
use crate::support::{Etcd, Gateway, eventually};

#[tokio::test]
async fn what_is_put_into_etcd_serves_and_what_is_deleted_does_not() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    keys.put("routes/a", reply("a", "two")).await;
    serves(&gateway, "a", "two").await;
    let last = keys.put("routes/b", reply("b", "three")).await;
    serves_revision(&gateway, last).await;
    assert_eq!(gateway.get("/b").await.text(), "three");
    keys.delete("routes/a").await;
    eventually("what is deleted is gone", PATIENCE, || async {
        gateway.get("/a").await.status == 404
    })
    .await;
    assert_eq!(gateway.get("/b").await.text(), "three");
}

#[tokio::test]
async fn a_broken_object_is_quarantined_and_the_others_apply() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    keys.put("routes/a", "{ nonsense").await;
    let last = keys.put("routes/b", reply("b", "two")).await;
    serves_revision(&gateway, last).await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    assert_eq!(gateway.get("/b").await.text(), "two");
    let status = gateway.status().await;
    let quarantined = &status["configuration"]["quarantined"];
    assert_eq!(quarantined[0]["id"], "a", "{status}");
    assert_eq!(quarantined[0]["serving"], "last_good", "{status}");
    keys.put("routes/a", reply("a", "three")).await;
    serves(&gateway, "a", "three").await;
    let status = gateway.status().await;
    assert_eq!(
        status["configuration"]["quarantined"],
        serde_json::json!([]),
        "{status}"
    );
}
