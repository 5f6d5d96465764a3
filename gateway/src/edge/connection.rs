//! A client's connection: one HTTP/1 request after the other until one of the two sides has enough.
//!
//! It does what the engine's own loop does (`HttpServerApp` for `HttpProxy`), with one difference that is measured: the engine makes a
//! future of some 50 KB for every request, which is moved into its box and evicts the processor's first-level cache, twice a request.
//! Here the one future of the connection serves all its requests, and an idle connection does not hold that much either.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use http::Method;
use pingora::ErrorType;
use pingora_core::{
    apps::{HttpPersistentSettings, ReusedHttpStream, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::{ProxyHttp, Session};
use tokio::select;

/// How long a client may leave its connection idle between two requests, in seconds.
const KEPT_SECONDS: u64 = 60;

/// Serves the connections of clients with a proxy's `request_filter`, which answers every request itself.
pub(crate) struct Connections<P>(pub(crate) P);

#[async_trait]
impl<P> ServerApp for Connections<P>
where
    P: ProxyHttp<CTX = ()> + Send + Sync + 'static,
{
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut leaving = shutdown.clone();
        let mut leaving = pin!(leaving.changed());
        let mut next = Some(ReusedHttpStream::new(stream, None));
        while let Some((stream, settings)) = next.take().map(ReusedHttpStream::consume) {
            let mut session = Session::new_h1(stream);
            match settings {
                Some(settings) => settings.apply_to_session(session.as_downstream_mut()),
                None => session.set_keepalive(Some(KEPT_SECONDS)),
            }
            let is_there = select! {
                // First what has been read: it is not to be dropped for leaving.
                biased;
                is_there = read(session.as_downstream_mut()) => is_there,
                _ = &mut leaving, if !*shutdown.borrow() => false,
            };
            if !is_there {
                return None;
            }
            if *shutdown.borrow() {
                session.set_keepalive(None);
            }
            match self.0.request_filter(&mut session, &mut ()).await {
                Ok(_) => next = finish(session).await,
                Err(error) => session.downstream_session.on_proxy_failure(error),
            }
        }
        None
    }
}

/// Reads the head of a request; `false` if there is none that can be served.
async fn read(session: &mut ServerSession) -> bool {
    match session.read_request().await {
        Ok(true) if session.req_header().method == Method::CONNECT => {
            // What follows it would not be HTTP (RFC 9110 §9.3.6).
            give_up(session, 405).await;
            false
        }
        Ok(is_there) => is_there,
        Err(error) => {
            log::debug!("a client's request: {error}");
            if *error.etype() == ErrorType::InvalidHTTPHeader {
                give_up(session, 400).await;
            } else {
                session.shutdown().await;
            }
            false
        }
    }
}

async fn give_up(session: &mut ServerSession, status: u16) {
    // Whoever does not hear of it is gone.
    let _ = session.respond_error(status).await;
    session.shutdown().await;
}

/// Ends a request. The connection, if it may carry another one.
async fn finish(session: Session) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.downstream_session.finish().await.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}
