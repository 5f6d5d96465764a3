//! Edits that break something: the broken object keeps its last good version, the rest of the edit applies, `/status` says what and
//! why. A file that is no configuration leaves everything as it was.

use std::time::Duration;

use serde_json::Value as Json;

use super::support::{Backend, Gateway, clusters, edit_and_wait, eventually, get};

const PATIENCE: Duration = Duration::from_secs(20);

/// What `/status` says of the configuration.
async fn configuration(gateway: &Gateway) -> Json {
    gateway.status().await["configuration"].take()
}

/// The quarantined objects as `kind/id serving`.
fn quarantined(configuration: &Json) -> Vec<String> {
    let text = |value: &Json| value.as_str().unwrap_or("?").to_owned();
    let one = |object: &Json| {
        format!(
            "{}/{} {}",
            text(&object["kind"]),
            text(&object["id"]),
            text(&object["serving"])
        )
    };
    configuration["quarantined"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

/// Edits and waits until the edit has been looked at; the marker route shows that the rest of it applied.
async fn edit(gateway: &Gateway, marker: &str, objects: &str) {
    edit_and_wait(gateway, objects).await;
    assert_eq!(gateway.get("/marker").await.text(), marker);
}

/// A victim and a bystander that shows whether the rest of an edit applied. `victim` and `more` are whole objects of their kinds.
struct Scene {
    backend: Backend,
}

impl Scene {
    async fn new() -> Self {
        Self {
            backend: Backend::echo().await,
        }
    }

    fn objects(&self, marker: &str, servers: &str, clusters: &str, routes: &str) -> String {
        let address = self.backend.address();
        format!(
            "servers:\n- {{ id: b, address: \"{address}\" }}\n{servers}\
             clusters:\n- {{ id: b, servers: [b] }}\n{clusters}\
             routes:\n- {{ id: marker, match: {{ path: /marker }}, filters: [{{ reply: {{ body: {marker} }} }}] }}\n{routes}"
        )
    }
}

const GOOD: &str = "- id: victim\n  match: { path: /v, when: header.a ~ \"^x\" }\n  to: [{ cluster: b }]\n  filters: [{ access: { allow: [127.0.0.1/32] } }]\n  rewrite: /good\n";

async fn serves_the_good_version(gateway: &Gateway) {
    let mut client = gateway.client().await;
    let response = client.request("GET", "/v", &[("a", "x")], b"").await.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["target"], "/good");
    assert_eq!(client.get("/v").await.status, 404);
}

#[tokio::test]
async fn a_broken_route_keeps_serving_as_it_was_and_the_rest_of_the_edit_applies() {
    let scene = Scene::new().await;
    let gateway = Gateway::start(&scene.objects("start", "", "", GOOD)).await;
    serves_the_good_version(&gateway).await;
    // The victim begins in line 7.
    let mistakes = [
        (
            "regex",
            "~ \"^x\"",
            "~ \"^(x\"",
            "/match/when",
            (8, 39),
            "regular expression",
        ),
        (
            "cluster",
            "cluster: b",
            "cluster: bb",
            "/to/0/cluster",
            (9, 19),
            "there is no cluster \"bb\"; did you mean \"b\"?",
        ),
        (
            "cidr",
            "127.0.0.1/32",
            "127.0.0.1/33",
            "/filters/0/access/allow/0",
            (10, 33),
            "33",
        ),
        (
            "template",
            "/good",
            "/{param.x}",
            "/rewrite",
            (11, 14),
            "no parameter \"x\"",
        ),
        (
            "key",
            "rewrite",
            "rewrit",
            "/rewrit",
            (11, 3),
            "did you mean \"rewrite\"",
        ),
        ("path", "path: /v", "path: v", "/match/path", (8, 18), "/"),
    ];
    for (marker, from, to, pointer, (line, column), hint) in mistakes {
        edit(
            &gateway,
            marker,
            &scene.objects(marker, "", "", &GOOD.replace(from, to)),
        )
        .await;
        serves_the_good_version(&gateway).await;
        let configuration = configuration(&gateway).await;
        assert_eq!(
            quarantined(&configuration),
            ["routes/victim last_good"],
            "{marker}: {configuration:#}"
        );
        let problem = &configuration["quarantined"][0]["problems"][0];
        assert_eq!(problem["pointer"], pointer, "{marker}: {problem:#}");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains(hint), "{marker}: {message}");
        let position = (
            problem["position"]["line"].as_u64(),
            problem["position"]["column"].as_u64(),
        );
        assert_eq!(position, (Some(line), Some(column)), "{marker}: {message}");
        assert_eq!(
            gateway.metric("gateway_config_quarantined_objects", &[]).await,
            1.0
        );
        eventually("the log says so", PATIENCE, || async {
            gateway
                .stderr()
                .contains(&format!("{line}:{column}: routes/victim"))
        })
        .await;
    }
    edit(
        &gateway,
        "repaired",
        &scene.objects("repaired", "", "", &GOOD.replace("/good", "/better")),
    )
    .await;
    let configuration = configuration(&gateway).await;
    assert_eq!(quarantined(&configuration), [""; 0], "{configuration:#}");
    assert_eq!(configuration["problems"], serde_json::json!([]));
    let mut client = gateway.client().await;
    let response = client.request("GET", "/v", &[("a", "x")], b"").await.unwrap();
    assert_eq!(response.json()["target"], "/better");
    assert_eq!(
        gateway.metric("gateway_config_quarantined_objects", &[]).await,
        0.0
    );
}

