//! The merged body: the nodes' own bytes in the configured order, whatever order they come in.

use super::manual::Manual;
use super::{answering, assert_answer, assert_failed, over, with_json};
use crate::support::Backend;

/// Asks once and lets the nodes answer in this order.
async fn answered_in(order: &[(&str, &str)], members: &str) -> String {
    let service = Manual::start().await;
    let gateway = over(
        service.address(),
        &[("one", ""), ("two", ""), ("three", "")],
        members,
    )
    .await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    service.until_waiting(3).await;
    for (name, json) in order {
        service.asked(&format!("/{name}")).await.answer(json).await;
    }
    client.read_response("GET").await.unwrap().text()
}

#[tokio::test]
async fn an_object_has_the_nodes_in_configured_order_whoever_comes_first() {
    for order in [
        ["one", "two", "three"],
        ["three", "two", "one"],
        ["two", "three", "one"],
    ] {
        let answers = order.map(|name| (name, "{}"));
        assert_eq!(
            answered_in(&answers, "").await,
            "{\"one\":{},\"two\":{},\"three\":{}}"
        );
        assert_eq!(
            answered_in(&answers, "merge: object").await,
            "{\"one\":{},\"two\":{},\"three\":{}}"
        );
    }
}

#[tokio::test]
async fn a_list_has_the_nodes_in_configured_order_whoever_comes_first() {
    let answers = [("three", "3"), ("two", "[2]"), ("one", "{\"a\":1}")];
    assert_eq!(answered_in(&answers, "merge: list").await, "[{\"a\":1},[2],3]");
}

#[tokio::test]
async fn a_flat_merge_joins_members_in_configured_order_whoever_comes_first() {
    let answers = [
        ("three", "{\"c\":3,\"b\":4}"),
        ("two", "{}"),
        ("one", "{\"z\":1,\"a\":2}"),
    ];
    assert_eq!(
        answered_in(&answers, "merge: flat").await,
        "{\"z\":1,\"a\":2,\"c\":3,\"b\":4}"
    );
}

#[tokio::test]
async fn in_a_flat_merge_what_is_no_object_stands_under_its_nodes_name_and_null_adds_nothing() {
    let answers = [("one", "[1]"), ("two", "null"), ("three", "{\"a\":2}")];
    assert_eq!(
        answered_in(&answers, "merge: flat").await,
        "{\"one\":[1],\"a\":2}"
    );
}

/// The node listed first answers last: who comes first must not win.
const COLLIDING: [(&str, &str); 3] = [
    ("three", "{\"c\":3}"),
    ("two", "{\"a\":\"two\",\"b\":2}"),
    ("one", "{\"a\":\"one\"}"),
];

#[tokio::test]
async fn of_members_of_one_name_the_first_configured_stays_where_that_is_the_rule() {
    let text = answered_in(&COLLIDING, "merge: flat, on_collision: first").await;
    assert_eq!(text, "{\"a\":\"one\",\"b\":2,\"c\":3}");
}

#[tokio::test]
async fn of_members_of_one_name_the_last_configured_stays_where_that_is_the_rule() {
    let text = answered_in(&COLLIDING, "merge: flat, on_collision: last").await;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, serde_json::json!({ "a": "two", "b": 2, "c": 3 }));
    assert_eq!(text.matches("\"a\"").count(), 1, "{text}");
}

