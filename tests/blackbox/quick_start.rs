//! `gateway --quickstart`: its ports are fixed, so it runs in a network namespace of its own where the system allows that, and one
//! at a time where it does not.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{BINARY, Client, Keys, Running, eventually, get, request};

const PATIENCE: Duration = Duration::from_secs(30);
const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const SERVICES: [u16; 4] = [9001, 9011, 9002, 9003];
/// Set in the process that has a namespace of its own.
const INSIDE: &str = "GATEWAY_TEST_HAS_ITS_OWN_NETWORK";

/// Runs this very test again in a network namespace of its own; `false` if it runs in one or the system gives none.
fn ran_in_its_own_network(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let isolated = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-rn", "sh", "-c", &format!("ip link set lo up && {script}"), "sh"])
            .stdin(Stdio::null());
        command
    };
    let allowed = isolated("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        return false;
    }
    let output = isolated("exec \"$@\"")
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("this test again");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{error}"
    );
    true
}

/// Keeps others that use the same ports waiting, whatever process they are in.
fn alone() -> File {
    let lock = File::create(std::env::temp_dir().join("gateway-test-quick-start")).expect("a lock file");
    lock.lock().expect("a lock");
    lock
}

async fn started(directory: &Path) -> Running {
    let running = Running::spawn(directory, &["--quickstart"]);
    eventually("the quick start tells what to try", PATIENCE, || async {
        running.stdout().contains("curl ")
    })
    .await;
    running
}

/// What the printed command asks for.
fn printed_target(said: &str) -> String {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("curl -i "));
    let url = line.unwrap_or_else(|| panic!("no curl in {said}"));
    url.strip_prefix("http://127.0.0.1:8080")
        .unwrap_or_else(|| panic!("{url}"))
        .to_owned()
}

async fn end(running: Running, signal: &str) {
    let pid = running.pid().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .expect("kill")
            .success()
    );
    running.until_exit().await;
    for port in SERVICES {
        eventually(&format!("port {port} is free again"), PATIENCE, || async {
            Client::try_connect(SocketAddr::new(PROXY.ip(), port))
                .await
                .is_err()
        })
        .await;
    }
    assert!(Client::try_connect(PROXY).await.is_err());
}

#[tokio::test]
async fn the_quick_start_answers_takes_edits_and_ends_with_all_its_services() {
    if ran_in_its_own_network(
        "quick_start::the_quick_start_answers_takes_edits_and_ends_with_all_its_services",
    ) {
        return;
    }
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let running = started(directory.path()).await;
    let target = printed_target(&running.stdout());
    eventually("the printed curl answers", PATIENCE, || async {
        get(PROXY, &target).await.status == 200
    })
    .await;
    assert_eq!(get(PROXY, &target).await.json()["name"], "Ada");
    for (target, part) in [
        ("/api/orders/1001", "\"id\""),
        ("/api/shipments/1001", "\"order\""),
        ("/api/home/1", "\"shipment\":{\"order\":1002,"),
        ("/hello", "Hello from"),
    ] {
        let answer = get(PROXY, target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(answer.text().contains(part), "{target}: {}", answer.text());
    }
    assert_eq!(get(PROXY, "/nothing").await.status, 404);
    assert_eq!(
        request(PROXY, "POST", "/api/orders/1001", &[], b"").await.status,
        405
    );

    let file = directory.path().join("data/meta.yaml");
    let objects = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, objects.replace("Hello from", "Edited at")).unwrap();
    eventually("the edit serves", PATIENCE, || async {
        get(PROXY, "/hello").await.text().starts_with("Edited at")
    })
    .await;
    let status = get(SocketAddr::new(PROXY.ip(), 9092), "/status").await.json();
    assert_eq!(
        status["configuration"]["problems"],
        serde_json::json!([]),
        "{status:#}"
    );
    let admin = SocketAddr::new(PROXY.ip(), 9093);
    let hello = get(admin, "/api/v1/routes/hello").await;
    assert_eq!((hello.status, &hello.json()["id"]), (200, &"hello".into()));
    end(running, "INT").await;

    // An edited configuration is kept by the next start.
    let running = started(directory.path()).await;
    eventually("it serves", PATIENCE, || async {
        get(PROXY, "/hello").await.status == 200
    })
    .await;
    assert!(get(PROXY, "/hello").await.text().starts_with("Edited at"));
    // As when its terminal is closed.
    end(running, "HUP").await;
}

#[tokio::test]
async fn the_quick_start_on_etcd_answers_takes_what_is_put_and_ends_with_its_etcd() {
    if ran_in_its_own_network(
        "quick_start::the_quick_start_on_etcd_answers_takes_what_is_put_and_ends_with_its_etcd",
    ) {
        return;
    }
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/with-etcd"));
    command
        .args([BINARY, "--quickstart", "--etcd"])
        .env("TMPDIR", directory.path());
    let running = Running::spawn_through(directory.path(), command);
    eventually("the quick start tells what to try", PATIENCE, || async {
        running.stdout().contains("curl ")
    })
    .await;
    let target = printed_target(&running.stdout());
    eventually("the printed curl answers", PATIENCE, || async {
        get(PROXY, &target).await.status == 200
    })
    .await;
    assert_eq!(get(PROXY, "/api/home/1").await.status, 200);
    let etcd = SocketAddr::new(PROXY.ip(), 2379);
    let keys = Keys::at(&[format!("http://{etcd}")]).await;
    keys.put("routes/put", "{ \"id\": \"put\", \"match\": { \"path\": \"/put\" }, \"filters\": [{ \"reply\": { \"body\": \"put\" } }] }")
        .await;
    eventually("what is put serves", PATIENCE, || async {
        get(PROXY, "/put").await.text() == "put"
    })
    .await;
    let pid = running.pid().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.expect("kill").success());
    running.until_exit().await;
    for port in SERVICES.into_iter().chain([2379, 8080]) {
        let address = SocketAddr::new(PROXY.ip(), port);
        eventually(&format!("port {port} is free again"), PATIENCE, || async {
            Client::try_connect(address).await.is_err()
        })
        .await;
    }
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_port_of_the_quick_start_that_is_taken_is_named_and_nothing_is_left_behind() {
    if ran_in_its_own_network(
        "quick_start::a_port_of_the_quick_start_that_is_taken_is_named_and_nothing_is_left_behind",
    ) {
        return;
    }
    let _alone = alone();
    for taken in [9002, 8080, 9092, 9093] {
        let directory = tempfile::tempdir().unwrap();
        let _holder = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let exited = Running::spawn(directory.path(), &["--quickstart"])
            .until_exit()
            .await;
        assert_eq!(exited.code, Some(1), "{exited:?}");
        assert!(
            exited
                .stderr
                .contains(&format!("cannot listen on 127.0.0.1:{taken}")),
            "{exited:?}"
        );
        for port in SERVICES.into_iter().filter(|port| *port != taken) {
            eventually(&format!("port {port} is free again"), PATIENCE, || async {
                Client::try_connect(SocketAddr::new(PROXY.ip(), port))
                    .await
                    .is_err()
            })
            .await;
        }
    }
}
