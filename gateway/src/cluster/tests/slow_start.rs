//! Members that grow into their share.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;

use crate::cluster::{hash_of, testing::*};

const SLOWLY: &str = "10s";

/// The part of 10,000 picks that `b` gets of a cluster of three equal ones, relative to its full share.
fn share_of_b(world: &World) -> f64 {
    3.0 * world.shares(10_000).get("b").copied().unwrap_or(0) as f64 / 10_000.0
}

#[tokio::test(start_paused = true)]
async fn servers_there_from_the_start_do_not_grow() {
    let world = World::of(
        &servers(&[1, 1, 1]),
        json!({"slow_start": SLOWLY, "health_check": {}}),
    );
    assert_eq!(world.picks(6).concat(), "abcabc");
    settle().await;
    assert_eq!(world.picks(6).concat(), "abcabc");
}

#[tokio::test(start_paused = true)]
async fn a_new_server_grows_into_its_share() {
    for algorithm in ["round_robin", "random", "least_request"] {
        let cluster = json!({"slow_start": SLOWLY, "load_balance": algorithm});
        let mut two = servers(&[1, 1, 1]);
        two.remove(1);
        let mut world = World::of(&two, cluster.clone());
        world.apply_one(&servers(&[1, 1, 1]), cluster);
        let mut last = share_of_b(&world);
        assert!((0.0..0.2).contains(&last), "{algorithm}: begins at {last}");
        for _ in 0..3 {
            pass(Duration::from_secs(3)).await;
            let share = share_of_b(&world);
            assert!(share > last + 0.1, "{algorithm}: from {last} to {share}");
            last = share;
        }
        pass(Duration::from_secs(1)).await;
        assert!((0.9..1.1).contains(&share_of_b(&world)), "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_share_grows_linearly() {
    let mut two = servers(&[1, 1, 1]);
    two.remove(1);
    let cluster = json!({"slow_start": SLOWLY});
    let mut world = World::of(&two, cluster.clone());
    world.apply_one(&servers(&[1, 1, 1]), cluster);
    for tenths in [2, 5, 8] {
        pass(Duration::from_secs(tenths) - Duration::from_secs(if tenths == 2 { 0 } else { tenths - 3 }))
            .await;
        // A skipped slot goes to the others: b has f of f + 2.
        let f = tenths as f64 / 10.0;
        let (share, expected) = (share_of_b(&world), 3.0 * f / (f + 2.0));
        assert!(
            (share - expected).abs() < 0.05,
            "{share} instead of {expected} at {tenths} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_server_grows_again() {
    let world = World::of(
        &servers(&[1, 1, 1]),
        json!({"slow_start": SLOWLY, "health_check": {"interval": "1s"}}),
    );
    world.prober.set(address(2), Backend::Failing);
    pass(Duration::from_secs(2)).await;
    assert_eq!(share_of_b(&world), 0.0);
    world.prober.set(address(2), Backend::Well);
    pass(Duration::from_millis(1200)).await;
    let share = share_of_b(&world);
    assert!(0.0 < share && share < 0.5, "{share}");
    pass(Duration::from_secs(10)).await;
    assert!((0.99..=1.01).contains(&share_of_b(&world)));
}

#[tokio::test(start_paused = true)]
async fn slow_start_is_off_by_default() {
    let mut world = World::of(&servers(&[1, 1]), json!({}));
    world.apply_one(&servers(&[1, 1, 1]), json!({}));
    assert_eq!(world.shares(300)["c"], 100);
}

#[tokio::test(start_paused = true)]
async fn servers_that_all_grow_share_evenly() {
    let cluster = json!({"slow_start": SLOWLY, "health_check": {"interval": "1s"}});
    let world = World::of(&servers(&[1, 1]), cluster);
    (1..=2).for_each(|host| world.prober.set(address(host), Backend::Failing));
    pass(Duration::from_secs(2)).await;
    assert!(world.pick().is_err());
    (1..=2).for_each(|host| world.prober.set(address(host), Backend::Well));
    pass(Duration::from_millis(1500)).await;
    let shares = world.shares(1000);
    assert_eq!((shares["a"], shares["b"]), (500, 500));
}

#[tokio::test(start_paused = true)]
async fn growing_survives_a_change_of_the_configuration() {
    let cluster = json!({"slow_start": SLOWLY});
    let mut two = servers(&[1, 1, 1]);
    two.remove(1);
    let mut world = World::of(&two, cluster.clone());
    world.apply_one(&servers(&[1, 1, 1]), cluster.clone());
    pass(Duration::from_secs(5)).await;
    world.apply_one(
        &servers(&[1, 1, 1]),
        with(cluster, json!({"description": "changed"})),
    );
    let share = share_of_b(&world);
    assert!((0.5..0.7).contains(&share), "{share}");
}

#[tokio::test(start_paused = true)]
async fn a_growing_server_takes_over_its_keys_one_way() {
    let cluster = json!({"slow_start": SLOWLY, "load_balance": "ip_hash"});
    let mut world = World::of(&servers(&[1, 1]), cluster.clone());
    world.apply_one(&servers(&[1, 1, 1]), cluster);
    let of_c = |world: &World| -> Vec<u32> {
        let owner = |key: &u32| {
            world
                .pick_for(hash_of(&key.to_le_bytes()))
                .ok()
                .unwrap()
                .server()
                .id()
                .to_string()
        };
        (0..1000).filter(|key| owner(key) == "c").collect()
    };
    let mut before = of_c(&world);
    for _ in 0..5 {
        pass(Duration::from_secs(2)).await;
        let after = of_c(&world);
        assert!(after.len() > before.len() && before.iter().all(|key| after.contains(key)));
        before = after;
    }
}

#[tokio::test(start_paused = true)]
async fn even_a_much_heavier_server_does_not_begin_with_everything() {
    for algorithm in ["round_robin", "random", "least_request"] {
        let cluster = json!({"slow_start": SLOWLY, "load_balance": algorithm});
        let mut world = World::of(&servers(&[1]), cluster.clone());
        world.apply_one(&servers(&[1, 1000]), cluster);
        // Its exact share is 5 % of 1,000 against 1; after 16 proposals in vain the other has the request.
        let share = world.shares(10_000)["b"];
        assert!((200..8000).contains(&share), "{algorithm}: {share}");
    }
}
