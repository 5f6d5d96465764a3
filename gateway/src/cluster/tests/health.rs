//! Active checks: when, how often, and what follows.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{NoServer, lock, testing::*};

fn gaps(asked: &[Instant]) -> Vec<Duration> {
    asked.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// The lines logged in this process that contain a text.
struct Lines(&'static str, Mutex<Vec<String>>);

impl Lines {
    fn of(text: &'static str) -> &'static Self {
        let lines = Box::leak(Box::new(Self(text, Mutex::default())));
        log::set_logger(lines).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        lines
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.1))
    }
}

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        if line.contains(self.0) {
            lock(&self.1).push(line);
        }
    }

    fn flush(&self) {}
}

fn checked(check: Value) -> World {
    World::of(&servers(&[1, 1]), json!({"health_check": check}))
}

#[tokio::test(start_paused = true)]
async fn the_first_check_is_immediate() {
    let (world, start) = (checked(json!({"interval": "1h"})), Instant::now());
    settle().await;
    assert_eq!(world.prober.asked(address(1)), [start]);
}

#[tokio::test(start_paused = true)]
async fn one_first_result_decides_whatever_the_thresholds() {
    let mut world = World::new();
    world.prober.set(address(1), Backend::Failing);
    let check = json!({"interval": "1h", "healthy_after": 5, "unhealthy_after": 5});
    world.apply_one(&servers(&[1, 1]), json!({"health_check": check}));
    settle().await;
    assert_eq!(world.picks(3).concat(), "bbb");
}

