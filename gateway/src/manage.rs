//! What this proxy tells of itself: `/metrics`, `/livez`, `/readyz`, `/status`.

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use pingora_core::{apps::http_app::ServeHttp, protocols::http::ServerSession};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    live::Live,
    metrics::{Metrics, family},
};

/// The manage listener's application.
pub(crate) struct ManageApp {
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    /// What `/metrics` and `/status` ask for, if anything.
    pub(crate) token: Option<String>,
    pub(crate) listeners: Vec<SocketAddr>,
    pub(crate) started: Instant,
    /// Every listener was seen to accept once.
    pub(crate) listening: AtomicBool,
}

#[async_trait]
impl ServeHttp for ManageApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        if head.method != Method::GET && head.method != Method::HEAD {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            let allowed = http::HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allowed);
            return refused;
        }
        let path = head.uri.path();
        if matches!(path, "/metrics" | "/status") && !self.may(head.headers.get(header::AUTHORIZATION)) {
            let mut refused = plain(StatusCode::UNAUTHORIZED, "a token is needed\n");
            refused
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            return refused;
        }
        match path {
            "/livez" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready().await,
            "/metrics" => self.metrics(),
            "/status" => self.status(),
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are: /metrics /livez /readyz /status\n",
            ),
        }
    }
}

impl ManageApp {
    fn may(&self, authorization: Option<&http::HeaderValue>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = authorization
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        // As long as the token whatever was given, so that the time taken tells nothing of it.
        let differing = token.bytes().enumerate().fold(0, |differing, (at, byte)| {
            differing | (byte ^ given.get(at).copied().unwrap_or(!byte))
        });
        differing == 0 && given.len() == token.len()
    }

    /// Ready: every listener accepts and a revision is applied.
    async fn ready(&self) -> Response<Vec<u8>> {
        if self.live.snapshot().is_none() {
            let why = self.live.configuration().store_error.unwrap_or_default();
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("no configuration yet {why}\n"),
            );
        }
        if !self.listening.load(Relaxed) {
            for listener in &self.listeners {
                let reachable = timeout(
                    Duration::from_millis(500),
                    TcpStream::connect(reachable(*listener)),
                )
                .await;
                if !matches!(reachable, Ok(Ok(_))) {
                    return plain(
                        StatusCode::SERVICE_UNAVAILABLE,
                        &format!("{listener} does not accept yet\n"),
                    );
                }
            }
            self.listening.store(true, Relaxed);
        }
        plain(StatusCode::OK, "ready\n")
    }

    fn metrics(&self) -> Response<Vec<u8>> {
        let mut out = String::with_capacity(16 * 1024);
        let configuration = self.live.configuration();
        let gauges = [
            ("gateway_uptime_seconds", self.started.elapsed().as_secs()),
            ("gateway_config_revision", configuration.revision.unwrap_or(0)),
            (
                "gateway_config_quarantined_objects",
                configuration.quarantined.len() as u64,
            ),
            (
                "gateway_config_store_ok",
                u64::from(configuration.store_error.is_none()),
            ),
        ];
        for (name, value) in gauges {
            let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
        }
        self.metrics.write(&mut out);
        self.write_servers(&mut out);
        let mut response = plain(StatusCode::OK, &out);
        let version = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, version);
        response
    }

    fn write_servers(&self, out: &mut String) {
        let servers = self.live.servers();
        family(
            out,
            "gateway_server_requests_total",
            "Requests sent to servers, by result.",
        );
        for server in &servers {
            let results = [
                ("success", server.successes),
                ("failure", server.failures),
                ("cancelled", server.cancelled),
            ];
            for (result, count) in results {
                let _ = writeln!(
                    out,
                    "gateway_server_requests_total{{server=\"{}\",result=\"{result}\"}} {count}",
                    server.id
                );
            }
        }
        let _ = writeln!(out, "# TYPE gateway_server_requests_in_flight gauge");
        for server in &servers {
            let _ = writeln!(
                out,
                "gateway_server_requests_in_flight{{server=\"{}\"}} {}",
                server.id, server.in_flight
            );
        }
        let _ = writeln!(out, "# TYPE gateway_server_usable gauge");
        for server in &servers {
            let _ = writeln!(
                out,
                "gateway_server_usable{{server=\"{}\"}} {}",
                server.id,
                u64::from(server.usable)
            );
        }
    }

    fn status(&self) -> Response<Vec<u8>> {
        let status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "in_flight": self.metrics.in_flight(),
            "configuration": self.live.configuration(),
            "servers": self.live.servers(),
        });
        let mut response = plain(StatusCode::OK, &format!("{status:#}\n"));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        response
    }
}

/// A listener on every address is reached on loopback.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener {
        SocketAddr::V4(address) if address.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, listener.port())
}

fn plain(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(text.as_bytes().to_vec());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(text.len()));
    headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}
