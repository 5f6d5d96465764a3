//! The admin in the gateway's own process: what is written there serves at once, and it shares the life of the process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::support::{
    Backend, Client, Etcd, Exited, Gateway, Port, Reply, Response, eventually, get, one_route, request,
    revision, signal,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The start-up line of a gateway that hosts an admin.
fn at(port: &Port) -> String {
    format!("admin: {{ address: \"{}\" }}\n", port.address())
}

async fn send(admin: SocketAddr, method: &str, path: &str, body: &Json) -> Response {
    let headers = [("content-type", "application/json")];
    let path = format!("/api/v1{path}");
    request(admin, method, &path, &headers, body.to_string().as_bytes()).await
}

/// A route that answers requests for `/ID` with this body.
fn reply(id: &str, body: &str) -> Json {
    json!({ "id": id, "match": { "path": format!("/{id}") }, "filters": [{ "reply": { "body": body } }] })
}

async fn serves(gateway: &Gateway, target: &str, body: &str) {
    eventually(&format!("{target} is {body}"), PATIENCE, || async {
        gateway.get(target).await.text() == body
    })
    .await;
}

#[tokio::test]
async fn what_is_put_is_served_and_what_is_wrong_is_refused_with_its_place_and_changes_nothing() {
    let etcd = Etcd::start().await;
    let on_etcd = format!("store: {{ etcd: {{ endpoints: [\"{}\"] }} }}\n", etcd.endpoint());
    for store in ["", &on_etcd] {
        let port = Port::reserve();
        let gateway = Gateway::start_with(&format!("{store}{}", at(&port)), "{}\n").await;
        let admin = port.address();
        let put = send(admin, "PUT", "/routes/a", &reply("a", "one")).await;
        assert_eq!(put.status, 201, "{store}: {}", put.text());
        serves(&gateway, "/a", "one").await;
        let before = revision(&gateway).await;
        let mut bad = reply("a", "two");
        bad["match"]["path"] = json!("a");
        let refused = send(admin, "PUT", "/routes/a", &bad).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], "/match/path");
        assert_eq!(gateway.get("/a").await.text(), "one");
        assert_eq!(revision(&gateway).await, before);
        let patch = json!({ "filters": [{ "reply": { "body": "three" } }] });
        let headers = [("content-type", "application/merge-patch+json")];
        let patched = request(
            admin,
            "PATCH",
            "/api/v1/routes/a",
            &headers,
            patch.to_string().as_bytes(),
        )
        .await;
        assert_eq!(patched.status, 200, "{}", patched.text());
        serves(&gateway, "/a", "three").await;
        assert_eq!(gateway.stop().await.code, Some(0));
    }
}

#[tokio::test]
async fn an_edit_of_the_file_is_seen_there() {
    let port = Port::reserve();
    let gateway = Gateway::start_with(&at(&port), "{}\n").await;
    assert_eq!(get(port.address(), "/api/v1/routes/r").await.status, 404);
    gateway.edit(&one_route(
        gateway.manage(),
        "description: written by hand, tags: [a]",
    ));
    eventually("the edit is seen", PATIENCE, || async {
        let answer = get(port.address(), "/api/v1/routes/r").await;
        answer.status == 200 && answer.json()["description"] == "written by hand"
    })
    .await;
}

#[tokio::test]
async fn it_answers_while_there_is_no_configuration_to_serve() {
    let (port, etcd) = (Port::reserve(), Port::reserve());
    let store = format!(
        "store: {{ etcd: {{ endpoints: [\"http://{}\"], timeout: 100ms }} }}\n",
        etcd.address()
    );
    let _gateway = Gateway::spawn_with(&format!("{store}{}", at(&port)), "");
    eventually("it says what is wrong", PATIENCE, || async {
        let Ok(mut client) = Client::try_connect(port.address()).await else {
            return false;
        };
        let answer = client.get("/api/v1/config").await;
        answer.status == 503 && answer.json()["code"] == "store_unavailable"
    })
    .await;
}

