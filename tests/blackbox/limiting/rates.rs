//! How many requests pass in a time, at every level, and what the others are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, Load, Plan, Response, edit_and_wait, eventually};

/// What came of offering more than a limit lets pass.
struct Offered {
    /// Served in each whole second.
    served: Vec<u64>,
    statuses: BTreeMap<u16, u64>,
    /// How long in each second the machine kept the load from offering anything, beyond what a burst of two makes up for.
    stalled: Vec<Duration>,
}

/// The moments at which nothing came back for long.
struct Stalls {
    last: Instant,
    by_second: BTreeMap<u64, Duration>,
}

/// At 50 a second, a bucket of two is full after this time, and what more it would get is lost.
const FULL: Duration = Duration::from_millis(40);

/// Offers `offered` requests a second for so long.
async fn offer(gateway: &Gateway, offered: u32, seconds: u64) -> Offered {
    let start = Instant::now();
    let stalls = Arc::new(Mutex::new(Stalls {
        last: start,
        by_second: BTreeMap::new(),
    }));
    let seen = Arc::clone(&stalls);
    let mark = move |_, response: &Response| {
        let (now, mut stalls) = (Instant::now(), seen.lock().unwrap());
        let second = (now - start).as_secs();
        let stalled = (now - stalls.last).saturating_sub(FULL);
        *stalls.by_second.entry(second).or_default() += stalled;
        stalls.last = now;
        format!("{second:02} {}", response.status)
    };
    let plan = Plan::get(gateway.address(), "/")
        .rate(offered)
        .connections(10)
        .mark(mark);
    // A moment more, so that the last second is whole.
    let report = Load::run_for(plan, Duration::from_secs(seconds) + Duration::from_millis(200)).await;
    assert!(report.errors.is_empty(), "{report:?}");
    let served = |second: u64| report.marks.get(&format!("{second:02} 200")).copied();
    let stalls = &stalls.lock().unwrap().by_second;
    Offered {
        served: (0..seconds).map(|second| served(second).unwrap_or(0)).collect(),
        stalled: (0..seconds)
            .map(|second| stalls.get(&second).copied().unwrap_or_default())
            .collect(),
        statuses: report.statuses,
    }
}

/// A limit of 50 a second at that level and twice as much offered: each second has its 50, and nobody loses a connection.
async fn fifty_a_second(startup: &str, server: &str, cluster: &str, route: &str, seconds: u64) {
    let backend = Backend::text("ok").await;
    let objects = one_cluster(&[backend.address()], cluster, route);
    let objects = objects.replace("- { id: s0,", &format!("- {{ id: s0, {server}"));
    let gateway = Gateway::start_with(startup, &objects).await;
    let Offered {
        served,
        statuses,
        stalled,
    } = offer(&gateway, 100, seconds).await;
    for (second, count) in served.iter().enumerate() {
        // A stall loses a request in each 20 ms, and may end in the next second.
        let stalled = stalled[second] + stalled.get(second + 1).copied().unwrap_or_default();
        let lost = stalled.as_millis().div_ceil(20) as u64;
        assert!(
            (48 - lost.min(48)..=52).contains(count),
            "{served:?}, stalled {stalled:?}"
        );
    }
    assert!(statuses.keys().eq(&[200, 429]), "{statuses:?}");
    assert_eq!(backend.count(), statuses[&200]);
}

const FIFTY: &str = "limit: { requests_per_second: 50 }";

#[tokio::test]
async fn at_twice_its_rate_a_route_still_serves_the_whole_of_it_in_every_second() {
    fifty_a_second("", "", "", FIFTY, 10).await;
}

#[tokio::test]
async fn at_twice_its_rate_a_cluster_still_serves_the_whole_of_it() {
    fifty_a_second("", "", FIFTY, "", 3).await;
}

#[tokio::test]
async fn at_twice_its_rate_a_server_still_serves_the_whole_of_it() {
    fifty_a_second("", &format!("{FIFTY}, "), "", "", 3).await;
}

#[tokio::test]
async fn at_twice_its_rate_a_proxy_still_serves_the_whole_of_it() {
    fifty_a_second(&format!("{FIFTY}\n"), "", "", "", 3).await;
}

#[tokio::test]
async fn a_route_that_answers_by_itself_is_limited_too() {
    let gateway = Gateway::start(
        "routes:\n- { id: r, limit: { rate: 1/1h, burst: 2 }, filters: [{ reply: { body: hello } }] }\n",
    )
    .await;
    let mut client = gateway.client().await;
    for status in [200, 200, 429, 429] {
        assert_eq!(client.get("/").await.status, status);
    }
}

