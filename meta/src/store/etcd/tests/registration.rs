use super::{
    relay::{Mode, Relay},
    *,
};

const TTL: Timespan = Timespan::from_secs(2);

/// Waits until `wanted` is what is registered.
async fn registered(store: &EtcdStore, wanted: &[(&str, Value)]) {
    let wanted: Vec<(String, Value)> = wanted
        .iter()
        .map(|(id, value)| ((*id).to_owned(), value.clone()))
        .collect();
    soon(async {
        loop {
            if let Ok(proxies) = store.proxies().await {
                let found: Vec<(String, Value)> =
                    proxies.into_iter().map(|proxy| (proxy.id, proxy.value)).collect();
                if found == wanted {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_is_registered_with_its_latest_value_until_it_ends() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let (value, values) = watch::channel(json!({ "revision": 1 }));
    let registration = store.register("p1", TTL, values);
    registered(&store, &[("p1", json!({ "revision": 1 }))]).await;
    for n in 2..=50 {
        value.send_replace(json!({ "revision": n }));
    }
    registered(&store, &[("p1", json!({ "revision": 50 }))]).await;
    assert!(registration.is_registered());
    tokio::time::sleep(TTL.get() * 2).await;
    registered(&store, &[("p1", json!({ "revision": 50 }))]).await;
    let since = Instant::now();
    registration.end().await;
    registered(&store, &[]).await;
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "not only when the lease ran out"
    );
}

#[tokio::test]
async fn a_proxy_that_vanishes_is_gone_when_its_lease_runs_out() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let (_value, values) = watch::channel(json!(1));
    let registration = store.register("p1", TTL, values);
    registered(&store, &[("p1", json!(1))]).await;
    drop(registration);
    registered(&store, &[]).await;
}

#[tokio::test]
async fn a_proxy_is_registered_again_after_its_lease_was_lost_its_key_was_deleted_or_etcd_was_emptied() {
    let mut etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    let (proxy, store) = (store_at(relay.endpoint()), etcd.store());
    let (value, values) = watch::channel(json!(1));
    let registration = proxy.register("p1", TTL, values);
    registered(&store, &[("p1", json!(1))]).await;

    relay.set(Mode::Stall);
    value.send_replace(json!(2));
    registered(&store, &[]).await;
    soon(async {
        while registration.is_registered() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    relay.set(Mode::Pass);
    registered(&store, &[("p1", json!(2))]).await;

    etcdctl_delete(&mut etcd.client().await, "proxies/p1").await;
    registered(&store, &[("p1", json!(2))]).await;

    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    registered(&store, &[("p1", json!(2))]).await;
    registration.end().await;
}