#[tokio::test]
async fn a_broken_server_or_cluster_keeps_serving_as_it_was() {
    let scene = Scene::new().await;
    let (old, new) = (Backend::text("old").await, Backend::text("new").await);
    let server = |address: &str| format!("- {{ id: v, address: \"{address}\" }}\n");
    let cluster = |servers: &str| format!("- {{ id: v, servers: [{servers}] }}\n");
    let route = "- { id: v, match: { path: /v }, to: [{ cluster: v }] }\n";
    let old_server = server(&old.address().to_string());
    let gateway = Gateway::start(&scene.objects("start", &old_server, &cluster("v"), route)).await;
    for (marker, servers, clusters, expected) in [
        ("address", server("nowhere"), cluster("v"), "servers/v last_good"),
        (
            "binding",
            old_server.clone(),
            cluster("v, w"),
            "clusters/v last_good",
        ),
        // The server is gone, and the cluster that needs it keeps it.
        ("unbound", String::new(), cluster("v"), "clusters/v last_good"),
        (
            "weight",
            old_server.clone(),
            cluster("{ id: v, weight: 0 }"),
            "clusters/v last_good",
        ),
    ] {
        edit(
            &gateway,
            marker,
            &scene.objects(marker, &servers, &clusters, route),
        )
        .await;
        let configuration = configuration(&gateway).await;
        assert_eq!(
            quarantined(&configuration),
            [expected],
            "{marker}: {configuration:#}"
        );
        assert_eq!(gateway.get("/v").await.text(), "old", "{marker}");
    }
    // The cluster is gone, and the route that needs it keeps it.
    edit(&gateway, "deleted", &scene.objects("deleted", "", "", route)).await;
    assert_eq!(
        quarantined(&configuration(&gateway).await),
        ["routes/v last_good"]
    );
    assert_eq!(gateway.get("/v").await.text(), "old");
    edit(
        &gateway,
        "repaired",
        &scene.objects(
            "repaired",
            &server(&new.address().to_string()),
            &cluster("v"),
            route,
        ),
    )
    .await;
    assert_eq!(quarantined(&configuration(&gateway).await), [""; 0]);
    assert_eq!(gateway.get("/v").await.text(), "new");
}