#[tokio::test]
async fn a_burst_passes_at_once_and_never_more_even_after_a_pause() {
    let backend = Backend::text("ok").await;
    let route = "limit: { requests_per_second: 10, burst: 5 }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", route)).await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        let start = Instant::now();
        let mut served = 0;
        for _ in 0..30 {
            served += u32::from(client.get("/").await.status == 200);
        }
        let most = 5.0 + 10.0 * start.elapsed().as_secs_f64();
        assert!(
            (5.0..=most).contains(&f64::from(served)),
            "{served} of at most {most}"
        );
        // Long enough for more than the burst to come in.
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
}

#[tokio::test]
async fn rates_can_be_fractions_and_numbers_in_a_minute() {
    let backend = Backend::text("ok").await;
    for (limit, burst, policy) in [
        ("requests_per_second: 0.5", 1, "\"route\";q=1;w=2"),
        ("rate: 100/1m", 2, "\"route\";q=100;w=60"),
        ("rate: 3/1h, burst: 3", 3, "\"route\";q=3;w=3600"),
    ] {
        let route = format!("limit: {{ {limit} }}");
        let gateway = Gateway::start(&one_cluster(&[backend.address()], "", &route)).await;
        let mut client = gateway.client().await;
        for _ in 0..burst {
            assert_eq!(client.get("/").await.status, 200, "{limit}");
        }
        let refused = client.get("/").await;
        assert_eq!(refused.header("ratelimit-policy"), Some(policy));
    }
}

#[tokio::test]
async fn whoever_is_refused_is_told_why_and_when_to_come_back_and_keeps_the_connection() {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start(&one_cluster(
        &[backend.address()],
        "",
        "limit: { rate: 1/20s, burst: 1 }",
    ))
    .await;
    let mut client = gateway.client().await;
    assert_eq!(client.get("/").await.status, 200);
    for method in ["GET", "POST", "HEAD"] {
        // A short body is read and thrown away, so that the connection can go on.
        let body: &[u8] = if method == "POST" {
            b"a body nobody reads"
        } else {
            b""
        };
        let refused = client.request(method, "/", &[], body).await.unwrap();
        if method != "HEAD" {
            assert_refused(&refused, 429, "rate_limited");
        }
        let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((18..=20).contains(&seconds), "{seconds}");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"route\";q=1;w=20"));
        let state = format!("\"route\";r=0;t={seconds}");
        assert_eq!(refused.header("ratelimit"), Some(state.as_str()));
        assert!(refused.keeps_alive());
    }
    let of_route = [("route", "r"), ("refusal", "rate_limited")];
    let counted = gateway.metric("gateway_route_refusals_total", &of_route).await;
    assert_eq!(counted, 3.0);
    let counted = gateway.metric("gateway_refusals_total", &of_route[1..]).await;
    assert_eq!(counted, 3.0);
}

#[tokio::test]
async fn a_limit_in_shadow_mode_refuses_nothing_and_counts() {
    let backend = Backend::text("ok").await;
    let route = "limit: { rate: 1/1h, burst: 1, max_in_flight: 1, mode: shadow }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", route)).await;
    let mut client = gateway.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let name = "gateway_route_shadow_refusals_total";
    assert_eq!(gateway.metric(name, &[("route", "r")]).await, 4.0);
    assert_eq!(gateway.metric("gateway_refusals_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_server_at_its_limit_is_passed_over_and_only_when_all_are_it_is_429() {
    let (one, other) = (Backend::text("one").await, Backend::text("other").await);
    let objects = one_cluster(&[one.address(), other.address()], "", "");
    let objects = objects
        .replace("- { id: s0,", "- { id: s0, limit: { rate: 1/1h, burst: 1 },")
        .replace("- { id: s1,", "- { id: s1, limit: { rate: 1/1h, burst: 3 },");
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!((one.count(), other.count()), (1, 3));
    let refused = client.get("/").await;
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"server\";q=1;w=3600"));
}

#[tokio::test]
async fn a_bucket_survives_changes_around_it_and_follows_a_change_of_its_rate() {
    let backend = Backend::text("ok").await;
    let objects = |extra: usize, limit: &str| {
        let route = format!("limit: {{ {limit} }}");
        let more = format!("- {{ id: other, match: {{ path: /{extra} }}, to: [{{ cluster: c }}] }}\n");
        one_cluster(&[backend.address()], "", &route) + &more
    };
    let gateway = Gateway::start(&objects(0, "rate: 2/1h, burst: 2")).await;
    let mut client = gateway.client().await;
    assert_eq!(client.get("/").await.status, 200);
    for extra in 1..5 {
        edit_and_wait(&gateway, &objects(extra, "rate: 2/1h, burst: 2")).await;
    }
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
    // A rate under which the debt of before would have been paid long ago.
    edit_and_wait(&gateway, &objects(5, "requests_per_second: 1000, burst: 2")).await;
    eventually("the bucket fills at its rate", Duration::from_secs(5), || async {
        gateway.get("/").await.status == 200
    })
    .await;
}
