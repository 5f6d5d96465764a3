//! Aggregations while the configuration changes: what is under way ends as it began, and a broken one leaves the good one serving.

use super::manual::Manual;
use super::{aggregation, assert_answer, over, with_json};
use crate::support::{Backend, Gateway, clusters, edit_and_wait, revision};

#[tokio::test]
async fn what_is_under_way_ends_with_the_configuration_it_began_with() {
    let service = Manual::start().await;
    let clusters = clusters(&[("b", service.address())]);
    let old = [("a", ""), ("then", "url: \"/then/{node.a}\"")];
    let gateway = Gateway::start(&(clusters.clone() + &aggregation(&old, ""))).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    let a = service.asked("/a").await;
    edit_and_wait(
        &gateway,
        &(clusters.clone() + &aggregation(&[("new", ""), ("newer", "")], "merge: list")),
    )
    .await;
    let mut other = gateway.client().await;
    other.send_request("GET", "/", &[], b"").await.unwrap();
    service.asked("/new").await.answer("1").await;
    service.asked("/newer").await.answer("2").await;
    assert_answer(
        &other.read_response("GET").await.unwrap(),
        200,
        "[1,2]",
        "new;status=200, newer;status=200",
    );
    edit_and_wait(&gateway, &clusters).await;
    assert_eq!(gateway.get("/").await.status, 404);
    a.answer("7").await;
    service.asked("/then/7").await.answer("8").await;
    let response = client.read_response("GET").await.unwrap();
    assert_answer(
        &response,
        200,
        "{\"a\":7,\"then\":8}",
        "a;status=200, then;status=200",
    );
}

#[tokio::test]
async fn a_broken_aggregation_leaves_its_last_good_version_serving() {
    let service = Backend::start(|_| with_json("1")).await;
    let clusters = clusters(&[("b", service.address())]);
    let good = clusters.clone() + &aggregation(&[("a", ""), ("c", "")], "");
    for broken in [
        aggregation(&[("a", "cluster: missing"), ("c", "")], ""),
        aggregation(&[("a", "url: \"/{node.c}\""), ("c", "url: \"/{node.a}\"")], ""),
        aggregation(&[("a", "url: \"/{node.nobody}\""), ("c", "")], ""),
        aggregation(&[("a", ""), ("a", "")], ""),
        aggregation(&[("a", "hedge: { after: 1s }, method: POST"), ("c", "")], ""),
        aggregation(&[("a", "unknown: 1"), ("c", "")], ""),
    ] {
        let gateway = Gateway::start(&good).await;
        edit_and_wait(&gateway, &(clusters.clone() + &broken)).await;
        let quarantined = gateway.status().await["configuration"]["quarantined"].clone();
        assert_eq!(quarantined[0]["id"], "a", "{broken}: {quarantined}");
        assert_answer(
            &gateway.get("/").await,
            200,
            "{\"a\":1,\"c\":1}",
            "a;status=200, c;status=200",
        );
        edit_and_wait(&gateway, &good.replace("id: a,", "id: a, merge: list,")).await;
        assert_eq!(gateway.get("/").await.text(), "[1,1]");
        assert!(revision(&gateway).await >= 3);
    }
}

#[tokio::test]
async fn counters_of_nodes_survive_a_change() {
    let service = Backend::start(|_| with_json("1")).await;
    let clusters = clusters(&[("b", service.address())]);
    let objects = |nodes: &[(&str, &str)]| clusters.clone() + &aggregation(nodes, "");
    let gateway = Gateway::start(&objects(&[("a", ""), ("c", "")])).await;
    let answered = async |node| {
        let labels = [("node", node), ("result", "answered")];
        gateway.metric("gateway_node_calls_total", &labels).await
    };
    assert_eq!(gateway.get("/").await.status, 200);
    edit_and_wait(&gateway, &objects(&[("a", "url: /else"), ("d", "")])).await;
    assert_eq!(
        (answered("a").await, answered("c").await, answered("d").await),
        (1.0, 0.0, 0.0)
    );
    assert!(!gateway.metrics().await.contains("node=\"c\""));
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!((answered("a").await, answered("d").await), (2.0, 1.0));
}

#[tokio::test]
async fn an_aggregation_can_be_switched_off_and_ends_by_itself() {
    let service = Backend::start(|_| with_json("1")).await;
    for (members, status) in [
        ("enabled: false", 404),
        ("expires: 2020-01-01T00:00:00Z", 404),
        ("expires: 2100-01-01T00:00:00Z", 200),
    ] {
        let gateway = over(service.address(), &[("a", ""), ("c", "")], members).await;
        assert_eq!(gateway.get("/").await.status, status, "{members}");
    }
}

#[tokio::test]
async fn routes_and_aggregations_share_one_order() {
    let service = Backend::start(|_| with_json("1")).await;
    let routes = "routes:\n\
        - { id: first, priority: 1, match: { path: /first }, filters: [{ reply: { body: route } }] }\n\
        - { id: any, match: { path: \"/{rest*}\" }, filters: [{ reply: { body: route } }] }\n\
        - { id: exact, match: { path: /x/exact }, filters: [{ reply: { body: route } }] }\n";
    let objects = clusters(&[("b", service.address())])
        + routes
        + "aggregations:\n"
        + &super::item("f", &[("a", ""), ("c", "")], "match: { path: /first }")
        + &super::item(
            "x",
            &[("a", ""), ("c", "")],
            "match: { path: \"/x/{p}\", methods: [GET], when: query.q != \"no\" }",
        );
    let gateway = Gateway::start(&objects).await;
    let merged = "{\"a\":1,\"c\":1}";
    for (target, body) in [
        ("/first", "route"),
        ("/x/exact", "route"),
        ("/x/y", merged),
        ("/x/y?q=no", "route"),
        ("/else", "route"),
    ] {
        assert_eq!(gateway.get(target).await.text(), body, "{target}");
    }
}
