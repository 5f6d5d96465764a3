//! Calls that are not made: their condition does not hold, what they would ask for is not known, or another node asks the same.

use super::manual::Manual;
use super::{answering, assert_answer, assert_failed, over};
use crate::support::{Backend, request};

const USER: &[(&str, &str)] = &[
    (
        "/user",
        "{\"id\":7,\"level\":2,\"none\":null,\"name\":\"\",\"on\":true}",
    ),
    ("/o", "\"o\""),
    ("/o/7", "\"o\""),
];

#[tokio::test]
async fn a_node_whose_condition_does_not_hold_is_skipped_and_the_answer_is_complete() {
    let service = answering(USER).await;
    for (condition, holds) in [
        ("node.user.level > 3", false),
        ("node.user.level >= 2", true),
        ("node.user.level == 2 && node.user.on == \\\"true\\\"", true),
        ("node.user.none", false),
        ("node.user.name", false),
        ("!node.user.nothing", true),
        ("header.x-a == \\\"1\\\"", false),
        ("query.q == \\\"1\\\"", true),
    ] {
        let members = format!("when: \"{condition}\"");
        let gateway = over(
            service.address(),
            &[("user", ""), ("o", &members)],
            "response: \"{node.o}\"",
        )
        .await;
        let response = gateway.get("/?q=1").await;
        let (body, end) = if holds {
            ("\"o\"", "status=200")
        } else {
            ("null", "skipped")
        };
        assert_answer(&response, 200, body, &format!("user;status=200, o;{end}"));
        assert_eq!(response.header("x-gateway-complete"), None, "{condition}");
    }
}

#[tokio::test]
async fn the_fallback_stands_in_for_a_skipped_node_even_if_it_is_required() {
    let service = answering(USER).await;
    let nodes = [
        ("user", ""),
        ("vip", "when: node.user.level > 3, fallback: { vip: false }"),
    ];
    let gateway = over(service.address(), &nodes, "response: \"{node.vip}\"").await;
    let response = gateway.get("/").await;
    assert_answer(&response, 200, "{\"vip\":false}", "user;status=200, vip;skipped");
    assert_eq!(response.header("x-gateway-complete"), None);
}

#[tokio::test]
async fn a_skipped_node_is_null_where_it_is_merged() {
    let service = answering(USER).await;
    for (merge, body) in [
        ("object", "{\"o\":\"o\",\"vip\":null}"),
        ("list", "[\"o\",null]"),
        ("flat", "{\"o\":\"o\"}"),
    ] {
        let nodes = [("o", ""), ("vip", "when: query.q")];
        let gateway = over(service.address(), &nodes, &format!("merge: {merge}")).await;
        assert_answer(&gateway.get("/").await, 200, body, "o;status=200, vip;skipped");
    }
}

#[tokio::test]
async fn a_url_that_needs_a_value_that_is_not_there_is_not_called() {
    let service = answering(USER).await;
    for value in ["none", "nothing", "id.deeper", "nothing.at.all"] {
        let (optional, required) = (
            format!("url: \"/o/{{node.user.{value}}}\", required: false"),
            format!("url: \"/o/{{node.user.{value}}}\""),
        );
        let gateway = over(
            service.address(),
            &[("user", ""), ("o", &optional)],
            "response: \"{node.o}\"",
        )
        .await;
        let response = gateway.get("/").await;
        assert_answer(&response, 200, "null", "user;status=200, o;error=no_input");
        assert_eq!(response.header("x-gateway-complete"), Some("false"));
        let gateway = over(service.address(), &[("user", ""), ("o", &required)], "").await;
        assert_failed(
            &gateway.get("/").await,
            502,
            "node_failed",
            "user;status=200, o;error=no_input",
        );
    }
    assert!(service.requests().iter().all(|call| call.target == "/user"));
}

