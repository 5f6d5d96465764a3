//! Mirrors: copies of requests that never cost the client anything.

use std::time::{Duration, Instant};

use super::support::{Backend, Client, Gateway, Load, Plan, Reply, Step, clusters, eventually};

type Odd = fn() -> Reply;

const PATIENCE: Duration = Duration::from_secs(20);

/// A route to `main` with copies to `shadow`; `more` are further lines of the shadow's cluster.
fn mirrored(main: &Backend, shadow: &Backend, mirror: &str, members: &str) -> String {
    format!(
        "{}routes:\n- {{ id: r, to: [{{ cluster: main }}], mirror: {{ cluster: shadow{mirror} }}{members} }}\n",
        clusters(&[("main", main.address()), ("shadow", shadow.address())])
    )
}

async fn mirrors(gateway: &Gateway, result: &str) -> f64 {
    gateway
        .metric("gateway_mirrors_total", &[("result", result)])
        .await
}

async fn until_counted(gateway: &Gateway, result: &str, count: f64) {
    eventually(&format!("{count} copies {result}"), PATIENCE, || async {
        mirrors(gateway, result).await >= count
    })
    .await;
}

#[tokio::test]
async fn a_copy_is_the_whole_request_and_its_answer_is_discarded() {
    let main = Backend::text("main").await;
    let shadow = Backend::start(|_| Reply::new(500, "from the shadow")).await;
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", ", rewrite: \"/v2{path}\"")).await;
    let mut client = gateway.client().await;
    let bodies = [Vec::new(), b"hello".to_vec(), vec![b'x'; 60_000]];
    for (n, body) in bodies.iter().enumerate() {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let target = format!("/p/{n}?q=%41");
        let response = client
            .request(method, &target, &[("X-Mine", "1")], body)
            .await
            .unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "main"));
    }
    client
        .send("POST /p/3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_response("POST").await.unwrap().text(), "main");
    until_counted(&gateway, "sent", 4.0).await;
    let mut copies = shadow.requests();
    copies.sort_by(|one, other| one.target.cmp(&other.target));
    for (copy, original) in copies.iter().zip(main.requests()) {
        assert_eq!(
            (&copy.method, &copy.target, &copy.body),
            (&original.method, &original.target, &original.body)
        );
        for name in ["x-mine", "x-request-id", "x-forwarded-for", "host"] {
            assert_eq!(copy.header(name), original.header(name), "{name}");
        }
    }
    assert_eq!(copies.len(), 4);
    assert_eq!(copies[3].body, b"abcde");
    assert!(shadow.faults().is_empty(), "{:?}", shadow.faults());
}

#[tokio::test]
async fn a_mirror_that_hangs_refuses_resets_or_talks_nonsense_neither_delays_nor_fails_the_answer() {
    let main = Backend::text("main").await;
    let cut = || Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").then(Step::Close);
    let odd: [(&str, Odd); 6] = [
        ("cut short", cut),
        ("hangs", Reply::hang),
        ("resets", Reply::reset),
        ("closes", Reply::close),
        ("garbage", Reply::garbage),
        ("slow", || Reply::new(200, "late").after(Duration::from_secs(5))),
    ];
    let shadow = Backend::text("").await;
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", "")).await;
    let mut expected = 0;
    for (what, reply) in odd {
        shadow.script(move |_| reply());
        let mut client = gateway.client().await;
        for _ in 0..10 {
            let start = Instant::now();
            let response = client.request("POST", "/", &[], b"body").await.unwrap();
            assert_eq!(
                (response.status, response.text().as_str()),
                (200, "main"),
                "{what}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(3),
                "{what}: {:?}",
                start.elapsed()
            );
        }
        // Each copy has been met by the script it was meant for.
        expected += 10;
        eventually(what, PATIENCE, || async { shadow.count() == expected }).await;
    }
    until_counted(&gateway, "failed", 40.0).await;

    let shadow = Backend::refusing().await;
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", "")).await;
    let mut client = gateway.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "main");
    }
    until_counted(&gateway, "failed", 10.0).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_to_keep_is_not_copied_and_counted_as_dropped() {
    let (main, shadow) = (Backend::echo().await, Backend::text("").await);
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", "")).await;
    let mut client = gateway.client().await;
    let body = vec![b'x'; 200_000];
    let response = client.request("POST", "/", &[], &body).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(main.last().body.len(), body.len());
    until_counted(&gateway, "dropped", 1.0).await;
    assert_eq!(
        client.request("POST", "/", &[], b"small").await.unwrap().status,
        200
    );
    until_counted(&gateway, "sent", 1.0).await;
    assert_eq!(shadow.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_under_way_are_bounded_and_the_rest_is_dropped_and_counted() {
    let main = Backend::text("main").await;
    let shadow = Backend::start(|_| Reply::hang()).await;
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", "")).await;
    let plan = Plan::get(gateway.address(), "/").rate(1000).connections(16);
    let load = Load::start(plan);
    until_counted(&gateway, "dropped", 100.0).await;
    let report = load.stop().await;
    report.assert_all(200);
    assert_eq!(shadow.count(), 1000, "so many may be under way");
    assert!(report.slowest < Duration::from_secs(5), "{:?}", report.slowest);
}

#[tokio::test]
async fn a_share_of_the_requests_is_copied() {
    let (main, shadow) = (Backend::text("main").await, Backend::text("").await);
    let gateway = Gateway::start(&mirrored(&main, &shadow, ", percent: 30", "")).await;
    let mut client = gateway.client().await;
    for _ in 0..1000 {
        assert_eq!(client.get("/").await.status, 200);
    }
    // 300 and five standard deviations of 14.5.
    until_counted(&gateway, "sent", 228.0).await;
    eventually("the copies have ended", PATIENCE, || async {
        mirrors(&gateway, "sent").await as u64 == shadow.count()
    })
    .await;
    assert!((228..=372).contains(&shadow.count()), "{}", shadow.count());
    assert_eq!(main.count(), 1000);
}

#[tokio::test]
async fn a_client_that_goes_away_or_a_main_that_fails_does_not_harm_the_mirror() {
    let (main, shadow) = (Backend::start(|_| Reply::close()).await, Backend::text("").await);
    let gateway = Gateway::start(&mirrored(&main, &shadow, "", "")).await;
    assert_eq!(gateway.get("/").await.status, 502);
    until_counted(&gateway, "sent", 1.0).await;
    let mut client = Client::connect(gateway.address()).await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        .await
        .unwrap();
    client.reset();
    // A part of a body is no copy.
    until_counted(&gateway, "dropped", 1.0).await;
    assert_eq!(shadow.count(), 1);
}
