//! The manage listener: what a proxy tells of itself, and to whom.

use super::support::{
    Backend, Client, Gateway, Port, Running, clusters, eventually, get, one_route, request,
};
use std::time::Duration;

#[tokio::test]
async fn livez_and_readyz_say_so_and_head_has_no_body() {
    let gateway = Gateway::start("{}\n").await;
    let mut client = Client::connect(gateway.manage()).await;
    for (path, body) in [("/livez", "ok\n"), ("/readyz", "ready\n")] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, body));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = client.request("HEAD", path, &[], b"").await.unwrap();
        assert_eq!((head.status, head.text().as_str()), (200, ""));
        assert_eq!(
            head.header("content-length"),
            Some(body.len().to_string().as_str())
        );
    }
    // Nothing of a body stood after the answers to HEAD, or this would not be the next answer.
    assert_eq!(client.get("/livez?x=1").await.text(), "ok\n");
}

#[tokio::test]
async fn another_path_is_404_with_those_there_are_and_another_method_405() {
    let gateway = Gateway::start("{}\n").await;
    let answer = get(gateway.manage(), "/").await;
    assert_eq!(answer.status, 404);
    for path in ["/metrics", "/livez", "/readyz", "/status"] {
        assert!(answer.text().contains(path));
        let refused = request(gateway.manage(), "POST", path, &[], b"x").await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn status_tells_version_revision_objects_and_servers() {
    let backend = Backend::text("x").await;
    let gateway = Gateway::start(&one_route(backend.address(), "match: { path: /a }")).await;
    assert_eq!(gateway.get("/a").await.status, 200);
    // A request is counted once its answer has been read to the end, which is about when the client has it.
    eventually("the request is counted", Duration::from_secs(10), || async {
        gateway.status().await["servers"][0]["successes"] == 1
    })
    .await;
    let answer = get(gateway.manage(), "/status").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let status = answer.json();
    assert_eq!(status["version"], "0.1.0");
    let configuration = &status["configuration"];
    assert_eq!(configuration["revision"], 1);
    assert!(configuration["applied_unix_ms"].as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(
        configuration["objects"],
        serde_json::json!({ "servers": 1, "clusters": 1, "routes": 1, "aggregations": 0 })
    );
    assert_eq!(configuration["quarantined"], serde_json::json!([]));
    assert_eq!(configuration["problems"], serde_json::json!([]));
    assert!(configuration["store_error"].is_null());
    let server = &status["servers"][0];
    assert_eq!(
        (&server["id"], &server["usable"]),
        (&"b".into(), &true.into()),
        "{status:#}"
    );
}

#[tokio::test]
async fn metrics_count_requests_refusals_and_servers_without_raw_paths() {
    let backend = Backend::text("x").await;
    let gateway = Gateway::start(&one_route(
        backend.address(),
        "match: { path: /a, methods: [GET] }",
    ))
    .await;
    let mut client = gateway.client().await;
    for target in ["/a", "/a", "/secret-path", "/secret-path", "/secret-path"] {
        client.get(target).await;
    }
    client.request("POST", "/a", &[], b"x").await.unwrap();
    for (name, labels, expected) in [
        (
            "gateway_requests_total",
            &[("route", "r"), ("code", "2xx")][..],
            2.0,
        ),
        ("gateway_requests_total", &[("route", ""), ("code", "4xx")], 4.0),
        ("gateway_refusals_total", &[("refusal", "no_route")], 3.0),
        (
            "gateway_refusals_total",
            &[("refusal", "method_not_allowed")],
            1.0,
        ),
        (
            "gateway_server_requests_total",
            &[("server", "b"), ("result", "success")],
            2.0,
        ),
        ("gateway_request_duration_seconds_count", &[("route", "r")], 2.0),
        ("gateway_config_revision", &[], 1.0),
        ("gateway_config_store_ok", &[], 1.0),
        ("gateway_requests_in_flight", &[], 0.0),
    ] {
        // A request is counted once its answer has been written, which is after the client has it.
        eventually(
            &format!("{name} {labels:?} is {expected}"),
            Duration::from_secs(10),
            || async { gateway.metric(name, labels).await == expected },
        )
        .await;
    }
    let answer = get(gateway.manage(), "/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    assert!(!text.contains("secret-path"));
    are_well_formed(&text);
}

/// Prometheus' text format, as far as we use it: every sample has a type that stands before it, no sample comes twice.
fn are_well_formed(text: &str) {
    let mut types = std::collections::BTreeSet::new();
    let mut samples = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(name.to_owned()), "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            value
                .parse::<f64>()
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(samples.insert(sample.to_owned()), "{sample} comes twice");
            let name = sample.split('{').next().unwrap();
            assert!(name.starts_with("gateway_"), "{line}");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            assert!(
                types.contains(name) || types.contains(family),
                "{name} has no type"
            );
        }
    }
}

#[tokio::test]
async fn a_token_protects_metrics_and_status_but_not_the_probes() {
    const TOKEN: &str = "a-token-of-some-length";
    let directory = tempfile::tempdir().unwrap();
    let (port, manage) = (Port::reserve(), Port::reserve());
    let startup = format!(
        "threads: 1\nlisteners: [{{ address: \"{}\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"0.0.0.0:{}\", token_env: TEST_TOKEN }}\n",
        port.address(),
        manage.number()
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(
        directory.path().join("meta.yaml"),
        clusters(&[]).replace(":\n", ": []\n"),
    )
    .unwrap();
    let _process = Running::spawn_with(
        directory.path(),
        &["-c", "gateway.yaml"],
        &[("TEST_TOKEN", TOKEN)],
    );
    let manage = manage.address();
    eventually("ready", Duration::from_secs(30), || async {
        match Client::try_connect(manage).await {
            Ok(mut client) => client.get("/readyz").await.status == 200,
            Err(_) => false,
        }
    })
    .await;
    assert_eq!(get(manage, "/livez").await.status, 200);
    let right = format!("Bearer {TOKEN}");
    for path in ["/metrics", "/status"] {
        let refused = get(manage, path).await;
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some("Bearer")),
            "{path}"
        );
        assert!(!refused.text().contains("gateway_"));
        for wrong in [
            "Bearer x",
            "Bearer ",
            "Basic YTpi",
            &right[..right.len() - 1],
            &format!("{right}x"),
            TOKEN,
        ] {
            let refused = request(manage, "GET", path, &[("Authorization", wrong)], b"").await;
            assert_eq!(refused.status, 401, "{path} {wrong}");
        }
        let allowed = request(manage, "GET", path, &[("Authorization", &right)], b"").await;
        assert_eq!(allowed.status, 200, "{path}");
    }
}
