//! Calls that are the same and made at the same time, for several clients, are made once; of a route as of a node.

use std::time::Duration;

use super::manual::Manual;
use super::{aggregation, item};
use crate::support::{Client, Gateway, Response, clusters, eventually};

type Fields<'a> = &'a [(&'a str, &'a str)];

/// What all ask for who ask for the same.
const SAME: (&str, Fields<'_>) = ("/?q=1", &[]);

/// Either a route or an aggregation's node that asks for `/x`, with this rule.
fn sharing(service: &Manual, rule: &str) -> [String; 2] {
    let clusters = clusters(&[("b", service.address())]);
    let node = format!("url: \"/x?q={{query.q}}\", pass_headers: [x-tenant], {rule}");
    [
        format!(
            "{clusters}routes:\n- {{ id: r, to: [{{ cluster: b }}], rewrite: \"/x?q={{query.q}}\", {rule} }}\n"
        ),
        clusters + &aggregation(&[("n", &node)], "merge: list"),
    ]
}

/// Sends a request for each, and waits until the gateway has all of them.
async fn ask(gateway: &Gateway, requests: &[(&str, Fields<'_>)]) -> Vec<Client> {
    let before = gateway.metric("gateway_requests_in_flight", &[]).await;
    let mut clients = Vec::new();
    for (target, fields) in requests {
        let mut client = gateway.client().await;
        client.send_request("GET", target, fields, b"").await.unwrap();
        clients.push(client);
    }
    let all = before + requests.len() as f64;
    eventually("all have arrived", Duration::from_secs(20), || async {
        gateway.metric("gateway_requests_in_flight", &[]).await == all
    })
    .await;
    clients
}

async fn answers(clients: Vec<Client>) -> Vec<Response> {
    let mut answers = Vec::new();
    for mut client in clients {
        answers.push(client.read_response("GET").await.unwrap());
    }
    answers
}

/// Asserts how many calls these requests make at a time; each call is answered.
async fn calls(rule: &str, requests: &[(&str, Fields<'_>)], expected: usize) {
    let service = Manual::start().await;
    for objects in sharing(&service, rule) {
        let gateway = Gateway::start(&objects).await;
        let clients = ask(&gateway, requests).await;
        service.until_waiting(expected).await;
        for target in service.waiting() {
            service.asked(&target).await.answer("1").await;
        }
        for response in answers(clients).await {
            assert_eq!(
                (response.status, response.text().trim_matches(['[', ']'])),
                (200, "1"),
                "{rule}: {requests:?}"
            );
        }
        assert_eq!(service.waiting(), [""; 0]);
    }
}

#[tokio::test]
async fn a_hundred_clients_that_ask_for_the_same_make_one_call() {
    calls("coalesce: true", &[SAME; 100], 1).await;
}

#[tokio::test]
async fn without_the_rule_each_client_makes_its_call() {
    calls("coalesce: false", &[SAME; 5], 5).await;
}

#[tokio::test]
async fn what_is_not_the_same_is_called_for_itself() {
    calls(
        "coalesce: true",
        &[("/?q=1", &[]), ("/?q=2", &[]), ("/?q=1", &[])],
        2,
    )
    .await;
    let german: Fields<'_> = &[("Accept-Language", "de")];
    calls(
        "coalesce: true",
        &[("/?q=1", german), ("/?q=1", &[]), ("/?q=1", german)],
        2,
    )
    .await;
}

#[tokio::test]
async fn the_key_tells_calls_apart_by_what_it_names() {
    let of = |tenant| [("X-Tenant", tenant)];
    let (one, two) = (of("1"), of("2"));
    let requests: [(&str, Fields<'_>); 4] =
        [("/?q=1", &one), ("/?q=1", &two), ("/?q=1", &one), ("/?q=1", &[])];
    calls("coalesce: { key: [header.x-tenant] }", &requests, 3).await;
    calls("coalesce: true", &requests, 1).await;
}

#[tokio::test]
async fn clients_that_may_be_somebody_share_nothing_unless_that_is_said() {
    let authorized: Fields<'_> = &[("Authorization", "Bearer t")];
    let cookie: Fields<'_> = &[("Cookie", "session=1")];
    for (who, rule) in [(authorized, "share_authorized"), (cookie, "share_cookies")] {
        let three = [("/?q=1", who); 3];
        calls("coalesce: true", &three, 3).await;
        calls(&format!("coalesce: {{ {rule}: true }}"), &three, 1).await;
    }
}

#[tokio::test]
async fn those_who_are_the_same_somebody_by_the_key_share() {
    let fields = |user| [("Authorization", user)];
    let (ann, bob) = (fields("Bearer ann"), fields("Bearer bob"));
    let requests: [(&str, Fields<'_>); 4] =
        [("/?q=1", &ann), ("/?q=1", &bob), ("/?q=1", &ann), ("/?q=1", &bob)];
    calls("coalesce: { key: [header.authorization] }", &requests, 2).await;
}

/// Three clients wait for one call, which is answered with this field: each then makes a call of its own.
async fn is_for_one_client(field: &str) {
    let service = Manual::start().await;
    for objects in sharing(&service, "coalesce: true") {
        let gateway = Gateway::start(&objects).await;
        let clients = ask(&gateway, &[SAME; 3]).await;
        service.until_waiting(1).await;
        service
            .asked("/x?q=1")
            .await
            .answer_with(200, &format!("{field}\r\n"), "1")
            .await;
        for n in ["2", "3"] {
            service.asked("/x?q=1").await.answer(n).await;
        }
        let mut texts: Vec<_> = answers(clients).await.iter().map(Response::text).collect();
        texts.sort();
        let texts: Vec<_> = texts.iter().map(|text| text.trim_matches(['[', ']'])).collect();
        assert_eq!(texts, ["1", "2", "3"], "{field}");
    }
}

#[tokio::test]
async fn an_answer_with_a_cookie_is_shared_with_nobody() {
    is_for_one_client("set-cookie: session=1").await;
}

#[tokio::test]
async fn a_private_answer_is_shared_with_nobody() {
    is_for_one_client("cache-control: private").await;
}

#[tokio::test]
async fn the_first_client_leaving_does_not_fail_the_others() {
    let service = Manual::start().await;
    for objects in sharing(&service, "coalesce: true") {
        let gateway = Gateway::start(&objects).await;
        let mut clients = ask(&gateway, &[("/?q=1", &[])]).await;
        service.until_waiting(1).await;
        let others = ask(&gateway, &[SAME; 9]).await;
        clients.remove(0).reset();
        eventually("one is gone", Duration::from_secs(20), || async {
            gateway.metric("gateway_requests_in_flight", &[]).await == 9.0
        })
        .await;
        service.asked("/x?q=1").await.answer("1").await;
        for response in answers(others).await {
            assert_eq!(
                (response.status, response.text().trim_matches(['[', ']'])),
                (200, "1")
            );
        }
        assert_eq!(service.waiting(), [""; 0]);
    }
}

#[tokio::test]
async fn when_the_last_client_leaves_the_call_is_given_up() {
    let service = Manual::start().await;
    for objects in sharing(&service, "coalesce: true") {
        let gateway = Gateway::start(&objects).await;
        let clients = ask(&gateway, &[SAME; 3]).await;
        let call = service.asked("/x?q=1").await;
        drop(clients);
        call.until_closed().await;
        eventually("nothing is under way", Duration::from_secs(20), || async {
            gateway.metric("gateway_server_requests_in_flight", &[]).await == 0.0
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_with_less_time_does_not_wait_for_a_shared_call() {
    let service = Manual::start().await;
    let rule = "coalesce: true, url: /x, timeout: 200ms";
    let objects =
        clusters(&[("b", service.address())]) + "aggregations:\n" + &item("a", &[("n", rule)], "merge: list");
    let gateway = Gateway::start(&objects).await;
    let clients = ask(&gateway, &[("/", &[]), ("/", &[])]).await;
    let _call = service.asked("/x").await;
    for response in answers(clients).await {
        super::assert_failed(&response, 504, "timeout", "n;error=timeout");
    }
}

#[tokio::test]
async fn a_failure_is_shared_too() {
    let service = Manual::start().await;
    for objects in sharing(&service, "coalesce: true") {
        let gateway = Gateway::start(&objects).await;
        let clients = ask(&gateway, &[SAME; 5]).await;
        service.until_waiting(1).await;
        service.asked("/x?q=1").await.answer_with(503, "", "no").await;
        for response in answers(clients).await {
            assert!([502, 503].contains(&response.status), "{response:?}");
        }
        assert_eq!(service.waiting(), [""; 0]);
    }
}