#[tokio::test]
async fn a_value_that_is_there_may_be_a_number_a_truth_or_an_empty_text() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/user" => super::with_json(USER[0].1),
        target => super::with_json(&format!("{target:?}")),
    })
    .await;
    for (value, target) in [("id", "/o/7"), ("on", "/o/true"), ("name", "/o/")] {
        let members = format!("url: \"/o/{{node.user.{value}}}\"");
        let gateway = over(
            service.address(),
            &[("user", ""), ("o", &members)],
            "response: \"{node.o}\"",
        )
        .await;
        assert_eq!(gateway.get("/").await.text(), format!("{target:?}"));
    }
}

#[tokio::test]
async fn a_node_can_read_the_fallback_of_one_that_failed() {
    let service = answering(USER).await;
    let nodes = [
        ("bad", "url: /404, required: false, fallback: { id: 7 }"),
        ("o", "url: \"/o/{node.bad.id}\""),
    ];
    let gateway = over(service.address(), &nodes, "response: \"{node.o}\"").await;
    assert_answer(
        &gateway.get("/").await,
        200,
        "\"o\"",
        "bad;status=404, o;status=200",
    );
}

#[tokio::test]
async fn what_reads_a_node_that_failed_without_fallback_is_not_called() {
    let service = answering(USER).await;
    let nodes = [
        ("bad", "url: /404, required: false"),
        ("o", "url: \"/o/{node.bad.id}\", required: false"),
        ("p", "url: \"/o/{node.o.id}\", required: false, fallback: p"),
    ];
    let gateway = over(service.address(), &nodes, "merge: list").await;
    let response = gateway.get("/").await;
    assert_answer(
        &response,
        200,
        "[null,null,\"p\"]",
        "bad;status=404, o;error=no_input, p;error=no_input",
    );
}

#[tokio::test]
async fn identical_calls_of_a_request_are_made_once() {
    let service = Manual::start().await;
    let nodes = [
        ("a", "url: /same"),
        ("b", "url: /same"),
        ("other", ""),
        // Begins when the others have ended.
        ("late", "url: /same, when: node.a && node.other"),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let other = service.asked("/other").await;
    service.asked("/same").await.answer("{\"n\":1}").await;
    other.answer("2").await;
    let response = client.read_response("GET").await.unwrap();
    let told = "a;status=200, b;status=200;from=shared, other;status=200, late;status=200;from=shared";
    assert_answer(
        &response,
        200,
        "{\"a\":{\"n\":1},\"b\":{\"n\":1},\"other\":2,\"late\":{\"n\":1}}",
        told,
    );
    assert_eq!(service.waiting(), [""; 0]);
}

#[tokio::test]
async fn a_failure_of_an_identical_call_is_shared_too() {
    let service = answering(&[]).await;
    let nodes = [
        ("a", "url: /x, required: false"),
        ("b", "url: /x, required: false, fallback: b"),
    ];
    let gateway = over(service.address(), &nodes, "merge: list").await;
    let response = gateway.get("/").await;
    assert_eq!(
        (response.status, response.text()),
        (200, "[null,\"b\"]".to_owned())
    );
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn calls_that_differ_or_change_something_are_all_made() {
    let service = Backend::start(|_| super::with_json("1")).await;
    for (first, second) in [
        ("url: /x", "url: \"/x?\""),
        ("url: /x", "url: /x, headers: { x-a: b }"),
        ("url: /x, method: POST", "url: /x, method: POST"),
        ("url: /x, method: DELETE", "url: /x, method: DELETE"),
        ("url: /x", "url: /x, method: OPTIONS"),
    ] {
        service.forget();
        let gateway = over(service.address(), &[("a", first), ("b", second)], "").await;
        let response = request(gateway.address(), "POST", "/", &[], b"").await;
        assert_answer(&response, 200, "{\"a\":1,\"b\":1}", "a;status=200, b;status=200");
        assert_eq!(service.count(), 2, "{first} and {second}");
    }
}
