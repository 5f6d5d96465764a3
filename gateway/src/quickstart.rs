//! `gateway --quickstart`: a gateway with three demo services, to try things out on one machine.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use crate::{
    Builder,
    builder::{EXIT_CONFIG, Start},
    startup::Settings,
};

const STARTUP: &str = include_str!("../../conf/quickstart/gateway.yaml");
const OBJECTS: &str = include_str!("../../conf/quickstart/meta.yaml");
const OBJECTS_FILE: &str = "data/meta.yaml";

/// The demo services and where they listen, as the objects say.
const SERVICES: [(&str, &str); 4] = [
    ("users", "127.0.0.1:9001"),
    ("users", "127.0.0.1:9011"),
    ("orders", "127.0.0.1:9002"),
    ("logistics", "127.0.0.1:9003"),
];

pub(crate) fn run(builder: Builder) -> ExitCode {
    let settings = match Settings::parse(STARTUP) {
        Ok(settings) => settings,
        Err(problems) => {
            problems
                .iter()
                .for_each(|problem| eprintln!("quick start: {problem}"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    // They end when the pipes to them do, which is at the latest when this process ends, however it does.
    let services = match place_objects().and_then(|()| start_services()) {
        Ok(services) => services,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let listener = settings
        .startup
        .listeners
        .first()
        .map(|listener| listener.address);
    let manage = settings.startup.manage.address;
    if let Some(listener) = listener {
        std::thread::spawn(move || tell_when_ready(listener, manage));
    }
    let code = builder.serve(settings, Start::default());
    drop(services);
    code
}

/// A configuration that is there already is kept: somebody may have edited it.
fn place_objects() -> io::Result<()> {
    let file = Path::new(OBJECTS_FILE);
    if file.exists() {
        return Ok(());
    }
    let explained = |error: io::Error| io::Error::new(error.kind(), format!("{OBJECTS_FILE}: {error}"));
    fs::create_dir_all("data")
        .and_then(|()| fs::write(file, OBJECTS))
        .map_err(explained)
}

fn start_services() -> io::Result<Vec<Child>> {
    let program = std::env::current_exe()?.with_file_name("gateway-demo");
    if !program.exists() {
        let missing = format!(
            "{} is missing: build it with cargo build --bins",
            program.display()
        );
        return Err(io::Error::new(io::ErrorKind::NotFound, missing));
    }
    let mut children = Vec::new();
    for (service, address) in SERVICES {
        std::net::TcpListener::bind(address)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
        let child = Command::new(&program)
            .args(["--service", service, "--listen", address, "--exit-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        children.push(child);
    }
    Ok(children)
}

fn tell_when_ready(listener: SocketAddr, manage: SocketAddr) {
    let address = crate::manage::reachable(listener);
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err() {
        if Instant::now() > until {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!(
        "
Gateway is running:
  requests       http://{address}
  this proxy     http://{manage}/status  /metrics
  configuration  {OBJECTS_FILE} (edit it: changes take effect when the file is saved)
Try:
  curl -i http://{address}/api/users/1
  curl -i http://{address}/api/home/1      (three services, one answer)
Ctrl-C ends it and the demo services."
    );
}
