//! What a change of the configuration keeps, and what it ends.

#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    clock::Moment,
    cluster::{Outcome, Tried, testing::*},
};

const SUCCESS: Outcome = Outcome::Success {
    latency: Duration::from_millis(1),
};

#[tokio::test]
async fn a_change_around_a_server_keeps_its_counters_and_connections() {
    let mut world = World::of(&servers(&[1, 1]), json!({}));
    let (server, endpoint) = (world.server("a"), world.server("a").endpoints()[0].clone());
    server
        .admit(Moment::now())
        .unwrap()
        .finish(SUCCESS, Moment::now());
    let held = server.admit(Moment::now());
    let around = [
        (servers(&[1]), json!({})),
        (servers(&[7, 2, 3]), json!({})),
        (servers(&[7, 2, 3]), json!({"load_balance": "random"})),
        (servers(&[7, 2, 3]), json!({"timeout": {"connect": "3s"}})),
    ];
    for (servers, cluster) in around {
        world.apply_one(&servers, cluster);
        assert!(Arc::ptr_eq(&world.server("a"), &server));
        assert!(Arc::ptr_eq(&world.server("a").endpoints()[0], &endpoint));
        assert_eq!((server.in_flight(), server.successes()), (1, 1));
    }
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_change_around_a_server_neither_resets_its_health_nor_asks_again() {
    let check = json!({"interval": "10s"});
    let mut world = World::of(&servers(&[1, 1]), json!({"health_check": check}));
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(15)).await;
    let asked = world.prober.asked(address(1)).len();
    for (servers, cluster) in [
        (servers(&[9, 1]), json!({})),
        (servers(&[9, 1, 1]), json!({})),
        (servers(&[9, 1, 1]), json!({"load_balance": "least_request"})),
        (servers(&[9, 1]), json!({"slow_start": "1s"})),
    ] {
        world.apply_one(&servers, with(cluster, json!({"health_check": check})));
        assert!(
            !world.shares(100).contains_key("a"),
            "no request goes to it even right after the change"
        );
    }
    settle().await;
    assert_eq!(world.prober.asked(address(1)).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_changed_check_of_an_unhealthy_server_begins_where_the_old_one_was() {
    let mut world = World::of(&servers(&[1, 1]), json!({"health_check": {"interval": "10s"}}));
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(15)).await;
    world.apply_one(&servers(&[1, 1]), json!({"health_check": {"interval": "20s"}}));
    assert_eq!(world.shares(100)["b"], 100);
    world.prober.set(address(1), Backend::Well);
    settle().await;
    assert_eq!(
        world.cluster("c").usable(),
        2,
        "one good result is enough for the first"
    );
}

#[tokio::test]
async fn the_position_survives_changes() {
    let mut world = World::of(&servers(&[1, 1, 1]), json!({}));
    assert_eq!(world.picks(4).concat(), "abca");
    world.apply_one(&servers(&[1, 1, 1]), json!({"timeout": {"connect": "3s"}}));
    assert_eq!(world.picks(4).concat(), "bcab");
}

#[tokio::test]
async fn a_cluster_of_which_nothing_changed_stays_the_same() {
    let all = |weight| {
        let clusters = [
            json!({"id": "c", "servers": ["a"]}),
            json!({"id": "d", "servers": ["b"]}),
        ];
        (servers(&[weight, 1]), clusters)
    };
    let mut world = World::new();
    let (servers, clusters) = all(1);
    world.apply(&servers, &clusters);
    let (c, d) = (world.cluster("c"), world.cluster("d"));
    world.apply(&servers, &clusters);
    assert!(Arc::ptr_eq(&c, &world.cluster("c")) && Arc::ptr_eq(&d, &world.cluster("d")));
    let (servers, clusters) = all(2);
    world.apply(&servers, &clusters);
    assert!(!Arc::ptr_eq(&c, &world.cluster("c")) && Arc::ptr_eq(&d, &world.cluster("d")));
}

/// Applies a change that takes `a` away from cluster `c` and looks at what becomes of a request it has.
async fn drains(change: impl FnOnce(&mut World)) {
    let mut world = World::of(&servers(&[1, 1]), json!({}));
    let (server, held) = (world.server("a"), world.server("a").admit(Moment::now()).unwrap());
    change(&mut world);
    assert_eq!(world.shares(100)["b"], 100, "no new request");
    let shown = world
        .registry
        .status()
        .into_iter()
        .find(|status| status.id.as_str() == "a");
    assert_eq!(shown.unwrap().in_flight, 1, "the one it has is still its own");
    held.finish(SUCCESS, Moment::now());
    assert_eq!((server.in_flight(), server.successes()), (0, 1));
}

#[tokio::test]
async fn a_removed_server_gets_no_new_request_and_finishes_those_in_flight() {
    drains(|world| world.apply_one(&servers(&[1, 1])[1..], json!({}))).await;
}

#[tokio::test]
async fn a_disabled_server_gets_no_new_request_and_finishes_those_in_flight() {
    drains(|world| {
        let mut both = servers(&[1, 1]);
        both[0] = with(both[0].clone(), json!({"enabled": false}));
        world.apply_one(&both, json!({}));
    })
    .await;
}

#[tokio::test]
async fn an_unbound_server_gets_no_new_request_and_finishes_those_in_flight() {
    drains(|world| world.apply(&servers(&[1, 1]), &[json!({"id": "c", "servers": ["b"]})])).await;
}

#[tokio::test]
async fn the_state_of_a_removed_server_goes_with_its_last_request() {
    let mut world = World::of(&servers(&[1]), json!({}));
    let (held, server) = (world.pick().ok().unwrap(), Arc::downgrade(&world.server("a")));
    world.apply(&[], &[]);
    assert!(world.registry.status()[0].leaving);
    drop(held);
    assert!(world.registry.status().is_empty());
    assert!(server.upgrade().is_none());
}

#[tokio::test]
async fn a_server_that_comes_back_while_it_drains_is_the_same() {
    let mut world = World::of(&servers(&[1]), json!({}));
    let (held, server) = (world.pick().ok().unwrap(), world.server("a"));
    world.apply(&[], &[]);
    world.apply_one(&servers(&[1]), json!({}));
    assert!(Arc::ptr_eq(&world.server("a"), &server) && !server.is_leaving());
    assert_eq!(world.registry.status().len(), 1);
    drop(held);
}

#[tokio::test]
async fn a_server_with_another_address_is_another_server() {
    let mut world = World::of(&[server("a", 1)], json!({}));
    let held = world.pick().ok().unwrap();
    world.apply_one(&[server("a", 2)], json!({}));
    let picked = world.pick().ok().unwrap();
    assert_eq!(
        (held.endpoint.address, picked.endpoint.address),
        (address(1), address(2))
    );
    assert!(!Arc::ptr_eq(held.server(), picked.server()));
    assert_eq!(world.registry.status().len(), 2);
}

/// One pool for all backends would answer a request for one from another: what is kept per address is never shared.
#[tokio::test]
async fn two_servers_share_nothing_even_at_one_address() {
    let world = World::of(&[server("a", 1), server("b", 1)], json!({}));
    assert!(!Arc::ptr_eq(
        &world.server("a").endpoints()[0],
        &world.server("b").endpoints()[0]
    ));
}

#[tokio::test]
async fn a_request_of_an_older_revision_still_finds_a_server() {
    let mut world = World::of(&servers(&[1, 1]), json!({}));
    let older = world.cluster("c");
    let pick = |tried: &mut Tried| {
        older
            .pick(Moment::now(), || 0, tried)
            .ok()
            .unwrap()
            .server()
            .id()
            .to_string()
    };
    world.apply_one(&servers(&[1, 1])[1..], json!({}));
    assert!(
        (0..10).all(|_| pick(&mut Tried::new()) == "b"),
        "rather one that stays than one that leaves"
    );
    world.apply_one(&[server("z", 26)], json!({}));
    let mut tried = Tried::new();
    assert_ne!(pick(&mut tried), pick(&mut tried));
}

#[tokio::test]
async fn a_binding_to_nothing_or_twice_to_one_is_harmless() {
    let mut world = World::new();
    world.apply(
        &servers(&[1, 1]),
        &[json!({"id": "c", "servers": ["a", "nobody", "a", "b"]})],
    );
    assert_eq!(world.picks(4).concat(), "abab");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_server_keeps_its_health_for_when_it_returns() {
    let cluster = json!({"health_check": {"interval": "10s"}});
    let mut world = World::of(&servers(&[1, 1]), cluster.clone());
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(15)).await;
    let mut both = servers(&[1, 1]);
    both[0] = with(both[0].clone(), json!({"enabled": false}));
    world.apply_one(&both, cluster.clone());
    world.apply_one(&servers(&[1, 1]), cluster);
    assert_eq!(world.shares(100)["b"], 100);
}

#[tokio::test]
async fn five_thousand_servers_cost_little_when_nothing_changed() {
    let address = |i: usize| format!("10.1.{}.{}:80", i / 250, i % 250);
    let servers: Vec<Value> = (0..5000)
        .map(|i| json!({"id": format!("s{i}"), "address": address(i)}))
        .collect();
    let bound = |c: usize| (0..5).map(|i| format!("s{}", 5 * c + i)).collect::<Vec<_>>();
    let clusters: Vec<Value> = (0..1000)
        .map(|c| json!({"id": format!("c{c}"), "servers": bound(c)}))
        .collect();
    let servers: Vec<_> = servers
        .into_iter()
        .map(|value| Arc::new(serde_json::from_value(value).unwrap()))
        .collect();
    let clusters: Vec<_> = clusters
        .into_iter()
        .map(|value| Arc::new(serde_json::from_value(value).unwrap()))
        .collect();
    let world = World::new();
    let first = world.registry.apply(&servers, &clusters);
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        let again = world.registry.apply(&servers, &clusters);
        assert!(again.iter().all(|(id, cluster)| Arc::ptr_eq(cluster, &first[id])));
        start.elapsed()
    });
    // 1 ms in a debug build on a quiet machine.
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}
