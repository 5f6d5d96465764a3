//! A real server process is killed under load, with another one left.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::objects::one_cluster;
use crate::support::{Gateway, Load, Plan, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

/// A `gateway-demo` process.
struct Demo {
    child: Child,
    address: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gateway-demo"))
            .args(["--service", "users", "--exit-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn no_get_fails(cluster: &str) {
    let mut demos = [Demo::start(), Demo::start()];
    let addresses = demos.each_ref().map(|demo| demo.address);
    let gateway = Gateway::start(&one_cluster(&addresses, cluster, "")).await;
    let load = Load::start(
        Plan::get(gateway.address(), "/users/1")
            .rate(1500)
            .connections(32),
    );
    let answers = || async { load.report().answers() };
    eventually("a thousand answers", PATIENCE, || async {
        answers().await > 1000
    })
    .await;
    demos[0].kill();
    let before = answers().await;
    eventually("more answers", PATIENCE, || async {
        answers().await > before + 4000
    })
    .await;
    load.stop().await.assert_all(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_get_fails_when_a_server_is_killed_under_load() {
    no_get_fails("retry: {}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_get_fails_when_a_server_with_a_health_check_is_killed_under_load() {
    no_get_fails("retry: {}, health_check: { path: /health, interval: 200ms }").await;
}
