//! What this proxy tells of itself: `/metrics`, `/livez`, `/readyz`, `/status`, statistics by the second; and what it can be told:
//! to hold a breaker.

mod configuration;
mod exposition;
mod order;

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
use http::{Response, StatusCode, header};
use meta::model::Kind;
use pingora_core::{apps::http_app::ServeHttp, protocols::http::ServerSession};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    admission::ProxyGuard,
    aggregate::Room,
    clock::Moment,
    live::Live,
    metrics::Metrics,
    share::Answers,
    statistics::{Buckets, Statistics},
};

/// The manage listener's application.
pub(crate) struct ManageApp {
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    /// The limit of the whole proxy, if there is one.
    pub(crate) guard: Option<Arc<ProxyGuard>>,
    /// What all aggregations together hold.
    pub(crate) room: Arc<Room>,
    /// What all caches together hold.
    pub(crate) answers: Arc<Answers>,
    /// What everything but `/livez` and `/readyz` asks for, if anything.
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
        let path = head.uri.path();
        let allowed = if path.ends_with("/breaker") {
            "POST"
        } else {
            "GET, HEAD"
        };
        if !allowed.split(", ").any(|method| head.method == method) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed}\n"));
            let allowed = http::HeaderValue::from_static(allowed);
            refused.headers_mut().insert(header::ALLOW, allowed);
            return refused;
        }
        let is_open = matches!(path, "/livez" | "/readyz");
        if !is_open && !self.may(head.headers.get(header::AUTHORIZATION)) {
            let mut refused = plain(StatusCode::UNAUTHORIZED, "a token is needed\n");
            refused
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            return refused;
        }
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        match steps.as_slice() {
            ["livez"] => plain(StatusCode::OK, "ok\n"),
            ["readyz"] => self.ready().await,
            ["metrics"] => self.metrics(),
            ["status"] => self.status(),
            ["stats"] => self.stats(&self.metrics.statistics, head.uri.query()),
            ["servers", id, "stats"] => match self.live.server(id) {
                Some(server) => self.stats(server.guard().statistics(), head.uri.query()),
                None => unknown("server"),
            },
            [kind @ ("servers" | "routes" | "aggregations"), id, "breaker"] => {
                let of = Kind::from_plural(kind).unwrap_or(Kind::Server);
                let id = id.to_string();
                self.force(of, &id, session).await
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are: /metrics /livez /readyz /status /stats /servers/ID/stats /servers/ID/breaker /routes/ID/breaker /aggregations/ID/breaker\n",
            ),
        }
    }
}

/// How far back statistics reach when the request does not say.
const USUAL_SECONDS: u32 = 300;

/// How far back they can reach.
const MOST_SECONDS: u32 = 900;

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

    /// Holds a breaker in a state, or lets go of it.
    async fn force(&self, of: Kind, id: &str, session: &mut ServerSession) -> Response<Vec<u8>> {
        let forced = match order::read(session).await {
            Ok(forced) => forced,
            Err((status, why)) => return plain(status, why),
        };
        let status = match of {
            Kind::Server => self.live.server(id).map(|server| {
                server.guard().force(&server, forced);
                server.guard().breaker()
            }),
            kind => self.live.guard(kind, id).and_then(|guard| {
                guard.force(forced);
                guard.breaker_status(Moment::now())
            }),
        };
        match (status, of) {
            (Some(status), _) => as_json(&json!(status)),
            (None, Kind::Server) => unknown("server"),
            (None, kind) => unknown(&format!("{} with a breaker", kind.singular())),
        }
    }

    /// The last seconds of one set of statistics.
    fn stats(&self, statistics: &Statistics, query: Option<&str>) -> Response<Vec<u8>> {
        let asked = query
            .unwrap_or_default()
            .split('&')
            .find_map(|part| part.strip_prefix("seconds="));
        let seconds = asked.map_or(Ok(USUAL_SECONDS), str::parse);
        match seconds {
            Ok(seconds @ 1..=MOST_SECONDS) => {
                let now = Moment::now();
                let buckets = match query.is_some_and(|query| query.contains("histogram=true")) {
                    true => Buckets::With,
                    false => Buckets::Without,
                };
                let report = statistics.report(now.second(), seconds, buckets);
                as_json(&json!({ "now_unix_ms": now.unix_ms(), "statistics": report }))
            }
            _ => plain(
                StatusCode::BAD_REQUEST,
                "seconds is a whole number from 1 to 900\n",
            ),
        }
    }

    fn metrics(&self) -> Response<Vec<u8>> {
        let mut out = String::with_capacity(16 * 1024);
        let uptime = self.started.elapsed().as_secs();
        let _ = writeln!(
            out,
            "# TYPE gateway_uptime_seconds gauge\ngateway_uptime_seconds {uptime}"
        );
        configuration::write(&mut out, &self.live);
        self.metrics.write(&mut out);
        exposition::write(&mut out, &self.live);
        exposition::write_aggregations(&mut out, &self.live, &self.room);
        exposition::write_cache(&mut out, &self.answers);
        let mut response = plain(StatusCode::OK, &out);
        let version = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, version);
        response
    }

    fn status(&self) -> Response<Vec<u8>> {
        let now = Moment::now();
        let status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "in_flight": self.metrics.in_flight(),
            "configuration": self.live.configuration(),
            "transient": configuration::transient(&self.live),
            "store": self.live.store(),
            "limit": self.guard.as_ref().map(|guard| guard.status(now)),
            "servers": self.live.servers(),
            "clusters": self.live.clusters(now),
            "routes": self.live.routes(Kind::Route, now),
            "aggregations": self.live.routes(Kind::Aggregation, now),
        });
        as_json(&status)
    }
}

fn as_json(value: &serde_json::Value) -> Response<Vec<u8>> {
    let mut response = plain(StatusCode::OK, &format!("{value:#}\n"));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

fn unknown(what: &str) -> Response<Vec<u8>> {
    plain(StatusCode::NOT_FOUND, &format!("there is no {what} of this id\n"))
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
