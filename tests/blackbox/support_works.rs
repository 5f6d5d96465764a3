//! The ground the other tests stand on does what it says.

use std::time::Duration;

use super::support::{
    Backend, Client, Gateway, Load, Plan, Port, Reply, Step, eventually, get, post, sum_of_samples,
};

#[tokio::test]
async fn a_backend_answers_by_its_script_and_records_what_came() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/teapot" => Reply::with_headers(418, &[("X-Pot", "tea")], "short and stout"),
        _ => Reply::echo(request),
    })
    .await;
    let mut client = Client::connect(backend.address()).await;
    let response = client.get("/teapot").await;
    assert_eq!(
        (
            response.status,
            response.header("x-pot"),
            response.text().as_str()
        ),
        (418, Some("tea"), "short and stout")
    );
    let echo = client
        .request("POST", "/e?x=1", &[("X-A", "b")], b"body")
        .await
        .unwrap()
        .json();
    assert_eq!(
        (echo["method"].as_str(), echo["target"].as_str()),
        (Some("POST"), Some("/e?x=1"))
    );
    assert_eq!(echo["body"], "body");
    assert_eq!((backend.count(), backend.connections()), (2, 1));
    assert_eq!(backend.last().header("x-a"), Some("b"));
    assert!(backend.faults().is_empty());
}

#[tokio::test]
async fn chunks_arrive_decoded_and_in_time() {
    let backend =
        Backend::start(|_| Reply::chunked(200, &[], &[b"one", b"two"], Duration::from_millis(5))).await;
    let mut client = Client::connect(backend.address()).await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.text(), "onetwo");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_backend_can_close_reset_hang_and_talk_nonsense() {
    let backend = Backend::start(|request| match request.target.as_str() {
        "/close" => Reply::close(),
        "/reset" => Reply::reset(),
        "/garbage" => Reply::garbage(),
        "/cut" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").then(Step::Close),
        _ => Reply::hang(),
    })
    .await;
    for (target, reason) in [
        ("/close", "closed"),
        ("/reset", "reset"),
        ("/garbage", "invalid"),
        ("/cut", "after 3"),
    ] {
        let mut client = Client::connect(backend.address()).await;
        let error = client
            .request("GET", target, &[], b"")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{target}: {error}");
    }
    let mut client = Client::connect(backend.address()).await;
    client.send_request("GET", "/hang", &[], b"").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(50), client.read_response("GET")).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_stopped_backend_refuses_and_comes_back_on_its_port() {
    let mut backend = Backend::text("here").await;
    let mut before = Client::connect(backend.address()).await;
    before.get("/").await;
    backend.stop().await;
    assert!(Client::try_connect(backend.address()).await.is_err());
    assert!(before.request("GET", "/", &[], b"").await.is_err());
    backend.restart();
    assert_eq!(get(backend.address(), "/").await.text(), "here");
}

#[tokio::test]
async fn connections_are_closed_after_so_many_requests_or_when_idle() {
    let backend = Backend::text("x").await;
    backend.close_after(2);
    let mut client = Client::connect(backend.address()).await;
    client.get("/").await;
    client.get("/").await;
    assert!(client.closed().await);

    let backend = Backend::text("x").await;
    backend.close_idle(1.0, Duration::from_millis(5));
    let mut client = Client::connect(backend.address()).await;
    client.get("/").await;
    assert!(client.closed().await);
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body_is_sent() {
    let backend = Backend::text("early").await;
    backend.answer_early();
    let mut client = Client::connect(backend.address()).await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_response("POST").await.unwrap().text(), "early");
    client.send("hello").await.unwrap();
    assert_eq!(client.get("/next").await.text(), "early");
}

