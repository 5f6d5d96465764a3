//! Three members: the leader is killed, then most of them.

use crate::lab::Lab;
use crate::scale;
use crate::support::{Etcd, Keys, leader};

fn endpoints(members: &[Etcd]) -> Vec<String> {
    members.iter().map(Etcd::endpoint).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_whose_leader_is_killed_fails_no_request() {
    let mut members = Etcd::cluster().await;
    let endpoints = endpoints(&members);
    let lab = Lab::start(&Keys::at(&endpoints).await, &endpoints).await;
    let first = leader(&members).await;
    members[first].kill();
    let second = leader(&members).await;
    let took = lab.edit(&members[second].keys().await).await;
    println!("with two of three members, an edit was served in {took:.0?}");
    tokio::time::sleep(scale::lasting(20)).await;
    members[first].run().await;
    lab.finish(
        "leader of etcd killed and run again",
        &members[first].keys().await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_loses_its_quorum_cancels_the_watches_and_fails_no_request() {
    let mut members = Etcd::cluster().await;
    let endpoints = endpoints(&members);
    let lab = Lab::start(&Keys::at(&endpoints).await, &endpoints).await;
    let left = leader(&members).await;
    let lost: Vec<usize> = (0..3).filter(|&index| index != left).collect();
    for &index in &lost {
        members[index].kill();
    }
    // A leader that has lost the others steps down and cancels the watches of those who insist on one.
    lab.until_some_say("etcd ended the watch").await;
    tokio::time::sleep(scale::lasting(20)).await;
    for &index in &lost {
        members[index].launch();
    }
    for &index in &lost {
        members[index].until_ready().await;
    }
    lab.finish("quorum of etcd lost and regained", &members[left].keys().await)
        .await;
}