#[tokio::test]
async fn members_of_one_name_are_a_failure_that_names_both_nodes_unless_a_rule_says_otherwise() {
    let service = answering(&[
        ("/one", "{\"a\":1}"),
        ("/two", "{\"b\":1}"),
        ("/three", "{\"a\":1}"),
    ])
    .await;
    for members in ["merge: flat", "merge: flat, on_collision: error"] {
        let gateway = over(
            service.address(),
            &[("one", ""), ("two", ""), ("three", "")],
            members,
        )
        .await;
        let response = gateway.get("/").await;
        assert_failed(
            &response,
            502,
            "node_failed",
            "one;status=200, two;status=200, three;status=200",
        );
        let problem = response.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("one") && detail.contains("three") && !detail.contains("two"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn members_that_are_spelled_differently_and_mean_the_same_collide() {
    let service = answering(&[("/one", "{\"a\":1}"), ("/two", "{\"\\u0061\":2}")]).await;
    let gateway = over(service.address(), &[("one", ""), ("two", "")], "merge: flat").await;
    assert_eq!(gateway.get("/").await.status, 502);
}

/// JSON whose meaning, or spelling, is easily lost by who reads and writes it anew.
const SPELLINGS: &[(&str, &str)] = &[
    ("/huge", "1e400"),
    ("/zeros", "0.10"),
    ("/exact", "12345678901234567890123"),
    ("/hundred-million", "[100000000,1e+08,1E8,1.0e8,-0,-0.0]"),
    ("/escapes", "\"\\u00e4\\/\\n\\\"\\ud83d\\ude00 ä😀\""),
    ("/lone-surrogate", "\"\\ud800\""),
    ("/twice", "{\"a\":1,\"a\":2}"),
    ("/order", "{\"z\":0,\"a\":0,\"10\":0,\"9\":0}"),
    ("/space", "{ \"a\" : [ 1 ,\t2 ,\r\n 3 ] }"),
    ("/empty-name", "{\"\":{\"\":[]}}"),
    ("/text", "\"just text\""),
];

#[tokio::test]
async fn the_nodes_bytes_survive_as_they_were_written() {
    let service = answering(SPELLINGS).await;
    let nodes: Vec<_> = SPELLINGS.iter().map(|(target, _)| (&target[1..], "")).collect();
    let gateway = over(service.address(), &nodes, "").await;
    let members: Vec<_> = SPELLINGS
        .iter()
        .map(|(target, json)| format!("\"{}\":{json}", &target[1..]))
        .collect();
    assert_eq!(
        gateway.get("/").await.text(),
        format!("{{{}}}", members.join(","))
    );
    let list = over(service.address(), &nodes, "merge: list").await;
    let values: Vec<_> = SPELLINGS.iter().map(|(_, json)| *json).collect();
    assert_eq!(list.get("/").await.text(), format!("[{}]", values.join(",")));
}

#[tokio::test]
async fn in_a_flat_merge_bytes_survive_too() {
    let service = answering(&[
        ("/one", "{ \"z\" : 1e400, \"a\":0.10 }"),
        ("/two", "{\"b\":[ 1 , 2 ]}"),
    ])
    .await;
    let gateway = over(service.address(), &[("one", ""), ("two", "")], "merge: flat").await;
    let text = gateway.get("/").await.text();
    for piece in ["1e400", "0.10", "[ 1 , 2 ]"] {
        assert!(text.contains(piece), "{text}");
    }
}

#[tokio::test]
async fn the_answer_is_one_piece_of_json_with_one_type_and_its_length() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/text" => crate::support::Reply::with_headers(200, &[("content-type", "text/plain")], "hi"),
        _ => with_json("{\"a\":1}"),
    })
    .await;
    let gateway = over(service.address(), &[("text", ""), ("json", "")], "").await;
    let response = gateway.get("/").await;
    assert_answer(
        &response,
        200,
        "{\"text\":\"hi\",\"json\":{\"a\":1}}",
        "text;status=200, json;status=200",
    );
    assert_eq!(response.header_values("content-type"), ["application/json"]);
    assert_eq!(
        response.header_values("content-length"),
        [response.body.len().to_string()]
    );
    assert_eq!(response.header_values("transfer-encoding"), [""; 0]);
    assert_eq!(response.header_values("x-gateway-complete"), [""; 0]);
}

#[tokio::test]
async fn json_may_be_nested_128_deep_and_no_deeper() {
    let service = Backend::start(|request| {
        let depth: usize = request.target[1..].parse().unwrap();
        with_json(&("[".repeat(depth) + &"]".repeat(depth)))
    })
    .await;
    for (depth, status) in [(128, 200), (129, 502), (100_000, 502)] {
        let gateway = over(
            service.address(),
            &[("deep", &format!("url: /{depth}")), ("flat", "url: /1")],
            "",
        )
        .await;
        let response = gateway.get("/").await;
        assert_eq!(response.status, status, "{depth}: {response:?}");
    }
}
