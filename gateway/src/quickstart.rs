//! `gateway --quickstart`: a gateway with three demo services, to try things out on one machine.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use meta::{
    document::{Document, RawObject},
    store::{EtcdSettings, EtcdStore, Note, Operation, Revision, Store},
};

use crate::{
    Builder,
    builder::{EXIT_CONFIG, Start},
    startup::{Settings, StoreKind, StoreSettings},
};

const ON_FILE: &str = include_str!("../../conf/quickstart/gateway.yaml");
const ON_ETCD: &str = include_str!("../../conf/quickstart/etcd.yaml");
const OBJECTS: &str = include_str!("../../conf/quickstart/meta.yaml");

/// The demo services and where they listen, as the objects say.
const SERVICES: [(&str, &str); 4] = [
    ("users", "127.0.0.1:9001"),
    ("users", "127.0.0.1:9011"),
    ("orders", "127.0.0.1:9002"),
    ("logistics", "127.0.0.1:9003"),
];

/// Runs it with its configuration in a file, or in an etcd that runs already.
pub(crate) fn run(builder: Builder, store: StoreKind) -> ExitCode {
    let startup = match store {
        StoreKind::File => ON_FILE,
        StoreKind::Etcd => ON_ETCD,
    };
    let settings = match Settings::parse(startup) {
        Ok(settings) => settings,
        Err(problems) => {
            problems
                .iter()
                .for_each(|problem| eprintln!("quick start: {problem}"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let placed = match &settings.startup.store {
        StoreSettings::File(file) => place_in_file(file),
        StoreSettings::Etcd(etcd) => place_in_etcd(etcd),
    };
    // They end when the pipes to them do, which is at the latest when this process ends, however it does.
    let services = match placed.and_then(|()| start_services()) {
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
    let admin = settings.startup.admin.as_ref().map(|admin| admin.address);
    if let (Some(listener), Some(admin)) = (listener, admin) {
        std::thread::spawn(move || tell_when_ready(listener, manage, admin, store));
    }
    let code = builder.serve(settings, Start::default());
    drop(services);
    code
}

/// A configuration that is there already is kept: somebody may have edited it.
fn place_in_file(file: &Path) -> io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let explained = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(file, OBJECTS))
        .map_err(explained)
}

/// The same in etcd, which may have been started a moment ago.
fn place_in_etcd(etcd: &EtcdSettings) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let store = EtcdStore::new(etcd).map_err(io::Error::other)?;
    runtime.block_on(async {
        let until = Instant::now() + etcd.timeout.get() * 2;
        let state = loop {
            match store.load().await {
                Ok(state) => break state,
                Err(error) if Instant::now() > until => return Err(io::Error::other(error)),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        if state.revision != Revision(0) {
            return Ok(());
        }
        let objects = Document::read(OBJECTS).objects.into_iter();
        let put = |raw: RawObject| Operation::Put {
            kind: raw.kind,
            object: raw.value.unpack(),
        };
        let note = Note {
            author: "quick start".into(),
            message: "the objects of the quick start".into(),
        };
        let committed = store
            .commit(state.revision, objects.map(put).collect(), note)
            .await;
        committed.map(drop).map_err(io::Error::other)
    })
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

fn tell_when_ready(listener: SocketAddr, manage: SocketAddr, admin: SocketAddr, store: StoreKind) {
    let address = crate::manage::reachable(listener);
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err() {
        if Instant::now() > until {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let configuration = match store {
        StoreKind::File => "data/meta.yaml (edit it: changes take effect when the file is saved)",
        StoreKind::Etcd => {
            "etcd (etcdctl get --prefix /gateway/routes/; what is put there takes effect at once)"
        }
    };
    println!(
        "
Gateway is running:
  requests       http://{address}
  this proxy     http://{manage}/status  /metrics
  admin          http://{admin}/api/v1/routes  /openapi.json
  configuration  {configuration}
Try:
  curl -i http://{address}/api/users/1
  curl -i http://{address}/api/home/1      (three services, one answer)
  curl -s http://{admin}/api/v1/routes/hello
Ctrl-C ends it and the demo services."
    );
}
