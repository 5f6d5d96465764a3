//! Whatever stands under the prefix: what cannot be used is quarantined with its reason, the rest applies, nothing ends.

use serde_json::json;

use super::{on, quarantined, reply, serves, serves_revision};
use crate::support::{Etcd, Gateway, eventually};

/// A value in place of a good object, and a part of the reason.
fn broken_values() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let long = format!(
        "{{ \"id\": \"a\", \"description\": \"{}\" }}",
        "x".repeat(1_400_000)
    );
    let deep = format!(
        "{{ \"id\": \"a\", \"tags\": {}{} }}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    vec![
        ("no JSON", text("{ nonsense"), "no JSON"),
        ("empty", Vec::new(), "no JSON"),
        ("bytes", b"\xff\xfe\0\x80".to_vec(), "no JSON"),
        ("a list", text("[1]"), "JSON object"),
        ("without an id", text("{}"), "\"id\" is missing"),
        ("another id", text(&reply("b", "x")), "make them the same"),
        ("nearly as long as etcd takes", long.into_bytes(), "at most"),
        ("deep", deep.into_bytes(), "recursion limit"),
        (
            "an unknown key",
            text("{ \"id\": \"a\", \"colour\": \"red\" }"),
            "colour",
        ),
        (
            "a bad condition",
            text("{ \"id\": \"a\", \"match\": { \"when\": \"header.a ~ \\\"(\\\"\" } }"),
            "",
        ),
        (
            "a cluster that is not there",
            text("{ \"id\": \"a\", \"to\": [{ \"cluster\": \"none\" }] }"),
            "there is no cluster \"none\"",
        ),
    ]
}

#[tokio::test]
async fn each_broken_value_keeps_the_last_good_version_and_is_told_with_its_reason_until_it_is_repaired() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "good")).await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    for (what, value, reason) in broken_values() {
        let broken = keys.put("routes/a", value).await;
        serves_revision(&gateway, broken).await;
        let next = keys.put("routes/next", reply("next", what)).await;
        serves_revision(&gateway, next).await;
        assert_eq!(gateway.get("/a").await.text(), "good", "{what}");
        assert_eq!(gateway.get("/next").await.text(), what);
        assert_eq!(quarantined(&gateway).await, ["routes/a last_good"], "{what}");
        let status = gateway.status().await;
        let problems = status["configuration"]["quarantined"][0]["problems"].to_string();
        let told: String = serde_json::from_str::<serde_json::Value>(&problems).unwrap()[0]["message"]
            .as_str()
            .unwrap()
            .into();
        assert!(told.contains(reason), "{what}: {told}");
        assert!(told.len() < 1_000, "{what}: {} characters", told.len());
        keys.put("routes/a", reply("a", what)).await;
        serves(&gateway, "a", what).await;
        assert_eq!(quarantined(&gateway).await, [""; 0], "{what}");
        let good = keys.put("routes/a", reply("a", "good")).await;
        serves_revision(&gateway, good).await;
    }
}

#[tokio::test]
async fn each_broken_value_at_start_is_left_out_and_the_rest_serves() {
    for (what, value, _) in broken_values() {
        let etcd = Etcd::start().await;
        let keys = etcd.keys().await;
        keys.put("routes/a", value).await;
        keys.put("routes/next", reply("next", "good")).await;
        let gateway = Gateway::start_with(&on(&etcd), "").await;
        assert_eq!(gateway.get("/next").await.text(), "good", "{what}");
        assert_eq!(gateway.get("/a").await.status, 404, "{what}");
        assert_eq!(quarantined(&gateway).await, ["routes/a nothing"], "{what}");
    }
}

#[tokio::test]
async fn unknown_keys_under_the_prefix_are_warnings() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    for name in ["route/a", "x", "servers/", "routes\u{fffd}/b"] {
        keys.put(name, "whatever").await;
    }
    keys.put("history/nonsense", "whatever").await;
    keys.put("proxies/nonsense", "whatever").await;
    keys.put("undo/nonsense", "whatever").await;
    keys.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    assert_eq!(quarantined(&gateway).await, [""; 0]);
    let status = gateway.status().await;
    let problems = status["configuration"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for problem in problems {
        assert_eq!(problem["severity"], "warning", "{problem}");
        assert!(
            problem["message"].as_str().unwrap().contains("is of no object"),
            "{problem}"
        );
    }
    keys.put("routes/a", reply("a", "two")).await;
    serves(&gateway, "a", "two").await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_transient_and_quarantines_nothing() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let server = json!({ "id": "s", "address": "no-such-host.invalid:80" });
    let cluster = json!({ "id": "c", "servers": ["s"] });
    let route = json!({ "id": "r", "match": { "path": "/r" }, "to": [{ "cluster": "c" }] });
    keys.put("servers/s", server.to_string()).await;
    keys.put("clusters/c", cluster.to_string()).await;
    keys.put("routes/r", route.to_string()).await;
    keys.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&on(&etcd), "").await;
    eventually("the name is told", super::PATIENCE, || async {
        gateway.status().await["transient"][0]["id"] == "s"
    })
    .await;
    assert_eq!(quarantined(&gateway).await, [""; 0]);
    for (name, value) in [
        ("gateway_config_transient_problems", 1.0),
        ("gateway_config_quarantined_objects", 0.0),
    ] {
        assert_eq!(gateway.metric(name, &[]).await, value, "{name}");
    }
    super::log_says(&gateway, "no-such-host.invalid of server s does not resolve").await;
    assert_eq!(gateway.get("/r").await.status, 503);
    assert_eq!(gateway.get("/a").await.text(), "one");
    let repaired = json!({ "id": "s", "address": "127.0.0.1:1" });
    keys.put("servers/s", repaired.to_string()).await;
    eventually("nothing is transient", super::PATIENCE, || async {
        gateway.status().await["transient"] == json!([])
    })
    .await;
}
