//! Three members: the leader is killed, then most of them.

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Keys, leader};

/// Three members, and their endpoints beginning with the leader's: the one that proxies go to while it answers.
async fn leader_first() -> (Vec<Etcd>, Vec<String>) {
    let mut members = Etcd::cluster().await;
    let leader = leader(&members).await;
    members.swap(0, leader);
    let endpoints = members.iter().map(Etcd::endpoint).collect();
    (members, endpoints)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_whose_leader_is_killed_fails_no_request() {
    let (mut members, endpoints) = leader_first().await;
    let lab = Lab::start(&Keys::at(&endpoints).await, &endpoints).await;
    members[0].kill();
    let second = leader(&members).await;
    let took = lab.edit(&members[second].keys().await).await;
    println!("with two of three members, an edit was served in {took:.0?}");
    tokio::time::sleep(scale::lasting(20)).await;
    members[0].run().await;
    lab.finish("leader of etcd killed and run again", &members[0].keys().await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_loses_its_quorum_cancels_the_watches_and_fails_no_request() {
    let (mut members, endpoints) = leader_first().await;
    let lab = Lab::start(&Keys::at(&endpoints).await, &endpoints).await;
    for member in &mut members[1..] {
        member.kill();
    }
    // A member without a leader cancels the watches of those who insist on one.
    lab.until_logged("no leader").await;
    lab.until_connected(false).await;
    tokio::time::sleep(scale::lasting(20)).await;
    for member in &mut members[1..] {
        member.launch();
    }
    for member in &mut members[1..] {
        member.until_ready().await;
    }
    lab.finish("quorum of etcd lost and regained", &members[0].keys().await)
        .await;
}
