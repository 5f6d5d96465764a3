//! How each target is configured. All do what a gateway must: keep connections to the backend, pass on who asked
//! (`X-Forwarded-*`), give every request an id; none writes an access log.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::objects;
use crate::parts::{NAMES, Size};
use crate::scenario::Scenario;
use crate::target::Target;
use crate::{Bench, Result};

/// Writes the configuration and says what to run. `manage` is where ours tells of itself.
pub(crate) fn prepare(
    bench: &Bench<'_>,
    target: Target,
    scenario: Scenario,
    directory: &Path,
    listen: SocketAddr,
    manage: SocketAddr,
) -> Result<Vec<String>> {
    let file = directory.join("configuration");
    let write = |name: &str, content: String| {
        fs::write(directory.join(name), content)
            .map_err(|error| format!("cannot write the configuration of {}: {error}", target.name()))
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let this = |role: &str| {
        let this =
            std::env::current_exe().map_err(|error| format!("cannot find this executable: {error}"))?;
        let (listen, backend) = (listen.to_string(), bench.backend.first.to_string());
        Ok(words(&[&text(&this), role, &listen, &backend]))
    };
    match target {
        Target::Ours | Target::OursForward | Target::Ours10k | Target::Guarded | Target::Other => {
            write("meta.yaml", objects::of(target, scenario, &bench.backend))?;
            let limit = match target {
                Target::Guarded => "limit: { requests_per_second: 10000000, max_in_flight: 1000000 }\n",
                _ => "",
            };
            let store = directory.join("meta.yaml");
            write(
                "configuration",
                format!(
                    "threads: 1\nlisteners: [ {{ address: \"{listen}\" }} ]\nstore: {{ file: \"{}\" }}\n\
                     manage: {{ address: \"{manage}\" }}\n{limit}",
                    store.display(),
                ),
            )?;
            let program = match (target, &bench.arguments.other) {
                (Target::Other, Some(other)) => other,
                (Target::Other, None) => return Err("which other one? say --other FILE".to_owned()),
                _ => &bench.arguments.gateway,
            };
            Ok(words(&[&text(program), "-c", &text(&file)]))
        }
        Target::Bare => this("--bare"),
        Target::Handwritten => this("--handwritten"),
        Target::Nginx => {
            if let Some(size) = scenario.parts() {
                write("page.json", page(size))?;
            }
            write(
                "configuration",
                nginx(directory, listen, bench.backend.first, scenario),
            )?;
            let program = target.program().unwrap_or_default();
            Ok(words(&[
                &text(&program),
                "-p",
                &text(directory),
                "-c",
                &text(&file),
            ]))
        }
        Target::Haproxy => {
            write("configuration", haproxy(listen, bench.backend.first))?;
            let program = target.program().unwrap_or_default();
            Ok(words(&[&text(&program), "-db", "-f", &text(&file)]))
        }
    }
}

/// How nginx forwards.
const PROXIED: &str = "proxy_pass http://backend;
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
            proxy_set_header X-Request-Id $request_id;";

/// The page that nginx puts together; its server-side includes are fetched at the same time.
fn page(size: Size) -> String {
    let members = NAMES.map(|name| {
        let path = format!("/parts/$id/{name}{}", size.suffix());
        format!("\"{name}\":<!--# include virtual=\"{path}\" -->")
    });
    format!("{{{}}}", members.join(","))
}

fn nginx(directory: &Path, listen: SocketAddr, first: SocketAddr, scenario: Scenario) -> String {
    let directory = directory.display();
    let home = match scenario.parts() {
        None => String::new(),
        Some(size) => format!(
            "open_file_cache max=16 inactive=1m;
        location ~ ^/home{}/(?<id>[0-9]+)$ {{
            alias {directory}/page.json;
            default_type application/json;
            ssi on;
            ssi_types application/json;
            add_header X-Request-Id $request_id;
        }}
        location ^~ /parts/ {{
            internal;
            {PROXIED}
            proxy_set_header Accept-Encoding \"\";
        }}",
            size.suffix()
        ),
    };
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
        {home}
        location / {{
            {PROXIED}
            add_header X-Request-Id $request_id;
        }}
    }}
}}
"
    )
}

fn haproxy(listen: SocketAddr, first: SocketAddr) -> String {
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
