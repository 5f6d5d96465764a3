//! A client's connection: one HTTP/1 request after the other until one of the two sides has enough.
//!
//! It does what the engine's own loop does (`HttpServerApp` for `HttpProxy`), with one difference that is measured: the engine makes a
//! future of some 50 KB for every request, which is moved into its box and evicts the processor's first-level cache, twice a request.
//! Here the one future of the connection serves all its requests, and an idle connection does not hold that much either.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Method;
use pingora::ErrorType;
use pingora_core::{
    apps::{HttpPersistentSettings, ReusedHttpStream, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::{ProxyHttp, Session};
use tokio::{select, time::sleep};

/// How long a client may leave its connection idle between two requests, in seconds.
const KEPT_SECONDS: u64 = 60;

/// How long a connection without a request is left open once the process is to end. A client may have sent a request already, or be
/// about to on a connection it was promised would be kept: closed at once, such a request would be lost. One that comes is answered,
/// with `Connection: close`; one whose head is not whole by then is lost with its connection.
const LINGER: Duration = Duration::from_secs(1);

/// Serves the connections of clients with a proxy's `request_filter`, which answers every request itself.
pub(crate) struct Connections<P> {
    pub(crate) proxy: Arc<P>,
    pub(crate) open: Arc<Open>,
}

impl<P> Clone for Connections<P> {
    fn clone(&self) -> Self {
        Self {
            proxy: self.proxy.clone(),
            open: self.open.clone(),
        }
    }
}

/// How many connections of clients are open.
#[derive(Debug, Default)]
pub(crate) struct Open(AtomicUsize);

impl Open {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    fn enter(&self) -> Entry<'_> {
        self.0.fetch_add(1, Relaxed);
        Entry(self)
    }
}

/// An open connection.
struct Entry<'o>(&'o Open);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[async_trait]
impl<P> ServerApp for Connections<P>
where
    P: ProxyHttp<CTX = ()> + Send + Sync + 'static,
{
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = self.open.enter();
        let mut ending = shutdown.clone();
        let mut left = pin!(async move {
            // An error says that nobody is left who could end the process otherwise.
            let _ = ending.wait_for(|ending| *ending).await;
            sleep(LINGER).await;
        });
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
                () = &mut left => false,
            };
            if !is_there {
                return None;
            }
            if *shutdown.borrow() {
                session.set_keepalive(None);
            }
            match self.proxy.request_filter(&mut session, &mut ()).await {
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
