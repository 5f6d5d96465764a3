//! `ip_hash` and `consistent_hash`.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    clock::Moment,
    cluster::{Tried, hash_of, testing::*},
};

const KEYS: u32 = 2000;

fn algorithms() -> [Value; 2] {
    [
        json!({"load_balance": "ip_hash"}),
        json!({"load_balance": {"consistent_hash": "client_ip"}}),
    ]
}

fn owners(world: &World) -> Vec<String> {
    let owner = |key: u32| {
        world
            .pick_for(hash_of(&key.to_le_bytes()))
            .ok()
            .unwrap()
            .server()
            .id()
            .to_string()
    };
    (0..KEYS).map(owner).collect()
}

/// Whether only keys of `gone` moved.
fn only_moved(before: &[String], after: &[String], gone: &str) -> bool {
    before.iter().zip(after).all(|(before, after)| {
        if before == gone {
            after != gone
        } else {
            before == after
        }
    })
}

#[tokio::test]
async fn both_stay_stable_while_the_set_is_unchanged() {
    for cluster in algorithms() {
        let mut world = World::of(&servers(&[1, 2, 1]), cluster.clone());
        let before = owners(&world);
        assert_eq!(owners(&world), before);
        let mut turned: Vec<_> = servers(&[1, 2, 1]);
        turned.reverse();
        world.apply_one(&turned, with(cluster, json!({"description": "changed"})));
        assert_eq!(owners(&world), before);
    }
}

#[tokio::test]
async fn a_removed_server_moves_only_its_own_share() {
    for cluster in algorithms() {
        let mut world = World::of(&servers(&[1, 1, 1, 1]), cluster.clone());
        let before = owners(&world);
        let mut left = servers(&[1, 1, 1, 1]);
        left.remove(1);
        world.apply_one(&left, cluster);
        assert!(only_moved(&before, &owners(&world), "b"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_server_moves_only_its_own_share_and_gets_it_back() {
    for cluster in algorithms() {
        let world = World::of(
            &servers(&[1, 1, 1, 1]),
            with(cluster, json!({"health_check": {}})),
        );
        let before = owners(&world);
        world.prober.set(address(2), Backend::Failing);
        pass(Duration::from_secs(6)).await;
        assert!(only_moved(&before, &owners(&world), "b"));
        world.prober.set(address(2), Backend::Well);
        pass(Duration::from_secs(6)).await;
        assert_eq!(owners(&world), before);
    }
}

#[tokio::test]
async fn a_retry_goes_to_the_next_server_on_the_ring() {
    let mut world = World::of(&servers(&[1, 1, 1, 1]), json!({"load_balance": "ip_hash"}));
    let second = |world: &World, key: u32| {
        let (cluster, mut tried) = (world.cluster("c"), Tried::new());
        let mut pick = || {
            cluster
                .pick(Moment::now(), || hash_of(&key.to_le_bytes()), &mut tried)
                .ok()
                .unwrap()
                .server()
                .id()
                .to_string()
        };
        (pick(), pick())
    };
    let pairs: Vec<_> = (0..200).map(|key| second(&world, key)).collect();
    let mut left = servers(&[1, 1, 1, 1]);
    left.remove(0);
    world.apply_one(&left, json!({"load_balance": "ip_hash"}));
    for (key, (first, next)) in (0..).zip(pairs) {
        assert!(
            first != "a" || second(&world, key).0 == next,
            "who takes over is who was next"
        );
    }
}

#[tokio::test]
async fn shares_follow_weights() {
    let world = World::of(&servers(&[1, 3]), json!({"load_balance": "ip_hash"}));
    let heavy = owners(&world).iter().filter(|id| *id == "b").count() as f64 / f64::from(KEYS);
    assert!((0.65..0.85).contains(&heavy), "{heavy}");
}

#[tokio::test]
async fn a_server_that_moves_keeps_its_keys() {
    let mut world = World::of(&servers(&[1, 1, 1]), json!({"load_balance": "ip_hash"}));
    let before = owners(&world);
    let mut moved = servers(&[1, 1, 1]);
    moved[1] = server("b", 99);
    world.apply_one(&moved, json!({"load_balance": "ip_hash"}));
    assert_eq!(owners(&world), before);
}
