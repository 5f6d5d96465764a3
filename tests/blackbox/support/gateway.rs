//! The real `gateway` binary, with its files in a directory of its own and on ports nobody else uses.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Client, Port, Response, eventually, processor_time};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_gateway");
/// Generous: a debug build on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a gateway ended, and everything it said.
#[derive(Debug)]
pub(crate) struct Exited {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running gateway; dropping it kills it.
pub(crate) struct Gateway {
    process: Process,
    directory: TempDir,
    port: Port,
    manage: Port,
    environment: Vec<(String, String)>,
}

impl Gateway {
    /// Starts with these objects (YAML) and waits until it is ready; panics with its output if it does not get there.
    pub(crate) async fn start(objects: &str) -> Self {
        Self::start_with("", objects).await
    }

    /// The same with more top-level lines in the start-up file; a key given there replaces the default one.
    pub(crate) async fn start_with(startup: &str, objects: &str) -> Self {
        match Self::try_start(startup, objects).await {
            Ok(gateway) => gateway,
            Err(exited) => panic!("the gateway did not start: {exited:?}"),
        }
    }

    /// The same for tests that expect it may refuse: `Err` if it exits before it is ready.
    pub(crate) async fn try_start(startup: &str, objects: &str) -> Result<Self, Exited> {
        Self::try_start_within(&[], startup, objects).await
    }

    /// The same with more environment variables.
    pub(crate) async fn try_start_within(
        environment: &[(&str, &str)],
        startup: &str,
        objects: &str,
    ) -> Result<Self, Exited> {
        let mut gateway = Self::spawn_within(environment, startup, objects);
        gateway.until_ready().await?;
        Ok(gateway)
    }

    /// The same for tests that expect it is not ready at once: starts and waits for nothing.
    pub(crate) fn spawn_with(startup: &str, objects: &str) -> Self {
        Self::spawn_within(&[], startup, objects)
    }

    fn spawn_within(environment: &[(&str, &str)], startup: &str, objects: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, manage) = (Port::reserve(), Port::reserve());
        std::fs::write(directory.path().join("meta.yaml"), objects).expect("writing the objects");
        let file = startup_file(directory.path(), &port, &manage, startup);
        std::fs::write(directory.path().join("gateway.yaml"), file).expect("writing the start-up file");
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            process: Process::serve(directory.path(), &environment),
            directory,
            port,
            manage,
            environment,
        }
    }

    /// Runs the binary to its end with these arguments, in this directory.
    pub(crate) async fn run(directory: &Path, arguments: &[&str]) -> Exited {
        Process::spawn(directory, arguments).until_exit().await
    }

    /// Where it proxies.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where it is managed.
    pub(crate) fn manage(&self) -> SocketAddr {
        self.manage.address()
    }

    /// The process id, until it is restarted.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The file of objects.
    pub(crate) fn objects_file(&self) -> PathBuf {
        self.directory.path().join("meta.yaml")
    }

    /// The directory with its files: `gateway.yaml`, `meta.yaml`.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces the file of objects in one step, as an editor does. Whether it is served yet is `status`'s to say.
    pub(crate) fn edit(&self, objects: &str) {
        let draft = self.directory.path().join("meta.yaml.draft");
        std::fs::write(&draft, objects).expect("writing the objects");
        std::fs::rename(&draft, self.objects_file()).expect("replacing the objects");
    }

    /// `GET` on the proxy's own port, on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> Response {
        super::get(self.address(), target).await
    }

    /// A kept-alive connection to the proxy's own port.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// What `/status` says.
    pub(crate) async fn status(&self) -> serde_json::Value {
        super::get(self.manage(), "/status").await.json()
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        super::get(self.manage(), "/metrics").await.text()
    }

    /// The sum of the samples of this metric that carry all these labels; 0 if there is none.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum_of_samples(&self.metrics().await, name, labels)
    }

    /// Resident memory of the process in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its /proc entry");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse()
            .expect("a number of kB")
    }

    /// What it has used of the processor so far, until it is restarted.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.pid())
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr.text()
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.process.stdout.text()
    }

    /// Sends a signal by name: `TERM`, `KILL`, `QUIT`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Asks it to end (SIGTERM) and waits until it did.
    pub(crate) async fn stop(mut self) -> Exited {
        self.signal("TERM");
        self.process.until_exit().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn until_exit(mut self) -> Exited {
        self.process.until_exit().await
    }

    /// Asks it to end (SIGTERM), waits until it did, and starts it again with the same files and ports.
    pub(crate) async fn stop_and_start(&mut self) -> Exited {
        self.signal("TERM");
        let exited = self.process.until_exit().await;
        self.restart().await;
        exited
    }

    /// Starts another process that is to take the sockets over, with the same files.
    pub(crate) fn start_next(&self) -> Running {
        let file = self.directory.path().join("gateway.yaml");
        Running::spawn(self.directory.path(), &["-c", &file.to_string_lossy(), "-u"])
    }

    /// Has another process take the sockets over, as one does by hand: starts it, waits until it says that it is ready, sends SIGQUIT.
    /// Returns the process before, once the other serves.
    pub(crate) async fn upgrade(&mut self) -> Running {
        let next = self.start_next();
        eventually("the next process waits for the sockets", PATIENCE, async || {
            next.stderr().contains("ready to take the sockets over")
        })
        .await;
        self.signal("QUIT");
        let before = Running(std::mem::replace(&mut self.process, next.0));
        eventually("another process serves", PATIENCE, async || {
            before.stderr().contains("another process serves")
        })
        .await;
        before
    }

    /// Kills it and starts it again with the same files, ports and environment.
    pub(crate) async fn restart(&mut self) {
        self.restart_without_waiting();
        if let Err(exited) = self.until_ready().await {
            panic!("the gateway did not start again: {exited:?}");
        }
    }

    /// The same, not waiting until it is ready.
    pub(crate) fn restart_without_waiting(&mut self) {
        self.process.end();
        self.process = Process::serve(self.directory.path(), &self.environment);
    }

    async fn until_ready(&mut self) -> Result<(), Exited> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.status() {
                return Err(self.process.exited(status));
            }
            if let Ok(mut client) = Client::try_connect(self.manage()).await
                && let Ok(response) = client.request("GET", "/readyz", &[], b"").await
                && response.status == 200
            {
                return Ok(());
            }
            assert!(
                start.elapsed() < PATIENCE,
                "not ready within {PATIENCE:?}; it said: {}",
                self.stderr()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends a signal by name.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .expect("kill");
    assert!(sent.success(), "cannot signal {pid}");
}

/// The default lines, each unless `more` has its key, then `more`.
fn startup_file(directory: &Path, port: &Port, manage: &Port, more: &str) -> String {
    let directory = directory.display();
    let defaults = [
        ("threads", "2".to_owned()),
        ("listeners", format!("[{{ address: \"{}\" }}]", port.address())),
        ("store", format!("{{ file: {directory}/meta.yaml }}")),
        ("manage", format!("{{ address: \"{}\" }}", manage.address())),
        ("upgrade_sock", format!("{directory}/upgrade.sock")),
        ("pid_file", format!("{directory}/gateway.pid")),
    ];
    let given = |key: &str| {
        more.lines()
            .any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    };
    let mut file: String = defaults
        .iter()
        .filter(|(key, _)| !given(key))
        .map(|(key, value)| format!("{key}: {value}\n"))
        .collect();
    file.push_str(more);
    file
}

/// Adds up the samples of a text exposition that have this name and all these labels.
pub(crate) fn sum_of_samples(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        let (sample, value) = rest.rsplit_once(' ')?;
        let has = |(label, value): &(&str, &str)| {
            let pair = format!("{label}=\"{value}\"");
            sample.contains(&format!("{{{pair}")) || sample.contains(&format!(",{pair}"))
        };
        labels.iter().all(has).then(|| value.parse::<f64>().ok())?
    };
    text.lines().filter_map(value).sum()
}