#[tokio::test]
async fn broken_requests_are_noted_as_faults() {
    let backend = Backend::text("x").await;
    let mut client = Client::connect(backend.address()).await;
    client
        .send("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    assert!(client.closed().await);
    assert!(
        backend.faults()[0].contains("ambiguous"),
        "{:?}",
        backend.faults()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_counts_every_answer_and_every_error() {
    let mut backend = Backend::start(|request| Reply::new(200, request.target.clone())).await;
    let address = backend.address();
    let plan = Plan::new(address, |n| {
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", n % 2).into_bytes()
    })
    .rate(1000)
    .connections(4)
    .mark(|_, response| response.text());
    let load = Load::start(plan);
    eventually("a hundred answers", Duration::from_secs(10), || async {
        load.report().answers() >= 100
    })
    .await;
    load.report().assert_all(200);
    backend.stop().await;
    eventually("an error", Duration::from_secs(10), || async {
        !load.report().errors.is_empty()
    })
    .await;
    let report = load.stop().await;
    assert_eq!(report.marks.keys().collect::<Vec<_>>(), ["/0", "/1"]);
    assert_eq!(
        report.answers() + report.errors.values().sum::<u64>(),
        report.sent
    );
}

#[tokio::test]
async fn reserved_ports_are_free_and_different() {
    let ports: Vec<_> = (0..20).map(|_| Port::reserve()).collect();
    let mut numbers: Vec<_> = ports.iter().map(Port::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
    assert!(Client::try_connect(ports[0].address()).await.is_err());
}

#[tokio::test]
async fn a_refusing_backend_refuses() {
    let backend = Backend::refusing().await;
    assert!(Client::try_connect(backend.address()).await.is_err());
}

#[tokio::test]
async fn post_sends_its_body() {
    let backend = Backend::echo().await;
    assert_eq!(post(backend.address(), "/", b"abc").await.json()["body"], "abc");
}

#[tokio::test]
async fn a_gateway_that_does_not_start_is_reported_not_waited_for() {
    let exited = Gateway::try_start("no_such_key: 1\n", "")
        .await
        .err()
        .expect("a refusal to start");
    assert!(exited.code.is_some(), "{exited:?}");
}

#[test]
fn metrics_are_summed_over_the_samples_with_all_labels() {
    let text = "# TYPE a_total counter\na_total{route=\"x\",code=\"200\"} 3\na_total{route=\"y\",code=\"200\"} 4\n\
                a_total{route=\"x\",code=\"500\"} 5\na_total_more 9\nb 1.5\n";
    assert_eq!(sum_of_samples(text, "a_total", &[]), 12.0);
    assert_eq!(sum_of_samples(text, "a_total", &[("code", "200")]), 7.0);
    assert_eq!(
        sum_of_samples(text, "a_total", &[("route", "x"), ("code", "200")]),
        3.0
    );
    assert_eq!(sum_of_samples(text, "b", &[]), 1.5);
    assert_eq!(sum_of_samples(text, "c", &[]), 0.0);
}

#[tokio::test]
async fn a_gateway_starts_serves_is_edited_and_stops() {
    let backend = Backend::text("first").await;
    let objects = |path: &str| {
        format!(
            "servers:\n- {{ id: s, address: \"{}\" }}\nclusters:\n- {{ id: c, servers: [s] }}\nroutes:\n\
             - {{ id: r, match: {{ path: {path} }}, to: [ {{ cluster: c }} ] }}\n",
            backend.address()
        )
    };
    let mut gateway = Gateway::start(&objects("/before")).await;
    assert_eq!(gateway.get("/before").await.text(), "first");
    gateway.edit(&objects("/after"));
    eventually("the edit is served", Duration::from_secs(10), || async {
        gateway.get("/after").await.status == 200
    })
    .await;
    assert!(gateway.status().await.is_object() && gateway.resident_kib() > 0);
    assert!(gateway.metrics().await.contains("gateway_"));
    gateway.restart().await;
    assert_eq!(gateway.get("/after").await.text(), "first");
    assert_eq!(gateway.stop().await.code, Some(0));
}