#[tokio::test]
async fn a_text_that_ends_in_the_middle_of_an_object_quarantines_only_that_one() {
    let scene = Scene::new().await;
    let good = |marker: &str| {
        let last = "- id: last\n  match: { path: /last }\n  filters: [{ reply: { body: \"good\" } }]\n";
        scene.objects(marker, "", "", &format!("{GOOD}{last}"))
    };
    let gateway = Gateway::start(&good("start")).await;
    // What could be the whole of an object is not for sale: every cut lies within a bracket or a quoted text.
    for (n, cut) in ["{ path: /la", "{ reply: { body: \"go", "filters: [{ rep"]
        .iter()
        .enumerate()
    {
        let marker = format!("cut-{n}");
        let text = good(&marker);
        let end = text.rfind(cut).unwrap() + cut.len();
        edit(&gateway, &marker, &text[..end]).await;
        let configuration = configuration(&gateway).await;
        assert_eq!(
            quarantined(&configuration),
            ["routes/last last_good"],
            "{cut}: {configuration:#}"
        );
        let lines = text[..end].lines().count() as u64;
        let problems = configuration["problems"].as_array().unwrap();
        assert!(
            problems.iter().any(|problem| problem["position"]["line"]
                .as_u64()
                .is_some_and(|line| line + 1 >= lines)),
            "{cut}: {configuration:#}"
        );
        assert_eq!(gateway.get("/last").await.text(), "good");
        serves_the_good_version(&gateway).await;
    }
    edit_and_wait(&gateway, &good("repaired")).await;
    assert_eq!(quarantined(&configuration(&gateway).await), [""; 0]);
}