/// A `gateway` process with whatever arguments; dropping it kills it.
pub(crate) struct Running(Process);

impl Running {
    /// Starts it in this directory.
    pub(crate) fn spawn(directory: &Path, arguments: &[&str]) -> Self {
        Self::spawn_with(directory, arguments, &[])
    }

    /// The same with more environment variables.
    pub(crate) fn spawn_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(arguments).envs(environment.iter().copied());
        Self(Process::start(directory, command))
    }

    /// Starts another command in this directory, which starts it in turn.
    pub(crate) fn spawn_through(directory: &Path, command: Command) -> Self {
        Self(Process::start(directory, command))
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.0.stderr.text()
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.0.stdout.text()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.child.id()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn until_exit(mut self) -> Exited {
        self.0.until_exit().await
    }
}

/// A child process and the threads that collect what it says.
struct Process {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Process {
    fn spawn(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        Self::start(directory, command)
    }

    /// With the start-up file in this directory.
    fn serve(directory: &Path, environment: &[(String, String)]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("-c").arg(directory.join("gateway.yaml"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::start(directory, command)
    }

    fn start(directory: &Path, mut command: Command) -> Self {
        let mut child = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the gateway");
        let stdout = Collected::from(child.stdout.take().expect("a pipe"));
        let stderr = Collected::from(child.stderr.take().expect("a pipe"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for the gateway")
    }

    async fn until_exit(&mut self) -> Exited {
        let start = Instant::now();
        loop {
            if let Some(status) = self.status() {
                return self.exited(status);
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no exit within {PATIENCE:?}; it said: {}",
                self.stderr.text()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn exited(&mut self, status: ExitStatus) -> Exited {
        Exited {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }

    fn end(&mut self) {
        // Both fail only if it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!(
                "--- what the gateway wrote to standard error\n{}---",
                self.stderr.whole()
            );
        }
    }
}

/// What a pipe has delivered so far.
struct Collected {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&text);
        let read = move || {
            let mut part = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut part) {
                into.lock().unwrap().extend_from_slice(&part[..n]);
            }
        };
        Self {
            text,
            reader: Some(std::thread::spawn(read)),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// Everything, once the writer has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
        self.text()
    }
}
