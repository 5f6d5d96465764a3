//! A real etcd of one member, in a directory of its own, that can be killed, stopped, emptied and started again.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use etcd_client::Client;
use tempfile::TempDir;

use super::*;

pub(super) struct Etcd {
    directory: TempDir,
    ports: (u16, u16),
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Etcd {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(super) async fn start_with(arguments: &[&str]) -> Self {
        // In memory, if there is such a directory: what is tested is not the disk.
        let shared = Path::new("/dev/shm");
        let directory = match shared.is_dir() {
            true => tempfile::tempdir_in(shared).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let mut etcd = Self {
            directory,
            ports: (0, 0),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
        };
        for _ in 0..5 {
            etcd.ports = (free_port(), free_port());
            if etcd.try_run().await {
                return etcd;
            }
        }
        panic!("etcd does not start: {}", etcd.log());
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.0)
    }

    pub(super) fn store(&self) -> EtcdStore {
        store_at(&self.endpoint())
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect([self.endpoint()], None).await.unwrap()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Runs it again, on what it has on its disk.
    pub(super) async fn run(&mut self) {
        assert!(self.try_run().await, "etcd does not start again: {}", self.log());
    }

    /// Takes its data away while it does not run.
    pub(super) fn wipe(&self) {
        fs::remove_dir_all(self.data()).unwrap();
    }

    /// Keeps a copy of its data, or brings it back, while it does not run.
    pub(super) fn back_up(&self) {
        copy(&self.data(), &self.directory.path().join("backup"));
    }

    pub(super) fn restore(&self) {
        self.wipe();
        copy(&self.directory.path().join("backup"), &self.data());
    }

    /// Stops it without ending it, or lets it go on.
    pub(super) fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    async fn try_run(&mut self) -> bool {
        let (client, peer) = self.ports;
        let scheme = match self
            .arguments
            .iter()
            .any(|argument| argument.starts_with("--cert-file"))
        {
            true => "https",
            false => "http",
        };
        let client = format!("{scheme}://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let process = Command::new("etcd")
            .arg("--data-dir")
            .arg(self.data())
            .args(["--name", "one", "--initial-cluster", &format!("one={peer}")])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed: apt-get install etcd-server");
        self.process = Some(process);
        let until = Instant::now() + Duration::from_secs(15);
        while Instant::now() < until {
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            if self.log().contains("ready to serve client requests") {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}
