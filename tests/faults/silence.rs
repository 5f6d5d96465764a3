//! etcd says nothing, or says it late, while its connections stay open.

use std::time::Duration;

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Fault, Relay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_stopped_and_goes_on_fails_no_request() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[etcd.endpoint()]).await;
    etcd.freeze();
    tokio::time::sleep(scale::long_enough_to_notice(30)).await;
    lab.until_connected(false).await;
    etcd.thaw();
    lab.finish("etcd stopped and continued", &keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_to_etcd_that_stalls_fails_no_request() {
    stalled(Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_whose_answers_stall_fails_no_request() {
    stalled(Fault::StallAnswers).await;
}

async fn stalled(fault: Fault) {
    let etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    relay.set(fault);
    let state = lab.write(&keys).await;
    tokio::time::sleep(scale::long_enough_to_notice(30)).await;
    lab.until_connected(false).await;
    relay.set(Fault::None);
    lab.until_served(state, scale::promptly()).await;
    lab.finish(&format!("{fault:?} of the way to etcd"), &keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_to_etcd_that_takes_half_a_second_delays_an_edit_by_that_and_fails_no_request() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    let delay = Duration::from_millis(500);
    relay.set(Fault::Delay(delay));
    tokio::time::sleep(scale::lasting(20)).await;
    let took = lab.edit(&keys).await;
    assert!(took >= delay, "the relay does not delay: {took:?}");
    assert!(took < delay + scale::promptly(), "served after {took:?}");
    println!("each way to etcd {delay:?} longer: an edit was served in {took:.0?}");
    assert!(
        !lab.any_logged("trying again"),
        "a slow way was taken for a dead one"
    );
    relay.set(Fault::None);
    lab.finish("way to etcd delayed by 500 ms", &keys).await;
}