#[tokio::test]
async fn a_file_that_is_no_yaml_or_empty_or_no_configuration_leaves_everything_as_it_was() {
    let scene = Scene::new().await;
    let good = scene.objects("start", "", "", GOOD);
    let gateway = Gateway::start(&good).await;
    for (what, text) in [
        ("no YAML", &b"routes: [}\n"[..]),
        ("binary", &b"\x00\xff\xfe\x80garbage"[..]),
        ("no UTF-8", &b"routes: []\n# \xff\n"[..]),
        ("a list", b"- a\n- b\n"),
        ("a word", b"hello\n"),
        ("empty", b""),
        ("blank", b"\n  \n# nothing\n"),
    ] {
        std::fs::write(gateway.objects_file(), text).unwrap();
        eventually(&format!("{what}: /status says so"), PATIENCE, || async {
            let configuration = configuration(&gateway).await;
            !configuration["problems"].as_array().unwrap().is_empty()
                || !configuration["store_error"].is_null()
        })
        .await;
        serves_the_good_version(&gateway).await;
        assert_eq!(gateway.get("/marker").await.text(), "start", "{what}");
        assert_eq!(get(gateway.manage(), "/readyz").await.status, 200, "{what}");
        std::fs::write(gateway.objects_file(), &good).unwrap();
        eventually(&format!("{what}: repaired"), PATIENCE, || async {
            let configuration = configuration(&gateway).await;
            configuration["problems"] == serde_json::json!([]) && configuration["store_error"].is_null()
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_or_unreadable_leaves_everything_as_it_was() {
    let scene = Scene::new().await;
    let good = scene.objects("start", "", "", GOOD);
    let gateway = Gateway::start(&good).await;
    let file = gateway.objects_file();
    let told = || async {
        let configuration = configuration(&gateway).await;
        !configuration["problems"].as_array().unwrap().is_empty() || !configuration["store_error"].is_null()
    };
    let repaired = || async { !told().await };
    std::fs::remove_file(&file).unwrap();
    eventually("/status says that the file is gone", PATIENCE, told).await;
    serves_the_good_version(&gateway).await;
    // A directory in its place cannot be read either.
    std::fs::create_dir(&file).unwrap();
    serves_the_good_version(&gateway).await;
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, &good).unwrap();
    eventually("the file is back", PATIENCE, repaired).await;
    edit(&gateway, "edited", &scene.objects("edited", "", "", GOOD)).await;
}

#[tokio::test]
async fn an_empty_configuration_is_meant_as_one_if_it_is_written() {
    let scene = Scene::new().await;
    let gateway = Gateway::start(&scene.objects("start", "", "", GOOD)).await;
    edit_and_wait(&gateway, "{}\n").await;
    assert_eq!(gateway.get("/marker").await.status, 404);
    assert_eq!(quarantined(&configuration(&gateway).await), [""; 0]);
    edit_and_wait(&gateway, "servers: []\nroutes:\n").await;
    assert_eq!(get(gateway.manage(), "/readyz").await.status, 200);
}

#[tokio::test]
async fn an_object_that_was_never_good_is_left_out_at_start_and_the_rest_serves() {
    let scene = Scene::new().await;
    let broken = scene.objects(
        "start",
        "- { id: s, address: x:99999 }\n",
        "- { id: c, servers: [s] }\n",
        &GOOD.replace("~ \"^x\"", "~ \"(\""),
    );
    let broken = format!("{broken}- {{ id: follows, match: {{ path: /f }}, to: [{{ cluster: c }}] }}\n");
    let gateway = Gateway::start(&broken).await;
    assert_eq!(gateway.get("/marker").await.text(), "start");
    assert_eq!(gateway.get("/f").await.status, 404);
    let found = configuration(&gateway).await;
    assert_eq!(
        quarantined(&found),
        [
            "servers/s nothing",
            "clusters/c nothing",
            "routes/follows nothing",
            "routes/victim nothing"
        ],
        "{found:#}"
    );
    for object in found["quarantined"].as_array().unwrap() {
        assert!(!object["problems"].as_array().unwrap().is_empty(), "{object:#}");
    }
    edit_and_wait(&gateway, &scene.objects("repaired", "", "", GOOD)).await;
    serves_the_good_version(&gateway).await;
}

#[tokio::test]
async fn starting_with_a_file_that_is_no_yaml_refuses_with_503_until_it_is_repaired() {
    let backend = Backend::text("x").await;
    let directory = tempfile::tempdir().unwrap();
    let (port, manage) = (super::support::Port::reserve(), super::support::Port::reserve());
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("meta.yaml"), "routes: [}\n").unwrap();
    let startup = format!(
        "threads: 1\nlisteners: [{{ address: \"{}\" }}]\nstore: {{ file: {} }}\nmanage: {{ address: \"{}\" }}\n",
        port.address(),
        at("meta.yaml").display(),
        manage.address()
    );
    std::fs::write(at("gateway.yaml"), startup).unwrap();
    let _process = super::support::Running::spawn(directory.path(), &["-c", "gateway.yaml"]);
    eventually("it listens", PATIENCE, || async {
        super::support::Client::try_connect(port.address()).await.is_ok()
            && super::support::Client::try_connect(manage.address())
                .await
                .is_ok()
    })
    .await;
    let refused = get(port.address(), "/").await;
    assert_eq!(
        (refused.status, refused.header("x-gateway-refusal")),
        (503, Some("not_ready"))
    );
    assert!(refused.header("retry-after").is_some());
    let ready = get(manage.address(), "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("1:10"), "it says why: {}", ready.text());
    assert_eq!(get(manage.address(), "/livez").await.status, 200);
    let status = get(manage.address(), "/status").await.json();
    assert!(status["configuration"]["store_error"].is_string(), "{status:#}");
    assert!(status["configuration"]["revision"].is_null());

    let objects = format!(
        "{}routes:\n- {{ id: r, to: [{{ cluster: b }}] }}\n",
        clusters(&[("b", backend.address())])
    );
    std::fs::write(at("meta.yaml"), objects).unwrap();
    eventually("ready", PATIENCE, || async {
        get(manage.address(), "/readyz").await.status == 200
    })
    .await;
    assert_eq!(get(port.address(), "/").await.text(), "x");
    let status = get(manage.address(), "/status").await.json();
    assert!(status["configuration"]["store_error"].is_null(), "{status:#}");
}
