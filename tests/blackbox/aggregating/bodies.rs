//! The client's body: read for values, passed on as it is, made into another one, and bounded.

use super::over;
use crate::objects::assert_refused;
use crate::support::{Backend, Client, Gateway, Received, Response, request};

/// Posts this body to an aggregation whose node `a` has these members; the node's call and the answer.
async fn posted(members: &str, body: &str) -> (Option<Received>, Response) {
    let service = Backend::echo().await;
    let members = format!("{members}, url: /a, method: PUT");
    let gateway = over(service.address(), &[("a", &members), ("other", "")], "").await;
    let headers = [("Content-Type", "application/x-own")];
    let response = request(gateway.address(), "POST", "/", &headers, body.as_bytes()).await;
    assert_eq!(service.faults(), [""; 0]);
    let calls = service.requests();
    (calls.into_iter().find(|call| call.target == "/a"), response)
}

/// What the node `a` was sent.
async fn sent(members: &str, body: &str) -> Received {
    let (call, response) = posted(members, body).await;
    assert_eq!(response.status, 200, "{response:?}");
    call.expect("a call")
}

const ORDER: &str =
    "{\"user\":{\"name\":\"A \\\"b\\\" \\\\ \\n{x}\",\"id\":0.10},\"items\":[ {\"n\":1}, null ],\"on\":true}";

#[tokio::test]
async fn values_of_the_body_are_read_in_url_headers_and_condition() {
    let service = Backend::echo().await;
    let nodes = [
        (
            "a",
            "url: \"/u/{body.user.id}/{body.items.0.n}\", headers: { x-on: \"{body.on}\" }",
        ),
        ("b", "when: body.user.id > 1"),
        ("c", "when: body.on"),
    ];
    let gateway = over(service.address(), &nodes, "").await;
    let response = request(gateway.address(), "POST", "/", &[], ORDER.as_bytes()).await;
    assert_eq!(super::told(&response), "a;status=200, b;skipped, c;status=200");
    let calls = service.requests();
    let a = calls
        .iter()
        .find(|call| call.target == "/u/0.10/1")
        .unwrap_or_else(|| panic!("{calls:?}"));
    assert_eq!(
        (a.method.as_str(), a.header("x-on"), a.body.as_slice()),
        ("GET", Some("true"), &b""[..])
    );
}

#[tokio::test]
async fn a_body_that_is_passed_on_is_sent_as_it_came() {
    for body in [ORDER, "no JSON \u{0}", "{\"a\": 1e400 }"] {
        let call = sent("pass_body: true", body).await;
        assert_eq!(
            (call.method.as_str(), String::from_utf8_lossy(&call.body).as_ref()),
            ("PUT", body)
        );
        assert_eq!(call.header_values("content-type"), ["application/x-own"]);
        assert_eq!(call.header_values("content-length"), [body.len().to_string()]);
    }
}

#[tokio::test]
async fn a_body_of_json_keeps_the_types_of_values() {
    let call = sent("body: { id: \"{body.user.id}\", all: [\"{body.items}\", 7], on: \"{body.on}\", no: \"{body.none}\" }", ORDER).await;
    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "id": 0.10, "all": [[{ "n": 1 }, null], 7], "on": true, "no": null })
    );
    assert!(
        String::from_utf8_lossy(&call.body).contains("0.10"),
        "{:?}",
        call.body
    );
    assert_eq!(call.header_values("content-type"), ["application/json"]);
}

#[tokio::test]
async fn a_value_cannot_break_out_of_a_text_in_a_body_of_json() {
    let name = "A \"b\" \\ \n{x}";
    for value in [
        "{ n: \"<{body.user.name}>\" }",
        "'{{\"n\":\"<{body.user.name}>\"}}'",
    ] {
        let call = sent(&format!("body: {value}"), ORDER).await;
        let body: serde_json::Value =
            serde_json::from_slice(&call.body).unwrap_or_else(|error| panic!("{error}: {call:?}"));
        assert_eq!(body, serde_json::json!({ "n": format!("<{name}>") }), "{value}");
        assert_eq!(call.header_values("content-type"), ["application/json"]);
    }
}

#[tokio::test]
async fn a_body_that_is_one_value_is_that_value() {
    assert_eq!(
        sent("body: \"{body.items}\"", ORDER).await.body,
        b"[ {\"n\":1}, null ]"
    );
}

#[tokio::test]
async fn a_body_that_is_a_text_is_sent_as_it_reads() {
    let call = sent("body: \"name={body.user.name};id={body.user.id}\"", ORDER).await;
    assert_eq!(
        String::from_utf8_lossy(&call.body),
        "name=A \"b\" \\ \n{x};id=0.10"
    );
    assert_eq!(call.header_values("content-type"), ["text/plain; charset=utf-8"]);
}

