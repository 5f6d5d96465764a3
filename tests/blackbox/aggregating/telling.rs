//! What is told of aggregations: in metrics, in `/status`, and by `-t`.

use super::{aggregation, over, with_json};
use crate::support::{Backend, Gateway, Reply, clusters, eventually};

/// Waits for a line of the metrics. A request is counted when its answer has gone out, so the client may have it a moment before.
async fn eventually_says(gateway: &Gateway, line: &str) {
    eventually(line, std::time::Duration::from_secs(10), || async {
        gateway.metrics().await.lines().any(|other| other == line)
    })
    .await;
}

#[tokio::test]
async fn metrics_count_aggregations_and_their_nodes() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/bad" => Reply::new(500, ""),
        _ => with_json("1").after(std::time::Duration::from_millis(20)),
    })
    .await;
    let nodes = [
        ("good", ""),
        ("bad", "required: false"),
        ("vip", "when: query.vip"),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    for line in [
        "gateway_requests_total{aggregation=\"a\",code=\"2xx\"} 3",
        "gateway_request_duration_seconds_count{aggregation=\"a\"} 3",
        "gateway_node_calls_total{aggregation=\"a\",node=\"good\",result=\"answered\"} 3",
        "gateway_node_calls_total{aggregation=\"a\",node=\"bad\",result=\"failed\"} 3",
        "gateway_node_calls_total{aggregation=\"a\",node=\"vip\",result=\"skipped\"} 3",
        "gateway_node_calls_total{aggregation=\"a\",node=\"vip\",result=\"answered\"} 0",
        "gateway_aggregation_calls_in_flight 0",
        "gateway_aggregation_held_bytes 0",
    ] {
        eventually_says(&gateway, line).await;
    }
    let seconds = gateway
        .metric("gateway_node_call_seconds_total", &[("node", "good")])
        .await;
    assert!((0.06..3.0).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_failed_aggregation_is_counted_as_a_refusal() {
    let service = Backend::start(|_| Reply::new(500, "")).await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], "").await;
    assert_eq!(gateway.get("/").await.status, 502);
    eventually_says(&gateway, "gateway_refusals_total{refusal=\"node_failed\"} 1").await;
    eventually_says(
        &gateway,
        "gateway_requests_total{aggregation=\"a\",code=\"5xx\"} 1",
    )
    .await;
}

#[tokio::test]
async fn status_lists_aggregations() {
    let service = Backend::start(|_| with_json("1")).await;
    let limit = "limit: { rate: 1/h, burst: 2 }, breaker: { consecutive_failures: 5 }";
    let gateway = over(service.address(), &[("one", ""), ("two", "")], limit).await;
    gateway.get("/").await;
    eventually_says(
        &gateway,
        "gateway_requests_total{aggregation=\"a\",code=\"2xx\"} 1",
    )
    .await;
    let status = gateway.status().await;
    let listed = &status["aggregations"][0];
    assert_eq!(
        (&listed["id"], &listed["requests"]["2xx"]),
        (&"a".into(), &1.into()),
        "{status}"
    );
    assert_eq!(listed["breaker"]["state"], "passing", "{listed}");
    assert!(listed["limit"].is_object(), "{listed}");
}

#[tokio::test]
async fn status_lists_the_nodes_of_an_aggregation() {
    let service = Backend::start(|_| with_json("1")).await;
    let gateway = over(service.address(), &[("one", ""), ("two", "")], "").await;
    gateway.get("/").await;
    let listed = gateway.status().await["aggregations"][0].take();
    assert_eq!(listed["nodes"].as_array().map(Vec::len), Some(2), "{listed}");
}

/// What `-t` prints of these objects.
async fn tested(objects: &str) -> crate::support::Exited {
    let directory = tempfile::tempdir().unwrap();
    let startup = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: meta.yaml }\n";
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), objects).unwrap();
    Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await
}

