//! A node that fails: with a required one the whole fails, for another one its fallback stands; never is it passed over in silence.

use std::time::Duration;

use super::manual::Manual;
use super::{assert_answer, assert_failed, over, with_json};
use crate::support::{Backend, Reply, eventually};

/// A service that answers `/N` with the status N, and all else with 1.
async fn statuses() -> Backend {
    Backend::start(|request| match request.target[1..].parse() {
        Ok(status) => Reply::with_headers(
            status,
            &[("content-type", "application/json")],
            "{\"of\":\"error\"}",
        ),
        Err(_) => with_json("1"),
    })
    .await
}

#[tokio::test]
async fn a_required_node_that_fails_fails_the_whole() {
    let service = statuses().await;
    for status in [500, 503, 404, 401] {
        let failing = format!("url: /{status}");
        let gateway = over(service.address(), &[("good", ""), ("bad", &failing)], "").await;
        let mut client = gateway.client().await;
        // What the other node had answered by then is told too; both are soon done.
        let response = client.get("/").await;
        assert_eq!(response.status, 502);
        let nodes = super::told(&response);
        assert!(nodes.ends_with(&format!(", bad;status={status}")), "{nodes}");
        assert_failed(&response, 502, "node_failed", &nodes);
        assert!(
            response.json()["detail"].as_str().unwrap().contains("bad"),
            "{response:?}"
        );
        assert_eq!(client.get("/").await.status, 502, "the connection is kept");
    }
}

