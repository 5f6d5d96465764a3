//! `-d`: the process in the background, with its file of its id and its log; the command's exit code says whether it came up.

use std::path::Path;

use super::{PATIENCE, objects};
use crate::support::{Backend, Gateway, Port, eventually, get, signal};

/// A daemon's files and ports; dropping it kills what its pid file names.
struct Daemon {
    directory: tempfile::TempDir,
    port: Port,
    manage: Port,
}

impl Daemon {
    fn new(objects: &str) -> Self {
        let (port, manage) = (Port::reserve(), Port::reserve());
        let directory = tempfile::tempdir().unwrap();
        // All paths are relative: they mean the directory it was started in.
        let startup = format!(
            "listeners: [{{ address: \"{}\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"{}\" }}\n\
             pid_file: gateway.pid\nerror_log: error.log\nupgrade_sock: upgrade.sock\n",
            port.address(),
            manage.address()
        );
        std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
        std::fs::write(directory.path().join("meta.yaml"), objects).unwrap();
        Self {
            directory,
            port,
            manage,
        }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(file)).unwrap_or_default()
    }

    fn pid(&self) -> Option<u32> {
        self.read("gateway.pid").trim().parse().ok()
    }

    async fn start(&self, more: &[&str]) -> crate::support::Exited {
        let arguments = [&["-c", "gateway.yaml", "-d"], more].concat();
        Gateway::run(self.directory.path(), &arguments).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = self.pid().filter(|pid| runs(*pid)) {
            signal(pid, "KILL");
        }
    }
}

/// A process that has ended and waits for its parent to ask runs no more.
fn runs(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

async fn ended(pid: u32) {
    eventually("it has ended", PATIENCE, async || !runs(pid)).await;
}

#[tokio::test]
async fn it_serves_when_the_command_returns_and_tidies_up_at_its_end() {
    let backend = Backend::text("x").await;
    let daemon = Daemon::new(&objects(&backend));
    let exited = daemon.start(&[]).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert_eq!(get(daemon.port.address(), "/").await.status, 200);
    assert_eq!(get(daemon.manage.address(), "/readyz").await.status, 200);
    let pid = daemon.pid().expect("its id is in the file");
    assert!(daemon.read("error.log").contains("revision 1 applied"));
    signal(pid, "TERM");
    ended(pid).await;
    assert!(daemon.read("error.log").contains("no client is left"));
    assert!(!daemon.directory.path().join("gateway.pid").exists());
}

#[tokio::test]
async fn one_that_cannot_come_up_is_reported_by_the_commands_exit_code() {
    let backend = Backend::text("x").await;
    let daemon = Daemon::new(&objects(&backend));
    let taken = tokio::net::TcpListener::bind(daemon.port.address())
        .await
        .unwrap();
    let exited = daemon.start(&[]).await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(exited.stderr.contains("cannot listen on"), "{exited:?}");
    drop(taken);
    // Known only once it runs in the background: there is no configuration to serve with.
    std::fs::write(daemon.directory.path().join("meta.yaml"), "routes: [\n").unwrap();
    let exited = daemon.start(&["-u"]).await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(
        daemon
            .read("error.log")
            .contains("cannot start: no configuration")
    );
}

#[tokio::test]
async fn sighup_opens_its_log_anew() {
    let backend = Backend::text("x").await;
    let daemon = Daemon::new(&objects(&backend));
    assert_eq!(daemon.start(&[]).await.code, Some(0));
    let rotated = daemon.directory.path().join("error.log.1");
    std::fs::rename(daemon.directory.path().join("error.log"), &rotated).unwrap();
    signal(daemon.pid().unwrap(), "HUP");
    eventually("the log is there again", PATIENCE, async || {
        daemon.read("error.log").contains("start-up file read again")
    })
    .await;
    assert!(!daemon.read("error.log.1").contains("read again"));
}

#[tokio::test]
async fn a_daemon_takes_over_from_a_daemon_and_each_removes_its_own_pid_file_only() {
    let backend = Backend::text("x").await;
    let daemon = Daemon::new(&objects(&backend));
    assert_eq!(daemon.start(&[]).await.code, Some(0));
    let first = daemon.pid().unwrap();
    let exited = daemon.start(&["-u"]).await;
    // It waits for the sockets: the moment to send SIGQUIT.
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(runs(first));
    signal(first, "QUIT");
    ended(first).await;
    let second = daemon.pid().unwrap();
    assert_ne!(first, second);
    assert!(!exists(daemon.directory.path(), "gateway.pid.old"));
    assert_eq!(get(daemon.port.address(), "/").await.status, 200);
    signal(second, "TERM");
    ended(second).await;
    assert!(!exists(daemon.directory.path(), "gateway.pid"));
}

fn exists(directory: &Path, file: &str) -> bool {
    directory.join(file).exists()
}
