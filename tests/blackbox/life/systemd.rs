//! What a process tells systemd, on a real datagram socket.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use super::{PATIENCE, objects};
use crate::support::{Backend, Port, Running, eventually, signal};

/// What systemd would hear.
struct Listener {
    socket: UnixDatagram,
    heard: std::sync::Mutex<Vec<String>>,
}

impl Listener {
    fn new(socket: UnixDatagram) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            heard: std::sync::Mutex::default(),
        }
    }

    fn at(path: &Path) -> Self {
        Self::new(UnixDatagram::bind(path).unwrap())
    }

    fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap();
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            heard.push(String::from_utf8_lossy(&message[..length]).into_owned());
        }
        heard.clone()
    }

    async fn hears(&self, part: &str) {
        eventually(part, PATIENCE, async || {
            self.heard().iter().any(|message| message.contains(part))
        })
        .await;
    }

    /// The place of the first message with this part.
    fn place(&self, part: &str) -> usize {
        let heard = self.heard();
        let at = heard.iter().position(|message| message.contains(part));
        at.unwrap_or_else(|| panic!("{part} is not in {heard:?}"))
    }
}

struct Files {
    directory: tempfile::TempDir,
    _ports: [Port; 2],
}

impl Files {
    /// The process id of a daemon.
    fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.directory.path().join("gateway.pid")).unwrap();
        text.trim().parse().unwrap()
    }
}

fn files(backend: &Backend) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let ports = [Port::reserve(), Port::reserve()];
    let startup = format!(
        "listeners: [{{ address: \"{}\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"{}\" }}\nupgrade_sock: upgrade.sock\npid_file: gateway.pid\nerror_log: error.log\n",
        ports[0].address(),
        ports[1].address()
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), objects(backend)).unwrap();
    Files {
        directory,
        _ports: ports,
    }
}

#[tokio::test]
async fn it_tells_when_it_is_ready_reloads_serves_a_revision_and_stops() {
    let backend = Backend::text("x").await;
    let files = files(&backend);
    let path = files.directory.path().join("notify");
    let systemd = Listener::at(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let gateway = Running::spawn_with(files.directory.path(), &["-c", "gateway.yaml"], &environment);
    systemd
        .hears(&format!("READY=1\nMAINPID={}", gateway.pid()))
        .await;
    systemd.hears("STATUS=serving revision 1").await;
    std::fs::write(files.directory.path().join("meta.yaml"), "routes: []\n").unwrap();
    systemd.hears("STATUS=serving revision 2").await;
    signal(gateway.pid(), "HUP");
    systemd.hears("RELOADING=1\nMONOTONIC_USEC=").await;
    eventually("ready again", PATIENCE, async || {
        let ready = systemd
            .heard()
            .iter()
            .filter(|message| message.contains("READY=1"))
            .count();
        ready == 2
    })
    .await;
    signal(gateway.pid(), "TERM");
    systemd.hears("STOPPING=1").await;
    assert_eq!(gateway.until_exit().await.code, Some(0));
    // Asked for by nobody.
    assert!(!systemd.heard().iter().any(|message| message.contains("WATCHDOG")));
}

#[tokio::test]
async fn it_is_not_ready_before_a_revision_is_applied() {
    let backend = Backend::text("x").await;
    let files = files(&backend);
    let (path, meta) = (
        files.directory.path().join("notify"),
        files.directory.path().join("meta.yaml"),
    );
    std::fs::write(&meta, "routes: [\n").unwrap();
    let systemd = Listener::at(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let gateway = Running::spawn_with(files.directory.path(), &["-c", "gateway.yaml"], &environment);
    eventually("it has looked", PATIENCE, async || {
        gateway.stderr().contains("this is no YAML")
    })
    .await;
    assert_eq!(systemd.heard(), Vec::<String>::new());
    std::fs::write(&meta, objects(&backend)).unwrap();
    systemd.hears("READY=1").await;
}

#[tokio::test]
async fn the_process_that_took_over_is_the_main_one_before_the_other_lets_go() {
    let backend = Backend::text("x").await;
    let files = files(&backend);
    let path = files.directory.path().join("notify");
    let systemd = Listener::at(&path);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let start = |more: &[&str]| {
        let arguments = [&["-c", "gateway.yaml"], more].concat();
        Running::spawn_with(files.directory.path(), &arguments, &environment)
    };
    let before = start(&[]);
    systemd.hears("READY=1").await;
    // As the unit does: the command returns when the next process waits for the sockets.
    assert_eq!(start(&["-u", "-d"]).until_exit().await.code, Some(0));
    let next: u32 = files.pid();
    let main = format!("READY=1\nMAINPID={next}");
    assert!(!systemd.heard().contains(&main), "it is not, without the sockets");
    signal(before.pid(), "QUIT");
    assert_eq!(before.until_exit().await.code, Some(0));
    systemd.place(&main);
    // It would be taken for the end of the service.
    assert!(!systemd.heard().iter().any(|message| message.contains("STOPPING")));
    signal(next, "TERM");
    systemd.hears("STOPPING=1").await;
}

#[tokio::test]
async fn a_watchdog_hears_that_it_lives_on_an_abstract_socket_too() {
    let backend = Backend::text("x").await;
    let files = files(&backend);
    let name = format!("gateway-test-{}", fastrand::u64(..));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let systemd = Listener::new(UnixDatagram::bind_addr(&address).unwrap());
    let socket = format!("@{name}");
    let environment = [("NOTIFY_SOCKET", socket.as_str()), ("WATCHDOG_USEC", "200000")];
    let _gateway = Running::spawn_with(files.directory.path(), &["-c", "gateway.yaml"], &environment);
    eventually("three beats", Duration::from_secs(30), async || {
        systemd
            .heard()
            .iter()
            .filter(|message| *message == "WATCHDOG=1")
            .count()
            >= 3
    })
    .await;
}
