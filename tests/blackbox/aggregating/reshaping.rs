//! `response` in place of the merged body: any JSON, in which a text that is one value becomes that value with its type.

use super::{answering, assert_answer, over};
use crate::support::{Backend, request};

const ANSWERS: &[(&str, &str)] = &[
    (
        "/user",
        "{\"name\":\"Ann \\\"A\\\"\",\"age\":0.10e1,\"tags\":[ 1, \"two\" ],\"address\":{ \"z\":1, \"a\":null },\"vip\":true}",
    ),
    ("/orders", "[{\"total\":12345678901234567890},{\"total\":1e400}]"),
];

/// The body when `response` is this.
async fn reshaped(response: &str) -> String {
    let service = answering(ANSWERS).await;
    let nodes = [("user", ""), ("orders", "")];
    let gateway = over(service.address(), &nodes, &format!("response: {response}")).await;
    let answer = gateway.get("/some/path?q=a%22b").await;
    assert_eq!(answer.header_values("content-type"), ["application/json"]);
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str())
    );
    answer.text()
}

async fn found(cases: &[(&str, &str)]) {
    for (response, expected) in cases {
        assert_eq!(reshaped(response).await, *expected, "{response}");
    }
}

#[tokio::test]
async fn a_text_that_is_one_value_keeps_the_values_type_and_bytes() {
    found(&[
        ("\"{node.user.address}\"", "{ \"z\":1, \"a\":null }"),
        ("\"{node.user.age}\"", "0.10e1"),
        ("\"{node.user.tags}\"", "[ 1, \"two\" ]"),
        ("\"{node.user.vip}\"", "true"),
        ("\"{node.user.name}\"", "\"Ann \\\"A\\\"\""),
        ("\"{node.orders.0.total}\"", "12345678901234567890"),
        ("\"{node.orders.1.total}\"", "1e400"),
        (
            "{ a: [\"{node.user.age}\", { b: \"{node.user.tags.1}\" }] }",
            "{\"a\":[0.10e1,{\"b\":\"two\"}]}",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_text_with_more_than_a_value_stays_a_text() {
    found(&[
        (
            "{ hello: \"Hello {node.user.name}, {node.user.age}!\" }",
            "{\"hello\":\"Hello Ann \\\"A\\\", 0.10e1!\"}",
        ),
        ("[\" {node.user.vip}\"]", "[\" true\"]"),
        ("[\"{node.user.vip}{node.user.vip}\"]", "[\"truetrue\"]"),
    ])
    .await;
}

#[tokio::test]
async fn a_value_that_is_not_there_is_null_and_in_a_text_empty() {
    found(&[
        (
            "{ a: \"{node.user.none}\", b: \"<{node.user.none}>\" }",
            "{\"a\":null,\"b\":\"<>\"}",
        ),
        (
            "{ a: \"{node.orders.7.total}\", b: \"{node.user.name.first}\" }",
            "{\"a\":null,\"b\":null}",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_text_stays_as_it_is_written_and_in_its_order() {
    found(&[(
        "{ z: 1, a: [true, null, 1.5], \"10\": x, b: {} }",
        "{\"z\":1,\"a\":[true,null,1.5],\"10\":\"x\",\"b\":{}}",
    )])
    .await;
}

#[tokio::test]
async fn values_of_the_request_are_texts() {
    found(&[(
        "{ m: \"{method}\", p: \"{path}\", q: \"{query.q}\" }",
        "{\"m\":\"GET\",\"p\":\"/some/path\",\"q\":\"a\\\"b\"}",
    )])
    .await;
}

#[tokio::test]
async fn the_design_s_example_is_reshaped() {
    let service = answering(&[
        ("/users/7", "{\"id\":7}"),
        ("/orders?user=7", "{\"total\":3,\"more\":[]}"),
    ])
    .await;
    let nodes = [
        ("user", "url: \"/users/{param.id}\""),
        (
            "orders",
            "url: \"/orders?user={param.id}\", required: false, timeout: 300ms, fallback: []",
        ),
        (
            "vip",
            "url: \"/vip/{node.user.level}\", when: node.user.level > 3",
        ),
    ];
    let members = "match: { path: \"/api/home/{id}\", methods: [GET] }, merge: object, timeout: 800ms, \
         response: { data: { user: \"{node.user}\", total: \"{node.orders.total}\" } }";
    let gateway = over(service.address(), &nodes, members).await;
    let response = gateway.get("/api/home/7").await;
    let told = "user;status=200, orders;status=200, vip;skipped";
    assert_answer(
        &response,
        200,
        "{\"data\":{\"user\":{\"id\":7},\"total\":3}}",
        told,
    );
}

#[tokio::test]
async fn a_response_may_read_the_clients_body() {
    let service = Backend::start(|_| super::with_json("1")).await;
    let members =
        "match: { methods: [POST] }, response: { n: \"{node.a}\", b: \"{body.x}\", t: \"<{body.x.y}>\" }";
    let gateway = over(service.address(), &[("a", ""), ("b", "url: /2")], members).await;
    let response = request(gateway.address(), "POST", "/", &[], b"{\"x\":{ \"y\":0.10 }}").await;
    assert_eq!(response.text(), "{\"n\":1,\"b\":{ \"y\":0.10 },\"t\":\"<0.10>\"}");
}

#[tokio::test]
async fn a_single_node_is_reshaped_too() {
    let service = answering(&[("/user", "{\"a\":{\"b\":1}}")]).await;
    let gateway = over(service.address(), &[("user", "")], "response: \"{node.user.a}\"").await;
    assert_answer(&gateway.get("/").await, 200, "{\"b\":1}", "user;status=200");
}
