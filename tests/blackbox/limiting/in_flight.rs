//! How many requests are under way at once, at every level, and that a slot comes back however a request ends.

use std::time::Duration;

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, Load, Plan, Reply, Response, Step, edit_and_wait, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// A backend that takes its time.
async fn slow(pause: Duration) -> Backend {
    Backend::start(move |_| Reply::new(200, "ok").after(pause)).await
}

/// Three at once at that level, more offered: the others are refused, and no more than three are ever under way.
async fn three_at_once(startup: &str, server: &str, cluster: &str, route: &str, scope: &str) {
    let backend = slow(Duration::from_millis(50)).await;
    let objects = one_cluster(&[backend.address()], cluster, route);
    let objects = objects.replace("- { id: s0,", &format!("- {{ id: s0, {server}"));
    let gateway = Gateway::start_with(startup, &objects).await;
    let policy = format!("\"{scope}\";q=3;qu=\"concurrent-requests\"");
    let mark = move |_, response: &Response| match response.header("ratelimit-policy") {
        Some(found) if found == policy => "refused".to_owned(),
        Some(other) => other.to_owned(),
        None => "served".to_owned(),
    };
    let plan = Plan::get(gateway.address(), "/")
        .rate(200)
        .connections(12)
        .mark(mark);
    let load = Load::start(plan);
    eventually("both have happened", PATIENCE, || {
        let in_flight = gateway.status();
        let report = load.report();
        async move {
            let status = in_flight.await;
            let found = status["servers"][0]["in_flight"].as_u64().unwrap();
            assert!(found <= 3, "{found} at once");
            report.statuses.get(&200).is_some_and(|count| *count > 20)
                && report.statuses.get(&429).is_some_and(|count| *count > 20)
        }
    })
    .await;
    let report = load.stop().await;
    assert!(report.errors.is_empty(), "{report:?}");
    assert!(report.marks.keys().eq(["refused", "served"]), "{report:?}");
}

const THREE: &str = "limit: { max_in_flight: 3 }";

#[tokio::test]
async fn a_route_has_no_more_under_way_than_it_may() {
    three_at_once("", "", "", THREE, "route").await;
}

#[tokio::test]
async fn a_cluster_has_no_more_under_way_than_it_may() {
    three_at_once("", "", THREE, "", "cluster").await;
}

#[tokio::test]
async fn a_server_has_no_more_under_way_than_it_may() {
    three_at_once("", &format!("{THREE}, "), "", "", "server").await;
}

#[tokio::test]
async fn a_proxy_has_no_more_under_way_than_it_may() {
    three_at_once(&format!("{THREE}\n"), "", "", "", "proxy").await;
}

/// One slot at every level. However the first request ends, the second is served.
async fn comes_back_after(cluster: &str, end: impl AsyncFn(&Gateway, &Backend)) {
    let backend = Backend::text("ok").await;
    let one = "limit: { max_in_flight: 1 }";
    let cluster = format!("{one}{cluster}");
    let objects = one_cluster(&[backend.address()], &cluster, one);
    let objects = objects.replace("- { id: s0,", &format!("- {{ id: s0, {one},"));
    let gateway = Gateway::start_with(&format!("{one}\n"), &objects).await;
    for _ in 0..3 {
        end(&gateway, &backend).await;
        backend.script(|_| Reply::new(200, "ok"));
        eventually("a request is served", PATIENCE, || async {
            gateway.get("/").await.status == 200
        })
        .await;
    }
    idle(&gateway).await;
}

/// Waits until no limit counts anything. A slot comes back when the last byte of an answer has gone out, so the client may have it a
/// moment before.
async fn idle(gateway: &Gateway) {
    eventually("nothing is under way", PATIENCE, || async {
        let status = gateway.status().await;
        let levels = ["servers", "clusters", "routes"].map(|of| status[of][0]["limit"]["in_flight"].clone());
        levels.iter().all(|count| *count == 0) && status["limit"]["in_flight"] == 0
    })
    .await;
}

#[tokio::test]
async fn slots_come_back_when_the_client_goes_away() {
    comes_back_after("", async |gateway: &Gateway, backend: &Backend| {
        backend.script(|_| Reply::hang());
        idle(gateway).await;
        let before = backend.count();
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        eventually("it has arrived", PATIENCE, || async { backend.count() > before }).await;
        assert_refused(&gateway.get("/").await, 429, "rate_limited");
        client.reset();
    })
    .await;
}

#[tokio::test]
async fn slots_come_back_after_timeouts_resets_and_failures() {
    comes_back_after(
        ", timeout: { first_byte: 50ms }",
        async |gateway: &Gateway, backend: &Backend| {
            for (reply, status) in [
                (Reply::hang(), 504),
                (Reply::reset(), 502),
                (Reply::garbage(), 502),
                (Reply::new(500, "no"), 500),
            ] {
                backend.script(move |_| reply.clone());
                idle(gateway).await;
                assert_eq!(gateway.get("/").await.status, status);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn slots_come_back_when_an_answer_breaks_off() {
    comes_back_after("", async |gateway: &Gateway, backend: &Backend| {
        backend.script(|_| {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_vec();
            Reply::raw(head).then(Step::Close)
        });
        idle(gateway).await;
        let mut client = gateway.client().await;
        client.send_request("GET", "/", &[], b"").await.unwrap();
        assert!(client.read_response("GET").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn slots_come_back_from_retries() {
    comes_back_after(
        ", retry: { attempts: 3, budget_percent: 100 }",
        async |gateway: &Gateway, backend: &Backend| {
            backend.script(|_| Reply::new(503, "no"));
            idle(gateway).await;
            assert_eq!(gateway.get("/").await.status, 503);
        },
    )
    .await;
}

#[tokio::test]
async fn slots_survive_a_change_of_the_configuration() {
    let backend = slow(Duration::from_millis(300)).await;
    let objects = |weight: u32| {
        let objects = one_cluster(&[backend.address()], "", "limit: { max_in_flight: 1 }");
        objects.replace("- { id: s0,", &format!("- {{ id: s0, weight: {weight},"))
    };
    let gateway = Gateway::start(&objects(1)).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    eventually("it has arrived", PATIENCE, || async { backend.count() == 1 }).await;
    edit_and_wait(&gateway, &objects(2)).await;
    assert_refused(&gateway.get("/").await, 429, "rate_limited");
    assert_eq!(client.read_response("GET").await.unwrap().status, 200);
    eventually("its slot is free", PATIENCE, || async {
        gateway.get("/").await.status == 200
    })
    .await;
}
