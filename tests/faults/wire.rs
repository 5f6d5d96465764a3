//! What etcd tells is cut off in the midst of an event, or comes changed.

use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Fault, Keys, Relay, eventually};

/// Bytes of an event that arrive before the cut: within the head of a frame of HTTP/2, that of a message, and its content.
const CUTS: [usize; 6] = [1, 9, 15, 60, 120, 200];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_cut_off_comes_again_whole() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    let start = Instant::now();
    while start.elapsed() < scale::lasting(20) {
        for bytes in CUTS {
            cut_after(bytes, &relay, &lab, &keys).await;
        }
    }
    println!("{} connections were cut in the midst of an event", relay.ended());
    lab.finish("relay cut in the midst of events", &keys).await;
}

/// Makes an edit of which so many bytes arrive, and then nothing more; it must be served once the way is whole again.
async fn cut_after(bytes: usize, relay: &Relay, lab: &Lab, keys: &Keys) {
    let before = relay.ended();
    relay.set(Fault::CutAfter(bytes));
    let state = lab.write(keys).await;
    eventually("connections are cut", Duration::from_secs(20), || async {
        relay.ended() > before + 1
    })
    .await;
    relay.set(Fault::None);
    lab.until_served(state, scale::promptly()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_changed_are_not_believed() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(etcd.address()).await;
    let keys = etcd.keys().await;
    let lab = Lab::start(&keys, &[relay.endpoint()]).await;
    relay.set(Fault::Corrupt);
    let start = Instant::now();
    while start.elapsed() < scale::lasting(20) {
        lab.write(&keys).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lab.until_logged("trying again").await;
    relay.set(Fault::None);
    lab.finish("bytes of etcd changed on the way", &keys).await;
}