#[tokio::test]
async fn the_problem_tells_how_every_node_ended() {
    let service = Manual::start().await;
    let nodes = [
        ("done", ""),
        ("optional", "required: false"),
        ("bad", ""),
        ("running", ""),
        ("waiting", "url: \"/{node.running}\""),
        ("skipped", "when: query.x == \"1\""),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let running = service.asked("/running").await;
    service.asked("/done").await.answer("1").await;
    service.asked("/optional").await.answer_with(418, "", "").await;
    let done = || gateway.metric("gateway_node_calls_total", &[("result", "answered")]);
    let failed = || gateway.metric("gateway_node_calls_total", &[("result", "failed")]);
    eventually("both came back", Duration::from_secs(10), || async {
        done().await == 1.0 && failed().await == 1.0
    })
    .await;
    service.asked("/bad").await.answer_with(500, "", "").await;
    let told = "done;status=200, optional;status=418, bad;status=500, running;error=cancelled, waiting;error=cancelled, skipped;skipped";
    assert_failed(
        &client.read_response("GET").await.unwrap(),
        502,
        "node_failed",
        told,
    );
    running.until_closed().await;
}

#[tokio::test]
async fn a_required_failure_gives_up_the_other_calls_at_once() {
    let service = Manual::start().await;
    let gateway = over(
        service.address(),
        &[("bad", ""), ("slow", ""), ("slower", "required: false")],
        "",
    )
    .await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let (slow, slower) = (service.asked("/slow").await, service.asked("/slower").await);
    service.asked("/bad").await.answer_with(500, "", "").await;
    slow.until_closed().await;
    slower.until_closed().await;
    assert_eq!(client.read_response("GET").await.unwrap().status, 502);
    eventually(
        "the calls are counted as cancelled",
        Duration::from_secs(10),
        || async {
            gateway
                .metric("gateway_server_requests_total", &[("result", "cancelled")])
                .await
                == 2.0
                && gateway.metric("gateway_server_requests_in_flight", &[]).await == 0.0
                && gateway.metric("gateway_aggregation_calls_in_flight", &[]).await == 0.0
        },
    )
    .await;
}

#[tokio::test]
async fn a_required_node_that_takes_too_long_is_a_timeout() {
    let service = Backend::start(|_| Reply::hang()).await;
    let gateway = over(service.address(), &[("a", "timeout: 100ms"), ("b", "")], "").await;
    assert_failed(
        &gateway.get("/").await,
        504,
        "timeout",
        "a;error=timeout, b;error=cancelled",
    );
}

#[tokio::test]
async fn the_status_of_a_required_node_is_passed_on_where_that_is_said() {
    let service = statuses().await;
    for status in [404, 409, 500, 503] {
        let members = format!("url: /{status}, pass_status: true");
        let gateway = over(service.address(), &[("bad", &members)], "").await;
        assert_failed(
            &gateway.get("/").await,
            status,
            "node_failed",
            &format!("bad;status={status}"),
        );
    }
}

#[tokio::test]
async fn passing_the_status_on_changes_nothing_where_there_is_none() {
    let refusing = Backend::refusing().await;
    let gateway = over(refusing.address(), &[("bad", "pass_status: true")], "").await;
    assert_failed(
        &gateway.get("/").await,
        502,
        "node_failed",
        "bad;error=connect_failed",
    );
    let hanging = Backend::start(|_| Reply::hang()).await;
    let gateway = over(
        hanging.address(),
        &[("bad", "pass_status: true, timeout: 50ms")],
        "",
    )
    .await;
    assert_failed(&gateway.get("/").await, 504, "timeout", "bad;error=timeout");
}

#[tokio::test]
async fn an_optional_node_that_fails_is_null_and_the_answer_says_it_is_incomplete() {
    let service = statuses().await;
    for status in [500, 404, 302] {
        let failing = format!("url: /{status}, required: false");
        let gateway = over(service.address(), &[("good", ""), ("bad", &failing)], "").await;
        let response = gateway.get("/").await;
        let told = format!("good;status=200, bad;status={status}");
        assert_answer(&response, 200, "{\"good\":1,\"bad\":null}", &told);
        assert_eq!(response.header("x-gateway-complete"), Some("false"));
    }
}

#[tokio::test]
async fn the_fallback_stands_in_for_an_optional_node_that_fails() {
    let service = statuses().await;
    for (fallback, stands) in [
        ("[]", "[]"),
        ("null", "null"),
        ("{ a: { b: [1, 2.5, true] } }", "{\"a\":{\"b\":[1,2.5,true]}}"),
        ("\"te\\\"xt\"", "\"te\\\"xt\""),
        ("0", "0"),
        ("\"{query.q}\"", "\"{query.q}\""),
    ] {
        let failing = format!("url: /500, required: false, fallback: {fallback}");
        let gateway = over(service.address(), &[("bad", &failing), ("good", "")], "").await;
        let response = gateway.get("/?q=1").await;
        assert_answer(
            &response,
            200,
            &format!("{{\"bad\":{stands},\"good\":1}}"),
            "bad;status=500, good;status=200",
        );
        assert_eq!(response.header("x-gateway-complete"), Some("false"));
    }
}

#[tokio::test]
async fn a_fallback_keeps_its_members_as_they_are_written() {
    let service = statuses().await;
    let gateway = over(
        service.address(),
        &[("bad", "url: /500, required: false, fallback: { z: 1, a: 2 }")],
        "",
    )
    .await;
    assert_eq!(gateway.get("/").await.text(), "{\"bad\":{\"z\":1,\"a\":2}}");
}

#[tokio::test]
async fn optional_nodes_that_all_fail_are_an_incomplete_answer() {
    let refusing = Backend::refusing().await;
    let nodes = [("a", "required: false"), ("b", "required: false, fallback: x")];
    let gateway = over(refusing.address(), &nodes, "merge: list").await;
    let response = gateway.get("/").await;
    assert_answer(
        &response,
        200,
        "[null,\"x\"]",
        "a;error=connect_failed, b;error=connect_failed",
    );
    assert_eq!(response.header("x-gateway-complete"), Some("false"));
}

#[tokio::test]
async fn a_single_optional_node_that_fails_is_told_of_too() {
    let service = statuses().await;
    let gateway = over(service.address(), &[("bad", "url: /500, required: false")], "").await;
    let response = gateway.get("/").await;
    assert_answer(&response, 200, "{\"bad\":null}", "bad;status=500");
    assert_eq!(response.header("x-gateway-complete"), Some("false"));
}

#[tokio::test]
async fn statuses_that_are_listed_are_successes_and_no_others_are() {
    let service = statuses().await;
    for (members, status) in [
        ("url: /404, status: [404]", 200),
        ("url: /500, status: [200, 404, 500]", 200),
        ("url: /200, status: [404]", 502),
        ("url: /201, status: [200]", 502),
        ("url: /201", 200),
        ("url: /299", 200),
    ] {
        let gateway = over(service.address(), &[("a", members), ("b", "")], "").await;
        let response = gateway.get("/").await;
        assert_eq!(response.status, status, "{members}: {response:?}");
        if status == 200 {
            assert_eq!(response.text(), "{\"a\":{\"of\":\"error\"},\"b\":1}");
            assert_eq!(response.header("x-gateway-complete"), None);
        }
    }
}