#[tokio::test(start_paused = true)]
async fn later_results_decide_by_their_thresholds() {
    let world = checked(json!({"interval": "1s", "healthy_after": 2, "unhealthy_after": 3}));
    settle().await;
    let checks_until = async |usable: usize| {
        let before = world.prober.asked(address(1)).len();
        while world.cluster("c").usable() != usable {
            settle().await;
        }
        world.prober.asked(address(1)).len() - before
    };
    world.prober.set(address(1), Backend::Failing);
    assert_eq!(checks_until(1).await, 3);
    world.prober.set(address(1), Backend::Well);
    assert_eq!(checks_until(2).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_usable_before_its_first_result() {
    let world = checked(json!({"timeout": "10s"}));
    world.prober.set(address(1), Backend::Hanging);
    pass(Duration::from_secs(9)).await;
    assert_eq!(world.cluster("c").usable(), 2);
    pass(Duration::from_secs(2)).await;
    assert_eq!(world.cluster("c").usable(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_interval_is_jittered_and_constant_whether_healthy_or_not() {
    for backend in [Backend::Well, Backend::Failing, Backend::Hanging] {
        let world = checked(json!({"interval": "5s", "timeout": "2s"}));
        world.prober.set(address(1), backend.clone());
        pass(Duration::from_secs(1000)).await;
        let gaps = gaps(&world.prober.asked(address(1)));
        assert!(
            (195..=205).contains(&gaps.len()),
            "{backend:?}: {} checks",
            gaps.len()
        );
        let bounds = Duration::from_millis(4499)..Duration::from_millis(5502);
        assert!(
            gaps.iter().all(|gap| bounds.contains(gap)),
            "{backend:?}: {gaps:?}"
        );
        assert!(
            gaps.iter().max().unwrap().abs_diff(*gaps.iter().min().unwrap()) > Duration::from_millis(500)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_interval_does_not_grow_after_failures() {
    let world = checked(json!({"interval": "1s"}));
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(3600)).await;
    let gaps = gaps(&world.prober.asked(address(1)));
    assert!(gaps.iter().all(|gap| *gap < Duration::from_millis(1110)));
}

#[tokio::test(start_paused = true)]
async fn checks_run_in_parallel_each_with_a_deadline() {
    let many: Vec<_> = (1..=200).map(|host| server(&format!("s{host}"), host)).collect();
    let mut world = World::new();
    (1..200).for_each(|host| world.prober.set(address(host), Backend::Hanging));
    let start = Instant::now();
    world.apply_one(
        &many,
        json!({"health_check": {"timeout": "300ms", "interval": "1h"}}),
    );
    pass(Duration::from_millis(320)).await;
    assert!((1..=200).all(|host| world.prober.asked(address(host)) == [start]));
    assert_eq!(world.cluster("c").usable(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_of_a_removed_server_stops_at_once() {
    let mut world = checked(json!({"interval": "1s"}));
    pass(Duration::from_secs(5)).await;
    let old_snapshot = world.cluster("c");
    world.apply_one(&servers(&[1]), json!({"health_check": {"interval": "1s"}}));
    let before = world.prober.asked(address(2)).len();
    pass(Duration::from_secs(60)).await;
    assert_eq!(world.prober.asked(address(2)).len(), before);
    assert!(world.prober.asked(address(1)).len() > 50);
    drop(old_snapshot);
}

#[tokio::test(start_paused = true)]
async fn a_check_under_way_of_a_removed_server_is_cut_short() {
    struct Slow(Arc<()>);
    #[async_trait::async_trait]
    impl crate::cluster::Prober for Slow {
        async fn probe(&self, _: &crate::cluster::Target) -> Result<(), String> {
            let _held = Arc::clone(&self.0);
            std::future::pending().await
        }
    }
    let held = Arc::new(());
    let runtime = tokio::runtime::Handle::current();
    let resolver = Arc::<FakeResolver>::default();
    let registry = crate::cluster::Registry::with(runtime, Arc::new(Slow(Arc::clone(&held))), resolver);
    let server = serde_json::from_value(server("a", 1)).unwrap();
    let cluster = json!({"id": "c", "servers": ["a"], "health_check": {"timeout": "1m"}});
    registry.apply(
        &[Arc::new(server)],
        &[Arc::new(serde_json::from_value(cluster).unwrap())],
    );
    settle().await;
    assert_eq!(Arc::strong_count(&held), 3);
    registry.apply(&[], &[]);
    settle().await;
    assert!(Arc::strong_count(&held) < 3);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_server_gets_no_traffic_until_it_recovers() {
    for algorithm in ["round_robin", "random", "least_request", "ip_hash"] {
        let world = World::of(
            &servers(&[1, 1, 1]),
            json!({"load_balance": algorithm, "health_check": {}}),
        );
        world.prober.set(address(2), Backend::Failing);
        pass(Duration::from_secs(6)).await;
        let some = |hash| world.pick_for(hash).ok().unwrap().server().id().to_string();
        assert!((0..1000).all(|i| some(i * 7919) != "b"), "{algorithm}");
        world.prober.set(address(2), Backend::Well);
        pass(Duration::from_secs(6)).await;
        assert!((0..1000).any(|i| some(i * 7919) == "b"), "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_are_unhealthy_requests_are_refused_by_default() {
    let world = checked(json!({}));
    (1..=2).for_each(|host| world.prober.set(address(host), Backend::Failing));
    pass(Duration::from_secs(6)).await;
    assert_eq!(world.pick().err(), Some(NoServer::AllUnhealthy));
}

#[tokio::test(start_paused = true)]
async fn when_all_are_unhealthy_use_all_uses_all() {
    let world = World::of(
        &servers(&[1, 1]),
        json!({"on_all_unhealthy": "use_all", "health_check": {}}),
    );
    (1..=2).for_each(|host| world.prober.set(address(host), Backend::Failing));
    pass(Duration::from_secs(6)).await;
    let shares = world.shares(100);
    assert_eq!((shares["a"], shares["b"]), (50, 50));
    world.prober.set(address(1), Backend::Well);
    pass(Duration::from_secs(6)).await;
    assert_eq!(
        world.shares(100)["a"],
        100,
        "with one healthy again the others get nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_check_of_a_server_in_two_clusters_is_made_once_and_different_ones_each() {
    let cluster =
        |id, path| json!({"id": id, "servers": ["a"], "health_check": {"path": path, "interval": "1h"}});
    let mut world = World::new();
    world.apply(&servers(&[1]), &[cluster("c", "/x"), cluster("d", "/x")]);
    settle().await;
    assert_eq!(world.prober.asked(address(1)).len(), 1);
    world.apply(&servers(&[1]), &[cluster("c", "/x"), cluster("d", "/y")]);
    settle().await;
    assert_eq!(world.prober.asked(address(1)).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_servers_own_check_goes_before_its_clusters() {
    let own = with(server("a", 1), json!({"health_check": {"interval": "1s"}}));
    let world = World::of(
        &[own, server("b", 2)],
        json!({"health_check": {"interval": "1m"}}),
    );
    pass(Duration::from_secs(30)).await;
    assert!(world.prober.asked(address(1)).len() > 25);
    assert_eq!(world.prober.asked(address(2)).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_check_a_server_is_usable_and_not_asked() {
    let world = World::of(&servers(&[1]), json!({}));
    pass(Duration::from_secs(60)).await;
    assert!(world.prober.asked(address(1)).is_empty() && world.pick().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_last_reason_and_its_time_are_shown() {
    let world = checked(json!({}));
    world.prober.set(address(1), Backend::Failing);
    world.prober.set(address(2), Backend::Hanging);
    settle().await;
    let of = |i: usize| world.registry.status()[i].addresses[0].clone();
    assert!(!of(0).healthy && of(0).since_unix_ms.is_some() && of(0).checked_unix_ms.is_some());
    assert_eq!(of(0).reason.unwrap(), "it is told to fail");
    pass(Duration::from_secs(2)).await;
    assert_eq!(of(1).reason.unwrap(), "it took longer than 1s");
    assert!(!world.registry.status()[1].usable);
}

#[tokio::test(start_paused = true)]
async fn a_transition_is_logged_once_with_its_reason() {
    let logged = Lines::of("server chatty at");
    let mut world = World::new();
    world.apply_one(
        &[server("chatty", 1)],
        json!({"health_check": {"interval": "1s"}}),
    );
    pass(Duration::from_secs(20)).await;
    assert!(logged.take().is_empty());
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(20)).await;
    let lines = logged.take();
    assert!(
        lines.len() == 1 && lines[0].contains("it is told to fail"),
        "{lines:?}"
    );
    world.prober.set(address(1), Backend::Well);
    pass(Duration::from_secs(20)).await;
    assert_eq!(logged.take(), ["server chatty at 10.0.0.1:80 becomes healthy"]);
}

#[tokio::test(start_paused = true)]
async fn checks_end_with_the_registry() {
    let world = checked(json!({"interval": "1s"}));
    pass(Duration::from_secs(5)).await;
    let (prober, cluster) = (Arc::clone(&world.prober), world.cluster("c"));
    drop(world);
    let before = prober.asked(address(1)).len();
    pass(Duration::from_secs(60)).await;
    assert_eq!(prober.asked(address(1)).len(), before);
    assert_eq!(cluster.usable(), 2);
}
