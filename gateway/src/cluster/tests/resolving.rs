//! Names.

#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::cluster::{NoServer, Resolve, SystemResolver, testing::*};

fn named() -> Value {
    json!({"id": "n", "address": "backend.test:80"})
}

fn used(world: &World, picks: usize) -> HashSet<SocketAddr> {
    (0..picks)
        .map(|_| world.pick().ok().unwrap().endpoint.address)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_makes_its_server_unusable_until_it_does() {
    let world = World::of(&[named()], json!({}));
    settle().await;
    assert_eq!(world.pick().err(), Some(NoServer::Unresolved));
    assert_eq!(
        world.registry.status()[0].unresolved.as_deref(),
        Some("it is told not to resolve")
    );
    world.resolver.set("backend.test", &[address(1)]);
    pass(Duration::from_secs(2)).await;
    assert_eq!(used(&world, 1), HashSet::from([address(1)]));
    assert_eq!(world.registry.status()[0].unresolved, None);
}

#[tokio::test(start_paused = true)]
async fn others_of_the_cluster_are_used_while_a_name_does_not_resolve() {
    let world = World::of(&[named(), server("b", 2)], json!({}));
    settle().await;
    assert_eq!(world.picks(3).concat(), "bbb");
}

#[tokio::test(start_paused = true)]
async fn all_addresses_of_a_name_are_used_in_turn() {
    let mut world = World::new();
    world
        .resolver
        .set("backend.test", &[address(1), address(2), address(3), address(2)]);
    world.apply_one(&[named()], json!({}));
    settle().await;
    assert_eq!(used(&world, 3), (1..=3).map(address).collect());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_unhealthy_is_skipped() {
    let mut world = World::new();
    world
        .resolver
        .set("backend.test", &[address(1), address(2), address(3)]);
    world.prober.set(address(2), Backend::Failing);
    world.apply_one(&[named()], json!({"health_check": {}}));
    settle().await;
    assert_eq!(used(&world, 10), HashSet::from([address(1), address(3)]));
    (1..=3).for_each(|host| world.prober.set(address(host), Backend::Failing));
    pass(Duration::from_secs(6)).await;
    assert_eq!(world.pick().err(), Some(NoServer::AllUnhealthy));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_again_and_again() {
    let mut world = World::new();
    world.resolver.set("backend.test", &[address(1), address(2)]);
    world.apply_one(&[named()], json!({"health_check": {"interval": "1s"}}));
    settle().await;
    let kept = Arc::clone(&world.server("n").endpoints()[1]);
    world.resolver.set("backend.test", &[address(2), address(3)]);
    pass(Duration::from_secs(12)).await;
    assert_eq!(used(&world, 10), HashSet::from([address(2), address(3)]));
    assert!(
        Arc::ptr_eq(&kept, &world.server("n").endpoints()[0]),
        "what belongs to an address stays with it"
    );
    let asked = world.prober.asked(address(1)).len();
    pass(Duration::from_secs(60)).await;
    assert_eq!(
        world.prober.asked(address(1)).len(),
        asked,
        "an address that is gone is not checked"
    );
    assert!(world.prober.asked(address(3)).len() > 50, "one that came is");
    assert!(
        (6..=9).contains(&world.resolver.asked().len()),
        "every 10 s, {:?}",
        world.resolver.asked()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_last_good_answer_and_backs_off() {
    let mut world = World::new();
    world.resolver.set("backend.test", &[address(1)]);
    world.apply_one(&[named()], json!({}));
    settle().await;
    world.resolver.forget("backend.test");
    pass(Duration::from_secs(600)).await;
    assert_eq!(used(&world, 1), HashSet::from([address(1)]));
    let asked = world.resolver.asked();
    let gaps: Vec<_> = asked
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    for (gap, expected) in gaps
        .iter()
        .skip(1)
        .zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0])
    {
        assert!((0.89 * expected..1.11 * expected).contains(gap), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_a_failure() {
    let mut world = World::new();
    world.resolver.set("backend.test", &[]);
    world.apply_one(&[named()], json!({}));
    settle().await;
    assert_eq!(
        world.registry.status()[0].unresolved.as_deref(),
        Some("it has no address")
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_server_is_not_looked_up() {
    let mut world = World::of(&[named()], json!({}));
    settle().await;
    world.apply(&[], &[]);
    let asked = world.resolver.asked().len();
    pass(Duration::from_secs(600)).await;
    assert_eq!(world.resolver.asked().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_no_name_is_not_looked_up() {
    let world = World::of(&servers(&[1]), json!({}));
    pass(Duration::from_secs(60)).await;
    assert!(world.resolver.asked().is_empty());
}

#[tokio::test]
async fn the_system_resolves_localhost() {
    let addresses = SystemResolver::default().resolve("localhost", 81).await.unwrap();
    assert!(
        addresses
            .iter()
            .any(|address| address.ip().is_loopback() && address.port() == 81)
    );
    assert!(
        SystemResolver::default()
            .resolve("nowhere.invalid", 81)
            .await
            .is_err()
    );
}