/// Runs a gateway to its end that cannot start.
async fn refused(startup: &str) -> Exited {
    match Gateway::try_start(startup, "{}\n").await {
        Err(exited) => exited,
        Ok(_) => panic!("{startup} is accepted"),
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_is_refused_before_anything_runs() {
    let port = Port::reserve();
    let _holder = TcpListener::bind(port.address()).unwrap();
    let exited = refused(&at(&port)).await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    let taken = format!("cannot listen on {}", port.address());
    assert!(exited.stderr.contains(&taken), "{exited:?}");
    for (address, part) in [
        ("0.0.0.0:9093", "everyone could change"),
        ("127.0.0.1:0", "port 0"),
        ("9093", "address"),
    ] {
        let exited = refused(&format!("admin: {{ address: \"{address}\" }}\n")).await;
        assert_eq!(exited.code, Some(78), "{exited:?}");
        assert!(
            exited.stderr.contains(part) && exited.stderr.lines().count() == 1,
            "{exited:?}"
        );
    }
    let (one, other) = (Port::reserve(), Port::reserve());
    let twice = format!("{}manage: {{ address: \"{}\" }}\n", at(&one), one.address());
    let exited = refused(&format!(
        "{twice}listeners: [{{ address: \"{}\" }}]\n",
        other.address()
    ))
    .await;
    assert!(exited.stderr.contains("is taken by manage"), "{exited:?}");
}

/// Clients of an admin, each request on a connection of its own, that count what went well and keep what did not.
#[derive(Default)]
struct Requests {
    stopping: AtomicBool,
    well: AtomicU64,
    failed: std::sync::Mutex<Vec<String>>,
}

impl Requests {
    async fn run(self: Arc<Self>, admin: SocketAddr, method: &'static str, path: &'static str, body: Json) {
        let headers = [("content-type", "application/json"), ("connection", "close")];
        let (path, body) = (format!("/api/v1{path}"), body.to_string());
        while !self.stopping.load(Relaxed) {
            let answer = async {
                let mut client = Client::try_connect(admin).await?;
                client.request(method, &path, &headers, body.as_bytes()).await
            };
            match answer.await {
                Ok(answer) if answer.status < 300 => drop(self.well.fetch_add(1, Relaxed)),
                Ok(answer) => self.failed.lock().unwrap().push(answer.text()),
                Err(error) => self.failed.lock().unwrap().push(format!("{method}: {error}")),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_lose_no_request_to_it_and_the_process_before_ends() {
    let port = Port::reserve();
    let admin = port.address();
    let mut gateway = Gateway::start_with(&at(&port), "{}\n").await;
    let requests = Arc::new(Requests::default());
    let clients = [
        tokio::spawn(requests.clone().run(admin, "GET", "/config", json!(null))),
        tokio::spawn(requests.clone().run(admin, "PUT", "/routes/a", reply("a", "x"))),
    ];
    let mut idle = Client::connect(admin).await;
    assert!(idle.get("/api/v1/config").await.keeps_alive());
    for _ in 0..3 {
        let before = gateway.upgrade().await;
        let exited = before.until_exit().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(exited.stderr.contains("no client is left"), "{exited:?}");
        let so_far = requests.well.load(Relaxed);
        eventually("the next one answers", PATIENCE, || async {
            requests.well.load(Relaxed) > so_far + 4
        })
        .await;
    }
    requests.stopping.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(requests.failed.lock().unwrap().as_slice(), [""; 0]);
    assert!(idle.closed().await);
}

#[tokio::test]
async fn it_answers_while_the_process_drains_and_ends_with_it() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let port = Port::reserve();
    let gateway = Gateway::start_with(&at(&port), &one_route(backend.address(), "priority: 1")).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    eventually("the request is under way", PATIENCE, || async {
        backend.count() == 1
    })
    .await;
    gateway.signal("TERM");
    eventually("it drains", PATIENCE, || async {
        get(gateway.manage(), "/readyz").await.status == 503
    })
    .await;
    let put = send(port.address(), "PUT", "/routes/a", &reply("a", "x")).await;
    assert_eq!(put.status, 201, "{}", put.text());
    drop(client);
    let exited = gateway.until_exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(Client::try_connect(port.address()).await.is_err());
}

#[tokio::test]
async fn a_daemon_hosts_it_too() {
    let (listener, manage, port) = (Port::reserve(), Port::reserve(), Port::reserve());
    let directory = tempfile::tempdir().unwrap();
    let startup = format!(
        "listeners: [{{ address: \"{}\" }}]\nmanage: {{ address: \"{}\" }}\n{}store: {{ file: meta.yaml }}\n\
         pid_file: gateway.pid\nerror_log: error.log\n",
        listener.address(),
        manage.address(),
        at(&port)
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), "{}\n").unwrap();
    let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-d"]).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    let pid = std::fs::read_to_string(directory.path().join("gateway.pid")).unwrap();
    let put = send(port.address(), "PUT", "/routes/a", &reply("a", "x")).await;
    assert_eq!(put.status, 201, "{}", put.text());
    eventually("it serves", PATIENCE, || async {
        get(listener.address(), "/a").await.text() == "x"
    })
    .await;
    signal(pid.trim().parse().unwrap(), "TERM");
    eventually("it has ended", PATIENCE, || async {
        Client::try_connect(port.address()).await.is_err()
    })
    .await;
}
