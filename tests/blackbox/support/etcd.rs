//! A real `etcd`, in a directory of its own and on ports nobody else uses, that can be killed, stopped, emptied and
//! run again, alone or as one of three.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Keys, Port, eventually, processor_time};

/// Generous: three members on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Alone it has nobody to wait for: it elects itself at once.
const QUICK_ELECTION: [&str; 4] = ["--heartbeat-interval", "20", "--election-timeout", "200"];

/// A member of an etcd; dropping it kills it and takes its data away.
pub(crate) struct Etcd {
    directory: TempDir,
    client: Port,
    peer: Port,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Etcd {
    /// Starts one and waits until it takes requests.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments of `etcd`.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let mut etcd = Self::prepare();
        let itself = format!("{}={}", etcd.name(), etcd.peer_url());
        etcd.arguments = ["--initial-cluster", &itself]
            .iter()
            .chain(&QUICK_ELECTION)
            .chain(arguments)
            .map(|&argument| argument.to_owned())
            .collect();
        etcd.run().await;
        etcd
    }

    /// Starts three that are one etcd, and waits until each takes requests. Their elections take as long as they do by
    /// etcd's own settings.
    pub(crate) async fn cluster() -> Vec<Self> {
        let mut members: Vec<Self> = (0..3).map(|_| Self::prepare()).collect();
        let all: Vec<String> = members
            .iter()
            .map(|member| format!("{}={}", member.name(), member.peer_url()))
            .collect();
        for member in &mut members {
            member.arguments = vec!["--initial-cluster".to_owned(), all.join(",")];
            member.launch();
        }
        for member in &mut members {
            member.until_ready().await;
        }
        members
    }

    fn prepare() -> Self {
        // In memory, if there is such a directory: what is tested is not the disk.
        let shared = Path::new("/dev/shm");
        let directory = match shared.is_dir() {
            true => tempfile::tempdir_in(shared),
            false => tempfile::tempdir(),
        };
        Self {
            directory: directory.expect("a temporary directory"),
            client: Port::reserve(),
            peer: Port::reserve(),
            arguments: Vec::new(),
            process: None,
        }
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.client.address()
    }

    /// The same as a gateway's `endpoints` name it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A client of the keys under `/gateway/`, straight to this member.
    pub(crate) async fn keys(&self) -> Keys {
        Keys::at(&[self.endpoint()]).await
    }

    /// The process id; panics while it does not run.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running etcd").id()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only if it has ended already.
            process.kill().ok();
            process.wait().ok();
        }
    }

    /// Runs it, on what it has on its disk, and waits until it takes requests.
    pub(crate) async fn run(&mut self) {
        self.launch();
        self.until_ready().await;
    }

    /// Runs it without waiting: a member alone is not ready before it has found another.
    pub(crate) fn launch(&mut self) {
        let log = File::create(self.log_file()).expect("a log file");
        let (client, peer) = (self.endpoint(), self.peer_url());
        let process = Command::new("etcd")
            .args(["--name", &self.name(), "--data-dir"])
            .arg(self.data())
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
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed: apt-get install etcd-server");
        self.process = Some(process);
    }

    /// Waits until it takes requests; panics with its log if it does not get there.
    pub(crate) async fn until_ready(&mut self) {
        let start = Instant::now();
        while !self.log().contains("ready to serve client requests") {
            let process = self.process.as_mut().expect("a launched etcd");
            let ended = process.try_wait().expect("waiting for etcd").is_some();
            assert!(!ended && start.elapsed() < PATIENCE, "etcd: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes its data away while it does not run.
    pub(crate) fn wipe(&self) {
        fs::remove_dir_all(self.data()).expect("removing its data");
    }

    /// Stops it as SIGSTOP does: its connections stay open and nothing comes.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// What it has used of the processor so far.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.pid())
    }

    /// What it wrote to standard error since it was last run.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn name(&self) -> String {
        format!("member-{}", self.peer.number())
    }

    fn peer_url(&self) -> String {
        format!("http://{}", self.peer.address())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success(), "cannot signal {pid}");
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- what etcd wrote to standard error\n{}---", self.log());
        }
    }
}

/// Which of these leads the others; waits until one does.
pub(crate) async fn leader(members: &[Etcd]) -> usize {
    let found = std::cell::Cell::new(None);
    eventually("etcd has a leader", PATIENCE, || async {
        for (index, member) in members.iter().enumerate() {
            if member.process.is_some() && member.keys().await.leads().await {
                found.set(Some(index));
            }
        }
        found.get().is_some()
    })
    .await;
    found.get().expect("the loop above ends with one")
}