#[tokio::test]
async fn testing_prints_the_order_of_calls_and_the_longest_chain() {
    let nodes = [
        ("user", "timeout: 300ms"),
        ("orders", "required: false, fallback: [], timeout: 200ms"),
        ("vip", "url: \"/vip/{node.user.level}\", timeout: 400ms"),
    ];
    let objects =
        clusters(&[("b", "127.0.0.1:9001".parse().unwrap())]) + &aggregation(&nodes, "timeout: 800ms");
    let exited = tested(&objects).await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""));
    for line in [
        "aggregation \"a\": user, orders → vip (reads user)",
        "longest chain: user 300ms → vip 400ms = 700ms, within the timeout of 800ms",
        "answer: an object of user, orders, vip",
    ] {
        assert!(
            exited.stdout.lines().any(|other| other == line),
            "{line} is not in\n{}",
            exited.stdout
        );
    }
}

#[tokio::test]
async fn testing_says_what_is_wrong_and_where() {
    let clusters = clusters(&[("b", "127.0.0.1:9001".parse().unwrap())]);
    let many: Vec<String> = (0..33).map(|n| format!("n{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    for (nodes, members, said) in [
        (
            &[("a", "url: \"/{node.c}\""), ("c", "url: \"/{node.a}\"")][..],
            "",
            "wait for each other",
        ),
        (&[("a", "url: \"/{node.a}\"")], "", "cannot read its own answer"),
        (
            &[("user", ""), ("c", "url: \"/{node.usr}\"")],
            "",
            "did you mean \"user\"",
        ),
        (
            &[("a", ""), ("c", "")],
            "response: \"{node.nobody}\"",
            "there is no node \"nobody\"",
        ),
        (&[("a", "cluster: nowhere"), ("c", "")], "", "nowhere"),
        (&[("a", ""), ("a", "")], "", "stands twice"),
        (&[("a b", "")], "", "is no name of a node"),
        (&[], "", "use 1 to 32"),
        (&many, "", "use 1 to 32"),
        (
            &[("a", "method: POST, hedge: { after: 50ms }")],
            "",
            "may not be sent twice",
        ),
        (
            &[("a", "method: POST, cache: { ttl: 1s }")],
            "",
            "only answers to GET and HEAD are shared",
        ),
        (&[("a", "body: { x: 1 }"), ("c", "")], "", "GET has no body"),
        (
            &[("a", "url: \"/{body.x}\""), ("c", "")],
            "match: { methods: [GET] }",
            "add POST to match.methods",
        ),
        (&[("a", "url: \"/{param.x}\""), ("c", "")], "", "x"),
        (
            &[("a", "url: \"http://else/\""), ("c", "")],
            "",
            "the cluster decides the host",
        ),
        (&[("a", ""), ("c", "")], "on_collision: first", "merge: flat"),
        (
            &[("a", "pass_headers: [content-length]"), ("c", "")],
            "",
            "framing",
        ),
        (
            &[("a", "keep_headers: [transfer-encoding]"), ("c", "")],
            "",
            "framing",
        ),
        (&[("a", "headers: { connection: x }"), ("c", "")], "", "framing"),
        (&[("a", "status: []"), ("c", "")], "", "at least one"),
        (
            &[("a", "hedge: { after: p42 }"), ("c", "")],
            "",
            "use p50, p90, p95 or p99",
        ),
    ] {
        let objects = clusters.clone() + &aggregation(nodes, members);
        let exited = tested(&objects).await;
        assert_eq!(exited.code, Some(78), "{said}: {exited:?}");
        let is_said = |line: &&str| line.starts_with("meta.yaml:6:") && line.contains(said);
        assert!(
            exited.stderr.lines().any(|line| is_said(&line)),
            "{said:?} is not in\n{}",
            exited.stderr
        );
    }
}

#[tokio::test]
async fn a_cluster_that_only_an_aggregation_uses_is_used() {
    let objects =
        clusters(&[("b", "127.0.0.1:9001".parse().unwrap())]) + &aggregation(&[("a", ""), ("c", "")], "");
    let exited = tested(&objects).await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""));
}
