//! etcd is killed and comes back: as it was, compacted, or without its data.

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Fault, Relay, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_killed_and_run_again_fails_no_request() {
    let mut etcd = Etcd::start().await;
    let lab = Lab::start(&etcd.keys().await, &[etcd.endpoint()]).await;
    etcd.kill();
    lab.until_connected(false).await;
    tokio::time::sleep(scale::lasting(60)).await;
    etcd.run().await;
    lab.finish("etcd killed and run again", &etcd.keys().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_was_compacted_meanwhile_fails_no_request() {
    let mut etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    relay.set(Fault::Refuse);
    let mut last = 0;
    for _ in 0..5 {
        last = lab.write(&keys).await;
    }
    keys.compact().await;
    etcd.kill();
    tokio::time::sleep(scale::lasting(10)).await;
    etcd.run().await;
    relay.set(Fault::None);
    lab.until_served(last, scale::promptly()).await;
    lab.until_logged("compacted").await;
    lab.finish("etcd compacted and run again", &etcd.keys().await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_comes_back_empty_is_not_believed_and_fails_no_request() {
    let mut etcd = Etcd::start().await;
    let lab = Lab::start(&etcd.keys().await, &[etcd.endpoint()]).await;
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    lab.until_told("the loss is told", |status| {
        let error = status["configuration"]["store_error"].as_str();
        error.is_some_and(|error| error.contains("lost its data"))
    })
    .await;
    tokio::time::sleep(scale::lasting(30)).await;
    lab.finish("etcd run again without its data", &etcd.keys().await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_emptied_by_deletes_is_believed() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    let proxies = lab.stop("before the deletes").await;
    for name in ["routes/watched", "clusters/b", "servers/b"] {
        keys.delete(name).await;
    }
    for proxy in &proxies {
        eventually("nothing is served", scale::promptly(), || async {
            proxy.get("/watched").await.status == 404
        })
        .await;
    }
}
