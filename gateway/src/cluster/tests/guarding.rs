//! Limits and breakers take part in picking.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::advance;

use crate::{
    breaker::{Condition, Forced},
    clock::Moment,
    cluster::{NoServer, Outcome, Picked, Refused, Server, Tried, testing::*},
};

const LATENCY: Duration = Duration::from_millis(1);

/// Trips at the second failure in a row; the first pause is 10 s, as good as exactly.
fn brittle() -> Value {
    json!({"breaker": {"consecutive_failures": 2, "rejecting_for": "10s", "probe_percent": 100, "max_probes": 2, "probe_successes": 2}})
}

fn fail(server: &Arc<Server>) {
    let permit = server.admit(Moment::now()).unwrap();
    permit.finish(Outcome::Failure { latency: LATENCY }, Moment::now());
}

fn succeed(server: &Arc<Server>) {
    let permit = server.admit(Moment::now()).unwrap();
    permit.finish(Outcome::Success { latency: LATENCY }, Moment::now());
}

fn trip(server: &Arc<Server>) {
    (0..2).for_each(|_| fail(server));
}

fn state(server: &Server) -> Condition {
    server.guard().breaker().state
}

fn refused(picked: Result<Picked, NoServer>) -> Refused {
    match picked.err() {
        Some(NoServer::Refused(refused)) => refused,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_at_its_limit_is_skipped_for_another() {
    let limit = json!({"limit": {"requests_per_second": 1, "burst": 2}});
    let servers = servers(&[1, 1]);
    let limited = [with(servers[0].clone(), limit), servers[1].clone()];
    let world = World::of(&limited, json!({}));
    let shares = world.shares(20);
    assert_eq!((shares["a"], shares["b"]), (2, 18));
    advance(Duration::from_secs(1)).await;
    assert_eq!(world.shares(20)["a"], 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_at_their_limit_the_shortest_wait_is_told() {
    let limit = |rate: &str| json!({"limit": {"rate": rate, "burst": 1}});
    let servers = servers(&[1, 1]);
    let limited = [
        with(servers[0].clone(), limit("1/60s")),
        with(servers[1].clone(), limit("1/20s")),
    ];
    let world = World::of(&limited, json!({}));
    world.picks(2);
    let Refused::Limited(exceeded) = refused(world.pick()) else {
        panic!("a limit refuses");
    };
    assert_eq!(exceeded.wait.as_secs_f64().round(), 20.0);
}

#[tokio::test(start_paused = true)]
async fn slots_of_a_server_come_back_with_the_permits() {
    let limit = json!({"limit": {"max_in_flight": 2}});
    let world = World::of(&[with(server("a", 1), limit)], json!({}));
    for _ in 0..3 {
        let held: Vec<_> = (0..2).map(|_| world.pick().ok().unwrap()).collect();
        assert!(matches!(refused(world.pick()), Refused::Limited(_)));
        drop(held);
    }
    assert_eq!(world.server("a").in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_in_a_servers_queue_gets_the_next_slot() {
    let limit = json!({"limit": {"max_in_flight": 1, "queue": {"size": 1, "wait": "200ms"}}});
    let world = World::of(&[with(server("a", 1), limit)], json!({}));
    let cluster = world.cluster("c");
    let held = world.pick().ok().unwrap();
    let all = refused(world.pick());
    let mut tried = Tried::new();
    let (waited, ()) = tokio::join!(cluster.wait(all, &mut tried, None), async {
        pass(Duration::from_millis(100)).await;
        drop(held);
    });
    let waited = waited.ok().unwrap();
    // The queue lets nobody wait longer than it says, nor than the caller has time.
    for patience in [None, Some(Duration::from_millis(50))] {
        let before = tokio::time::Instant::now();
        assert!(cluster.wait(all, &mut Tried::new(), patience).await.is_err());
        let longest = patience.unwrap_or(Duration::from_millis(200));
        assert_eq!(before.elapsed().as_millis() / 10, longest.as_millis() / 10);
    }
    drop(waited);
    assert!(world.pick().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rejecting_server_is_skipped_and_comes_back_without_being_picked() {
    let world = World::of(&servers(&[1, 1, 1]), brittle());
    let a = world.server("a");
    trip(&a);
    assert_eq!(world.shares(40).get("a"), None);
    // Nobody asks for it in the meantime.
    advance(Duration::from_secs(12)).await;
    assert_eq!(state(&a), Condition::Probing);
    (0..2).for_each(|_| succeed(&a));
    assert_eq!(state(&a), Condition::Passing);
    assert_eq!(world.shares(30)["a"], 10);
}

#[tokio::test(start_paused = true)]
async fn when_the_only_server_rejects_the_rest_of_the_pause_is_told() {
    let world = World::of(&[server("a", 1)], brittle());
    trip(&world.server("a"));
    advance(Duration::from_secs(4)).await;
    let Refused::Rejecting { retry_after } = refused(world.pick()) else {
        panic!("the breaker refuses");
    };
    assert!((4.9..7.1).contains(&retry_after.as_secs_f64()), "{retry_after:?}");
}

#[tokio::test(start_paused = true)]
async fn where_some_reject_and_others_are_at_their_limit_the_limit_answers() {
    let servers = servers(&[1, 1]);
    let limited = with(servers[1].clone(), json!({"limit": {"max_in_flight": 1}}));
    let world = World::of(&[servers[0].clone(), limited], brittle());
    trip(&world.server("a"));
    let _held = world.pick().ok().unwrap();
    assert!(matches!(refused(world.pick()), Refused::Limited(_)));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_lost_gives_its_place_back() {
    let world = World::of(&[server("a", 1)], brittle());
    let a = world.server("a");
    trip(&a);
    advance(Duration::from_secs(12)).await;
    for _ in 0..1000 {
        let probes: Vec<_> = (0..2).map(|_| world.pick().ok().unwrap().permit).collect();
        assert!(probes.iter().all(|probe| probe.is_probe()));
        assert!(world.pick().is_err());
        drop(probes);
    }
    assert_eq!((a.cancelled(), state(&a)), (2000, Condition::Probing));
    (0..2).for_each(|_| succeed(&a));
    assert_eq!(state(&a), Condition::Passing);
}

#[tokio::test(start_paused = true)]
async fn a_probe_can_be_judged_before_its_request_ends() {
    let world = World::of(&[server("a", 1)], brittle());
    let a = world.server("a");
    trip(&a);
    advance(Duration::from_secs(12)).await;
    let mut probe = a.admit(Moment::now()).unwrap();
    probe.settle(Outcome::Failure { latency: LATENCY }, Moment::now());
    assert_eq!((state(&a), a.in_flight()), (Condition::Rejecting, 1));
    drop(probe);
    assert_eq!((a.in_flight(), a.failures(), a.cancelled()), (0, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_servers_of_a_cluster_reject_than_it_allows() {
    for (count, percent, most) in [
        (1, 50, 1),
        (2, 50, 1),
        (3, 50, 1),
        (4, 50, 2),
        (4, 100, 4),
        (10, 30, 3),
    ] {
        let mut cluster = brittle();
        cluster["breaker"]["max_rejecting_percent"] = json!(percent);
        let world = World::of(&servers(&vec![1; count]), cluster);
        for _ in 0..3 {
            for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
                .iter()
                .take(count)
            {
                let server = world.server(id);
                if state(&server) == Condition::Passing {
                    trip(&server);
                }
            }
            // Whoever was denied asks again after a while.
            advance(Duration::from_millis(200)).await;
        }
        assert_eq!(
            world.cluster("c").tripped(Moment::now()),
            most,
            "{count} servers, {percent} %"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_in_two_clusters_has_one_breaker_and_both_clusters_have_a_say() {
    let mut world = World::new();
    let cluster = |id: &str, servers: Value| with(json!({"id": id, "servers": servers}), brittle());
    let clusters = [cluster("c", json!(["a", "b"])), cluster("d", json!(["a", "e"]))];
    let servers = [server("a", 1), server("b", 2), server("e", 5)];
    world.apply(&servers, &clusters);
    trip(&world.server("b"));
    // The cluster `c` has its one rejecting server already.
    trip(&world.server("a"));
    assert_eq!(state(&world.server("a")), Condition::Passing);
    advance(Duration::from_secs(30)).await;
    (0..2).for_each(|_| succeed(&world.server("b")));
    trip(&world.server("a"));
    let d = world.cluster("d");
    let picked = (0..10).map(|_| d.pick(Moment::now(), || 0, &mut Tried::new()).ok().unwrap());
    assert!(
        picked
            .into_iter()
            .all(|picked| picked.server().id().as_str() == "e")
    );
    assert_eq!(world.shares(10).get("a"), None);
}

#[tokio::test(start_paused = true)]
async fn of_two_clusters_the_first_by_id_lends_its_breaker() {
    let mut world = World::new();
    let cluster = |id: &str, failures: u32| json!({"id": id, "servers": ["a", "b"], "breaker": {"consecutive_failures": failures}});
    let own = with(server("b", 2), json!({"breaker": {"consecutive_failures": 1}}));
    world.apply(&[server("a", 1), own], &[cluster("d", 1), cluster("c", 3)]);
    let (a, b) = (world.server("a"), world.server("b"));
    (0..2).for_each(|_| fail(&a));
    assert_eq!(state(&a), Condition::Passing);
    fail(&a);
    assert_eq!(state(&a), Condition::Rejecting);
    assert_eq!(state(&b), Condition::Passing);
    fail(&b);
    // Its own says one; the clusters allow no second one to reject.
    assert_eq!(state(&b), Condition::Passing);
}

#[tokio::test(start_paused = true)]
async fn buckets_breakers_and_counters_survive_a_hundred_changes_around_them() {
    let limit = json!({"limit": {"rate": "1/1h", "burst": 3}});
    let configuration = |round: u32| {
        let a = with(server("a", 1), json!({"weight": 1 + round % 7}));
        let b = with(
            with(server("b", 2), limit.clone()),
            json!({"weight": 1 + round % 5}),
        );
        let other = server(&format!("other-{round}"), 3);
        vec![a, b, other]
    };
    let mut world = World::new();
    world.apply_one(&configuration(0), brittle());
    let (a, b) = (world.server("a"), world.server("b"));
    trip(&a);
    (0..2).for_each(|_| succeed(&b));
    fail(&b);
    for round in 1..=100 {
        let mut cluster = brittle();
        cluster["timeout"] = json!({"connect": format!("{round}ms")});
        world.apply_one(&configuration(round), cluster);
        advance(Duration::from_millis(10)).await;
    }
    assert!(Arc::ptr_eq(&a, &world.server("a")) && Arc::ptr_eq(&b, &world.server("b")));
    assert_eq!(state(&a), Condition::Rejecting);
    assert_eq!((b.successes(), b.failures()), (2, 1));
    // Its three tokens are spent, and the failure is remembered: one more makes two in a row.
    assert!(matches!(b.admit(Moment::now()).err(), Some(Refused::Limited(_))));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_no_longer_configured_lets_everything_pass() {
    let mut world = World::new();
    world.apply_one(&servers(&[1]), brittle());
    trip(&world.server("a"));
    assert!(world.pick().is_err());
    world.apply_one(&servers(&[1]), json!({}));
    assert!(world.pick().is_ok());
    assert_eq!(state(&world.server("a")), Condition::Passing);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_can_be_held_and_let_go() {
    let world = World::of(&servers(&[1, 1]), json!({}));
    let a = world.server("a");
    a.guard().force(&a, Some(Forced::Rejecting));
    assert_eq!(world.shares(10).get("a"), None);
    assert!(a.guard().breaker().forced);
    a.guard().force(&a, None);
    assert_eq!(world.shares(10)["a"], 5);
}

#[tokio::test(start_paused = true)]
async fn health_and_breaker_do_not_block_each_others_recovery() {
    let check = json!({"health_check": {"type": "tcp", "interval": "1s"}});
    let world = World::of(&servers(&[1, 1]), with(brittle(), check));
    settle().await;
    let a = world.server("a");
    trip(&a);
    // Unhealthy while rejecting, and healthy again before the pause is over.
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(3)).await;
    world.prober.set(address(1), Backend::Well);
    pass(Duration::from_secs(10)).await;
    assert_eq!(state(&a), Condition::Probing);
    (0..2).for_each(|_| succeed(&a));
    assert_eq!(world.shares(10)["a"], 5);
    // Unhealthy beyond the end of the pause: it is tried out as soon as it is well.
    trip(&a);
    world.prober.set(address(1), Backend::Failing);
    pass(Duration::from_secs(30)).await;
    assert_eq!(world.shares(10).get("a"), None);
    world.prober.set(address(1), Backend::Well);
    pass(Duration::from_secs(3)).await;
    assert!(world.shares(10).contains_key("a"));
}

#[tokio::test(start_paused = true)]
async fn statuses_that_are_failures_can_be_chosen() {
    let mut cluster = brittle();
    cluster["breaker"]["failure_status"] = json!([429]);
    let world = World::of(&servers(&[1]), cluster);
    let failed = |server: &Server, status| matches!(server.judge(status, LATENCY), Outcome::Failure { .. });
    let a = world.server("a");
    assert!(failed(&a, 429) && !failed(&a, 500));
    let plain = World::of(&servers(&[1]), json!({}));
    let a = plain.server("a");
    assert!([500, 502, 503, 504].iter().all(|status| failed(&a, *status)));
    assert!([200, 404, 429, 501].iter().all(|status| !failed(&a, *status)));
}

#[tokio::test(start_paused = true)]
async fn what_a_server_took_and_refused_is_told_by_the_second() {
    let limit = json!({"limit": {"max_in_flight": 1}});
    let world = World::of(&[with(server("a", 1), limit)], json!({}));
    let a = world.server("a");
    succeed(&a);
    fail(&a);
    drop(a.admit(Moment::now()));
    let held = a.admit(Moment::now()).unwrap();
    assert!(a.admit(Moment::now()).is_err());
    drop(held);
    for _ in 0..4 {
        advance(Duration::from_secs(1)).await;
        world.registry.tick(Moment::now());
    }
    let report =
        a.guard()
            .statistics()
            .report(Moment::now().second(), 60, crate::statistics::Buckets::Without);
    let window = report.window;
    assert_eq!(
        (
            window.requests,
            window.successes,
            window.failures,
            window.cancelled,
            window.refusals
        ),
        (4, 1, 1, 2, 1)
    );
    let latency = window.latency_ms.unwrap();
    assert_eq!((latency.minimum, latency.maximum), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn least_request_proposes_a_server_that_is_tried_out_whatever_it_failed_before() {
    let world = World::of(
        &servers(&[1, 1]),
        with(brittle(), json!({"load_balance": "least_request"})),
    );
    let a = world.server("a");
    trip(&a);
    advance(Duration::from_secs(12)).await;
    assert_eq!(state(&a), Condition::Probing);
    let first = (0..20)
        .map(|_| world.pick().ok().unwrap())
        .any(|picked| picked.permit.is_probe());
    assert!(first);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_a_request_is_asked_once_for_it() {
    for load_balance in ["round_robin", "random", "least_request", "ip_hash"] {
        let world = World::of(
            &servers(&[1, 1]),
            with(brittle(), json!({"load_balance": load_balance})),
        );
        for id in ["a", "b"] {
            let server = world.server(id);
            server.guard().force(&server, Some(Forced::Rejecting));
        }
        for _ in 0..10 {
            assert!(world.pick().is_err());
        }
        for id in ["a", "b"] {
            assert_eq!(world.server(id).guard().breaker().refused, 10, "{load_balance}");
        }
    }
}
