//! The proxies: how each is configured and started. All do what a gateway must: keep connections to the backend,
//! pass on who asked (`X-Forwarded-*`), give every request an id; none writes an access log.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;
use crate::arguments::Arguments;
use crate::backend::Addresses;
use crate::client::Connection;
use crate::process::Pinned;
use crate::scenario::{ROUTES, Scenario};

/// Whom the load is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Target {
    /// This gateway with one route
    Ours,
    /// This gateway with 10,000 routes, each with a condition and a split over two clusters
    Ours10k,
    /// This gateway with one route, and every limit and breaker there is, none of which refuses anything
    Guarded,
    /// Another build of this gateway with one route: `--other`
    Other,
    /// A bare Pingora proxy of a few lines
    Bare,
    /// nginx, one worker
    Nginx,
    /// HAProxy, one thread
    Haproxy,
}

impl Target {
    /// Those that are measured unless told otherwise.
    pub(crate) const USUAL: [Self; 6] = [
        Self::Ours,
        Self::Ours10k,
        Self::Guarded,
        Self::Bare,
        Self::Nginx,
        Self::Haproxy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Ours10k => "ours-10k",
            Self::Guarded => "guarded",
            Self::Other => "other",
            Self::Bare => "bare",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Fails with what to install if this machine lacks the program.
    pub(crate) fn require(self) -> Result<()> {
        match self {
            Self::Nginx | Self::Haproxy if self.program().is_none() => Err(format!(
                "{0} is not installed: `apt-get install {0}`, or leave it out with --target",
                self.name()
            )),
            _ => Ok(()),
        }
    }

    /// Debian keeps servers in `/usr/sbin`, which is not on everyone's path.
    fn program(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        places
            .map(|place| place.join(self.name()))
            .find(|file| file.is_file())
    }
}

/// A proxy that answers.
pub(crate) struct Running {
    process: Pinned,
    address: SocketAddr,
    /// Its configuration; removed with it.
    _directory: TempDir,
}

impl Running {
    /// Starts a target on this core and waits until a request comes through.
    pub(crate) async fn start(
        target: Target,
        core: usize,
        backend: &Addresses,
        arguments: &Arguments,
    ) -> Result<Self> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let address = free_address()?;
        let command = prepare(target, directory.path(), address, backend, arguments)
            .map_err(|error| format!("cannot write the configuration of {}: {error}", target.name()))??;
        let says = directory.path().join("says");
        let process = Pinned::start(&command, core, &says)?;
        let mut running = Self {
            process,
            address,
            _directory: directory,
        };
        let start = Instant::now();
        let request = Scenario::Small.request(0);
        loop {
            let answered = match Connection::open(address).await {
                Ok(mut connection) => connection.ask(&request, Scenario::Small.answer_length()).await,
                Err(error) => Err(error),
            };
            let Err(error) = answered else { return Ok(running) };
            if running.process.ended() || start.elapsed() > Duration::from_secs(20) {
                let said = fs::read_to_string(&says).unwrap_or_default();
                return Err(format!(
                    "{} does not answer ({error}); it said:\n{said}",
                    target.name()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }

    pub(crate) fn resident_kib(&self) -> Result<u64> {
        self.process.resident_kib()
    }
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

/// Writes the configuration and says what to run.
fn prepare(
    target: Target,
    directory: &Path,
    listen: SocketAddr,
    backend: &Addresses,
    arguments: &Arguments,
) -> std::io::Result<Result<Vec<String>>> {
    let file = directory.join("configuration");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Ok(Ok(match target {
        Target::Ours | Target::Ours10k | Target::Guarded | Target::Other => {
            let manage = match free_address() {
                Ok(manage) => manage,
                Err(message) => return Ok(Err(message)),
            };
            let objects = directory.join("meta.yaml");
            fs::write(
                &objects,
                match target {
                    Target::Ours10k => many_routes(backend),
                    Target::Guarded => guarded_route(backend),
                    _ => one_route(backend),
                },
            )?;
            fs::write(
                &file,
                format!(
                    "threads: 1\nlisteners: [ {{ address: \"{listen}\" }} ]\nstore: {{ file: \"{}\" }}\n\
                     manage: {{ address: \"{manage}\" }}\n{}",
                    objects.display(),
                    if target == Target::Guarded {
                        "limit: { requests_per_second: 10000000, max_in_flight: 1000000 }\n"
                    } else {
                        ""
                    }
                ),
            )?;
            let program = match (target, &arguments.other) {
                (Target::Other, Some(other)) => other,
                (Target::Other, None) => return Ok(Err("which other one? say --other FILE".to_owned())),
                _ => &arguments.gateway,
            };
            words(&[&text(program), "-c", &text(&file)])
        }
        Target::Bare => {
            let this = std::env::current_exe()?;
            words(&[
                &text(&this),
                "--bare",
                &listen.to_string(),
                &backend.first.to_string(),
            ])
        }
        Target::Nginx => {
            fs::write(&file, nginx(directory, listen, backend))?;
            let program = target.program().unwrap_or_default();
            words(&[&text(&program), "-p", &text(directory), "-c", &text(&file)])
        }
        Target::Haproxy => {
            fs::write(&file, haproxy(listen, backend))?;
            let program = target.program().unwrap_or_default();
            words(&[&text(&program), "-db", "-f", &text(&file)])
        }
    }))
}

/// Everything a production cluster has: check, timeouts, retries.
fn clusters(backend: &Addresses) -> String {
    let mut yaml = "servers:\n".to_owned();
    for (name, address) in [("first", backend.first), ("second", backend.second)] {
        let _ = writeln!(
            yaml,
            "- {{ id: {name}, address: \"{address}\", health_check: {{ path: /health, interval: 5s, timeout: 1s }} }}"
        );
    }
    yaml.push_str("clusters:\n");
    for name in ["first", "second"] {
        let _ = writeln!(
            yaml,
            "- id: {name}\n  servers: [{name}]\n  timeout: {{ connect: 1s, first_byte: 10s, idle: 60s, total: 30s }}\n  \
             retry: {{ attempts: 2, on: [connect, timeout, 502, 503, 504], budget_percent: 20 }}"
        );
    }
    yaml
}

fn one_route(backend: &Addresses) -> String {
    let routes = "routes:\n- { id: all, match: { path: \"/*\" }, to: [ { cluster: first } ] }\n";
    clusters(backend) + routes
}

/// Everything that can refuse stands in the way, and none of it does.
fn guarded_route(backend: &Addresses) -> String {
    let limit = "{ requests_per_second: 1000000, burst: 1000000, max_in_flight: 100000 }";
    let breaker = "{ consecutive_failures: 5, failure_percent: 50, slow_call: 2s }";
    let yaml = clusters(backend)
        .replace(
            "- { id: first, ",
            &format!("- {{ id: first, limit: {limit}, breaker: {breaker}, "),
        )
        .replace("- id: first\n", &format!("- id: first\n  limit: {limit}\n"));
    let keyed = limit.replace("{ ", "{ key: client_ip, ");
    format!(
        "{yaml}routes:\n- {{ id: all, match: {{ path: \"/*\" }}, to: [ {{ cluster: first }} ], limit: {keyed}, breaker: {breaker} }}\n"
    )
}

fn many_routes(backend: &Addresses) -> String {
    let mut yaml = clusters(backend) + "routes:\n";
    for number in 0..ROUTES {
        let _ = writeln!(
            yaml,
            "- id: service-{number}\n  match:\n    path: /service-{number}/*\n    \
             when: header.x-version >= 2 && cookie.group == \"b\" || query.beta ~ \"^1$\"\n  \
             to: [ {{ cluster: first, weight: 90 }}, {{ cluster: second, weight: 10 }} ]"
        );
    }
    yaml
}

fn nginx(directory: &Path, listen: SocketAddr, backend: &Addresses) -> String {
    let directory = directory.display();
    let first = backend.first;
    format!(
        "worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log crit;
events {{ worker_connections 19000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream backend {{
        server {first};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen} backlog=4096;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0;
            proxy_connect_timeout 1s;
            proxy_read_timeout 10s;
            proxy_next_upstream error timeout http_502 http_503 http_504;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id;
            add_header X-Request-Id $request_id;
        }}
    }}
}}
"
    )
}

fn haproxy(listen: SocketAddr, backend: &Addresses) -> String {
    let first = backend.first;
    format!(
        "global
    nbthread 1
    maxconn 10500
    no strict-limits
defaults
    mode http
    option http-keep-alive
    option forwardfor
    timeout connect 1s
    timeout client 75s
    timeout http-request 10s
    timeout http-keep-alive 75s
    timeout server 10s
    retries 2
    retry-on conn-failure empty-response response-timeout 502 503 504
frontend front
    bind {listen} backlog 4096
    http-request set-var(txn.id) uuid()
    http-request set-header X-Request-Id %[var(txn.id)]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-response set-header X-Request-Id %[var(txn.id)]
    default_backend back
backend back
    http-reuse always
    server first {first} check inter 5s
"
    )
}