#[tokio::test]
async fn the_type_of_a_body_can_be_set() {
    let call = sent(
        "body: \"a=1\", headers: { content-type: application/x-www-form-urlencoded }",
        ORDER,
    )
    .await;
    assert_eq!(
        call.header_values("content-type"),
        ["application/x-www-form-urlencoded"]
    );
}

#[tokio::test]
async fn a_node_can_be_sent_the_answer_of_another_one() {
    let service = Backend::start(|request| match request.target.as_str() {
        "/first" => super::with_json("{ \"a\" :[1e400] }"),
        _ => super::with_json(&String::from_utf8_lossy(&request.body)),
    })
    .await;
    let nodes = [
        ("first", ""),
        ("second", "method: POST, body: { from: \"{node.first}\" }"),
    ];
    let gateway = over(service.address(), &nodes, "response: \"{node.second}\"").await;
    assert_eq!(gateway.get("/").await.text(), "{\"from\":{ \"a\" :[1e400] }}");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_where_values_are_read_and_no_node_is_called() {
    for body in ["{\"a\":", "x", "1 2", "\u{0}"] {
        let (call, response) = posted("headers: { x-a: \"{body.a}\" }", body).await;
        assert_refused(&response, 400, "bad_request");
        assert!(call.is_none(), "{body:?}");
    }
}

#[tokio::test]
async fn without_a_body_its_values_are_not_there() {
    let call = sent("body: { a: \"{body.a}\" }", "").await;
    assert_eq!(call.body, b"{\"a\":null}");
}

/// An aggregation that takes bodies of 1,000 bytes.
async fn taking_a_thousand() -> (Backend, Gateway) {
    let service = Backend::echo().await;
    let nodes = [("a", "method: POST, pass_body: true"), ("b", "")];
    let gateway = over(service.address(), &nodes, "max_request_bytes: 1000").await;
    (service, gateway)
}

#[tokio::test]
async fn a_body_may_be_as_long_as_allowed_and_no_longer() {
    let (service, gateway) = taking_a_thousand().await;
    let mut client = gateway.client().await;
    let response = client.request("POST", "/", &[], &[b'x'; 1000]).await.unwrap();
    assert_eq!(response.status, 200);
    assert_refused(
        &request(gateway.address(), "POST", "/", &[], &[b'x'; 1001]).await,
        413,
        "body_too_large",
    );
    assert_eq!(service.count(), 2);
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_before_it_comes() {
    let (service, gateway) = taking_a_thousand().await;
    let mut client = gateway.client().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n";
    client.send(head).await.unwrap();
    assert_refused(&client.read_one("POST").await.unwrap(), 413, "body_too_large");
    assert_eq!(service.count(), 0);
}

#[tokio::test]
async fn a_chunked_body_is_refused_once_it_is_too_long() {
    let (service, gateway) = taking_a_thousand().await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..11 {
        client
            .send(format!("64\r\n{}\r\n", "x".repeat(100)))
            .await
            .unwrap();
    }
    assert_refused(
        &client.read_response("POST").await.unwrap(),
        413,
        "body_too_large",
    );
    assert_eq!(service.count(), 0);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let (service, gateway) = taking_a_thousand().await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.read_one("POST").await.unwrap().status, 100);
    client.send("body").await.unwrap();
    assert_eq!(client.read_one("POST").await.unwrap().status, 200);
    let calls = service.requests();
    assert!(calls.iter().any(|call| call.body == b"body"), "{calls:?}");
    assert!(
        calls.iter().all(|call| call.header("expect").is_none()),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_body_no_node_uses_is_not_waited_for() {
    let service = Backend::start(|_| super::with_json("1")).await;
    let gateway = over(service.address(), &[("a", ""), ("b", "")], "").await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        .await
        .unwrap();
    assert_eq!(
        client.read_response("POST").await.unwrap().text(),
        "{\"a\":1,\"b\":1}"
    );
}

/// The fields of an answer, but for the time and what is different in each.
fn lasting(response: &Response) -> Vec<(String, String)> {
    let changing = ["date", "x-request-id", "x-gateway-nodes"];
    let mut fields = response.headers.clone();
    fields.retain(|(name, _)| !changing.contains(&name.to_ascii_lowercase().as_str()));
    fields
}

#[tokio::test]
async fn head_gets_the_fields_of_get_without_the_body() {
    let service = Backend::start(|_| super::with_json("{\"a\":[1,2,3]}")).await;
    let gateway = over(
        service.address(),
        &[("a", ""), ("b", "")],
        "match: { methods: [GET] }",
    )
    .await;
    let mut client: Client = gateway.client().await;
    let get = client.get("/").await;
    let head = client.request("HEAD", "/", &[], b"").await.unwrap();
    assert_eq!((head.status, lasting(&head)), (200, lasting(&get)));
    assert_eq!(super::told(&head), super::told(&get));
    assert_eq!(
        client.get("/").await.text(),
        get.text(),
        "nothing of a body came with the answer to HEAD"
    );
    assert!(service.requests().iter().all(|call| call.method == "GET"));
}
