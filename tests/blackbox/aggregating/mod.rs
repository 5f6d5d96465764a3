//! Aggregations: one URL that several services answer together.

mod answer_fields;
mod bodies;
mod bounds;
mod cache_rules;
mod caching;
mod call_fields;
mod calls_not_made;
mod coalescing;
mod compression;
mod content;
mod failures;
mod faults;
mod graph;
mod hedging;
mod leaving;
mod live;
mod manual;
mod merging;
mod plain;
mod policies;
mod protection;
mod reshaping;
mod telling;

use std::net::SocketAddr;

use super::support::{Backend, Gateway, Reply, Response, clusters};

/// A node: its name, and its members in YAML's flow style. Unless they say otherwise it asks the cluster `b` for `/NAME`.
type Node<'a> = (&'a str, &'a str);

/// One aggregation, `a`, with further members in YAML's flow style. It takes every path unless they say otherwise.
fn aggregation(nodes: &[Node<'_>], members: &str) -> String {
    format!("aggregations:\n{}", item("a", nodes, members))
}

/// One of several aggregations.
fn item(id: &str, nodes: &[Node<'_>], members: &str) -> String {
    let nodes: Vec<String> = nodes.iter().map(node).collect();
    let comma = if members.is_empty() { "" } else { ", " };
    format!(
        "- {{ id: {id}, {members}{comma}nodes: [{}] }}\n",
        nodes.join(", ")
    )
}

fn node((name, members): &Node<'_>) -> String {
    let mut node = format!("{{ name: {name}");
    for (key, default) in [("cluster: ", "b"), ("url: ", &format!("/{name}"))] {
        if !members.contains(key) {
            node.push_str(&format!(", {key}{default}"));
        }
    }
    if !members.is_empty() {
        node.push_str(&format!(", {members}"));
    }
    node + " }"
}

/// A gateway with one aggregation over one service, the cluster `b`.
async fn over(service: SocketAddr, nodes: &[Node<'_>], members: &str) -> Gateway {
    Gateway::start(&(clusters(&[("b", service)]) + &aggregation(nodes, members))).await
}

/// A service that answers every path with the JSON given for it, and 404 all others.
async fn answering(answers: &'static [(&'static str, &'static str)]) -> Backend {
    Backend::start(|request| {
        let found = answers.iter().find(|(target, _)| *target == request.target);
        found.map_or_else(|| Reply::new(404, ""), |(_, json)| with_json(json))
    })
    .await
}

/// A success with this JSON.
fn with_json(json: &str) -> Reply {
    Reply::with_headers(200, &[("content-type", "application/json")], json)
}

/// What `X-Gateway-Nodes` tells, without the times: `user;status=200, orders;error=timeout`.
fn told(response: &Response) -> String {
    let nodes = response.header("x-gateway-nodes").unwrap_or_default();
    let without_time = |node: &str| {
        let parameters = node.split(';').filter(|parameter| !parameter.starts_with("ms="));
        parameters.collect::<Vec<_>>().join(";")
    };
    nodes.split(", ").map(without_time).collect::<Vec<_>>().join(", ")
}

/// Asserts a whole answer: status, body, and what is told of the nodes.
#[track_caller]
fn assert_answer(response: &Response, status: u16, body: &str, nodes: &str) {
    let found = (response.status, response.text(), told(response));
    assert_eq!(found, (status, body.to_owned(), nodes.to_owned()), "{response:?}");
}

/// Asserts that a required node's failure was answered, and that the body tells of the nodes what the field does.
#[track_caller]
fn assert_failed(response: &Response, status: u16, reason: &str, nodes: &str) {
    super::objects::assert_refused(response, status, reason);
    assert_eq!(told(response), nodes, "{response:?}");
    let problem = response.json();
    let one = |node: &serde_json::Value| {
        let name = node["name"].as_str().unwrap_or("?");
        match (&node["status"], &node["error"], &node["skipped"]) {
            (serde_json::Value::Number(status), ..) => format!("{name};status={status}"),
            (_, serde_json::Value::String(error), _) => format!("{name};error={error}"),
            _ => format!("{name};skipped"),
        }
    };
    let listed: Vec<_> = problem["nodes"]
        .as_array()
        .unwrap_or_else(|| panic!("{problem}"))
        .iter()
        .map(one)
        .collect();
    assert_eq!(listed.join(", "), nodes, "{problem}");
}
