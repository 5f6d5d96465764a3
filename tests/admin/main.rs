//! The command `gateway-admin`, and the service inside another process.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use admin::{Admin, Signals, serve};
use meta::{filters::FilterKinds, store::MemoryStore};
use tempfile::TempDir;

/// A directory with a start-up file and a configuration.
fn directory(startup: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("admin.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), "{}\n").unwrap();
    directory
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-admin"));
    command
        .current_dir(directory)
        .args(arguments)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn run(startup: &str, arguments: &[&str]) -> Output {
    command(directory(startup).path(), arguments).output().unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What is answered to a request, if anybody listens.
fn ask(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < until, "it does not happen"),
        }
        sleep(Duration::from_millis(10));
    }
}

/// A running admin, that ends with this.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.0.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        eventually(|| self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const GET: &str = "GET /api/v1/servers HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[test]
fn mistakes_end_it_with_a_code_and_a_place() {
    let store = "store: { file: meta.yaml }\n";
    for (startup, place) in [
        ("store: {}\n".to_owned(), "admin.yaml:1:8: "),
        (format!("{store}adress: x\n"), "admin.yaml:2:1: "),
        (format!("{store}address: \"0.0.0.0:9093\"\n"), "admin.yaml:2:10: "),
        ("store: { file: nowhere.yaml }\n".to_owned(), "nowhere.yaml: "),
        ("{".to_owned(), "admin.yaml:2:1: "),
    ] {
        for arguments in [&["-c", "admin.yaml"][..], &["-t", "-c", "admin.yaml"]] {
            let output = run(&startup, arguments);
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(78), "{startup}: {told}");
            assert!(
                told.starts_with(place) && told.lines().count() == 1,
                "{startup}: {told}"
            );
        }
    }
    let missing = run("", &["-c", "no.yaml"]);
    assert_eq!(missing.status.code(), Some(78));
    for usage in [&[][..], &["--nope"], &["-c"]] {
        assert_eq!(run("", usage).status.code(), Some(2), "{usage:?}");
    }
    for fine in [&["-t", "-c", "admin.yaml"][..], &["--help"], &["--version"]] {
        assert_eq!(run(store, fine).status.code(), Some(0), "{fine:?}");
    }
}

#[test]
fn it_serves_until_it_is_told_to_end_and_says_when_it_cannot() {
    let port = free_port();
    let startup = format!("address: \"127.0.0.1:{port}\"\nstore: {{ file: meta.yaml }}\n");
    let directory = directory(&startup);
    let mut running = Running(command(directory.path(), &["-c", "admin.yaml"]).spawn().unwrap());
    let answer = eventually(|| ask(port, GET));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let taken = command(directory.path(), &["-c", "admin.yaml"]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8(taken.stderr).unwrap().contains("cannot listen"));
    // What a file holds after a write is what people would write.
    let body = "{\"id\":\"a\",\"address\":\"127.0.0.1:1\"}";
    let post = format!(
        "POST /api/v1/servers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(port, &post).unwrap().starts_with("HTTP/1.1 201"));
    let text = std::fs::read_to_string(directory.path().join("meta.yaml")).unwrap();
    assert!(text.contains("- id: a\n  address: 127.0.0.1:1\n"), "{text}");
    running.signal("-TERM");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn head_is_get_without_a_body_and_what_is_no_http_is_refused() {
    let port = free_port();
    let startup = format!("address: \"127.0.0.1:{port}\"\nstore: {{ file: meta.yaml }}\n");
    let directory = directory(&startup);
    let _running = Running(command(directory.path(), &["-c", "admin.yaml"]).spawn().unwrap());
    let get = eventually(|| ask(port, GET));
    let head = ask(port, &GET.replace("GET", "HEAD")).unwrap();
    let length = |answer: &str| {
        answer
            .lines()
            .find(|line| line.starts_with("content-length: "))
            .map(str::to_owned)
    };
    assert_eq!(length(&head), length(&get));
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let bad = ask(port, "GET / HTTP/1.1\r\nbad header\r\n\r\n").unwrap();
    assert!(bad.starts_with("HTTP/1.1 400"), "{bad}");
    let large = format!(
        "PUT /api/v1/config HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        40 << 20
    );
    assert!(ask(port, &large).unwrap().starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn another_process_hosts_it_on_its_own_runtime_and_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = Arc::new(MemoryStore::new("{}"));
    let admin = Arc::new(Admin::new(store, FilterKinds::default()));
    let server = serve(admin, listener, Signals::Theirs).unwrap();
    let handle = server.handle();
    let running = tokio::spawn(server);
    let answer = tokio::task::spawn_blocking(move || ask(port, GET)).await.unwrap();
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}
