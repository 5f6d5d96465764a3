//! A proxy's registration is lost and made again.

use std::time::Duration;

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Fault, Keys, Relay, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

async fn until_registered(keys: &Keys, count: usize) -> Vec<String> {
    eventually(&format!("{count} are registered"), PATIENCE, || async {
        keys.names("proxies/").await.len() == count
    })
    .await;
    keys.names("proxies/").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_gone_is_made_again() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    let names = until_registered(&keys, 2).await;
    revoke(&keys, &names).await;
    assert_eq!(until_registered(&keys, 2).await, names);
    lab.finish("leases revoked", &keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_during_an_outage_is_made_again() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    let names = until_registered(&keys, 2).await;
    relay.set(Fault::Refuse);
    if !scale::is_full() {
        // For a brief run, in place of the 10 s that a lease takes to run out.
        revoke(&keys, &names).await;
    }
    until_registered(&keys, 0).await;
    tokio::time::sleep(scale::lasting(20)).await;
    relay.set(Fault::None);
    assert_eq!(until_registered(&keys, 2).await, names);
    lab.finish("leases run out in an outage", &keys).await;
}

async fn revoke(keys: &Keys, names: &[String]) {
    for name in names {
        keys.revoke_lease_of(name).await;
    }
}
