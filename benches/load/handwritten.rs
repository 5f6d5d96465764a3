//! What a team writes instead of configuring an aggregation: a service with axum in front and hyper's pooled client
//! behind, which makes three calls at once, checks that the answers are JSON and joins their bytes.
//!
//! It has a deadline and a limit on what it reads, and passes on the fields that ours passes on; it has no retries,
//! breakers, limits, balancing, health checks or metrics. It runs on one thread and with the same allocator as ours.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::IgnoredAny;

use crate::parts::{NAMES, Size};

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 10 * 1024 * 1024;
const PASSED: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
];

struct Service {
    client: Client<HttpConnector, Empty<Bytes>>,
    backend: Authority,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Serves until killed; `ends` is where to listen and whom to call.
pub(crate) fn run(ends: &[SocketAddr]) -> ExitCode {
    let [listen, backend] = *ends else {
        return ExitCode::FAILURE;
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let served = runtime
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(serve(listen, backend)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the service ended: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: SocketAddr, backend: SocketAddr) -> Result<(), Failure> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(1)));
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector);
    let service = Arc::new(Service {
        client,
        backend: backend.to_string().parse()?,
    });
    let mut router = Router::new();
    for size in Size::ALL {
        let home = move |State(service): State<Arc<Service>>, Path(id): Path<u64>, headers: HeaderMap| async move {
            home(&service, id, size, &headers).await
        };
        router = router.route(&format!("/home{}/{{id}}", size.suffix()), get(home));
    }
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let listener = listener.tap_io(|stream| {
        // Fails only for a connection that is gone.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router.with_state(service)).await?;
    Ok(())
}

async fn home(service: &Service, id: u64, size: Size, headers: &HeaderMap) -> axum::response::Response {
    let [user, orders, offers] = NAMES.map(|name| service.part(id, name, size, headers));
    let all = async { tokio::try_join!(user, orders, offers) };
    match tokio::time::timeout(TIMEOUT, all).await {
        Ok(Ok((user, orders, offers))) => {
            let body = join([user, orders, offers]);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(Err(error)) => {
            eprintln!("a call failed: {error}");
            StatusCode::BAD_GATEWAY.into_response()
        }
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

impl Service {
    async fn part(&self, id: u64, name: &str, size: Size, headers: &HeaderMap) -> Result<Bytes, Failure> {
        let target = format!("/parts/{id}/{name}{}", size.suffix());
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.backend.clone())
            .path_and_query(target)
            .build()?;
        let mut request = Request::get(uri).body(Empty::new())?;
        for name in &PASSED {
            for value in headers.get_all(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        let answer = self.client.request(request).await?;
        if !answer.status().is_success() {
            return Err(format!("{name} answered {}", answer.status()).into());
        }
        let body = Limited::new(answer.into_body(), MOST_BYTES)
            .collect()
            .await?
            .to_bytes();
        serde_json::from_slice::<IgnoredAny>(&body)?;
        Ok(body)
    }
}

fn join(parts: [Bytes; NAMES.len()]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len() + 16).sum();
    let mut body = Vec::with_capacity(length);
    for (name, part) in NAMES.iter().zip(&parts) {
        body.extend_from_slice(if body.is_empty() { b"{\"" } else { b",\"" });
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\":");
        body.extend_from_slice(part);
    }
    body.push(b'}');
    body
}
