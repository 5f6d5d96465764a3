//! A gateway that becomes a daemon connects to etcd afterwards: what runs before the fork would be lost.

use std::process::Command;

use super::{PATIENCE, on, reply};
use crate::support::{Client, Etcd, Gateway, Port, eventually, get};

/// Ends the daemon with the test.
struct Daemon(String);

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        Command::new("kill").args(["-s", "KILL", &self.0]).status().ok();
    }
}

#[tokio::test]
async fn a_daemon_follows_etcd_and_keeps_its_last_good_state_where_it_was_started() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "one")).await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (port, manage) = (Port::reserve(), Port::reserve());
    let startup = format!(
        "listeners: [{{ address: \"{}\" }}]\nmanage: {{ address: \"{}\" }}\n{}snapshot: kept/last-good.json\npid_file: {}\nerror_log: {}\n",
        port.address(),
        manage.address(),
        on(&etcd),
        at("pid").display(),
        at("log").display()
    );
    std::fs::write(at("gateway.yaml"), startup).unwrap();
    let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-d"]).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    eventually("it says its process id", PATIENCE, || async {
        std::fs::read_to_string(at("pid")).is_ok_and(|pid| pid.trim().parse::<u32>().is_ok())
    })
    .await;
    let _daemon = Daemon(std::fs::read_to_string(at("pid")).unwrap().trim().to_owned());
    eventually("it listens", PATIENCE, || async {
        Client::try_connect(port.address()).await.is_ok()
    })
    .await;
    assert_eq!(get(port.address(), "/a").await.text(), "one");
    keys.put("routes/a", reply("a", "two")).await;
    eventually("what is put serves", PATIENCE, || async {
        get(port.address(), "/a").await.text() == "two"
    })
    .await;
    eventually("the last good state is kept", PATIENCE, || async {
        at("kept/last-good.json").exists()
    })
    .await;
}
