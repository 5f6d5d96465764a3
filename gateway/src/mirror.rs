//! Copies of requests for another cluster. A copy never delays or fails the client's answer: it runs beside it, is dropped where too
//! many are on their way, and its answer is read and discarded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use meta::model::PriorityClass;
use pingora_http::RequestHeader;
use tokio::net::TcpStream;

use crate::{
    attempts::{Call, CopiedBody, Deadline, call},
    edge::{Forwarding, RequestId},
    exchange::Connection,
    metrics::Metrics,
    snapshot::Upstream,
};

/// Copies that may be on their way at a time, over all routes.
const MOST_IN_FLIGHT: usize = 1000;

/// The copies of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Mirrors {
    in_flight: AtomicUsize,
}

/// One copy, with everything it needs to outlive the request.
pub(crate) struct Copy {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) head: RequestHeader,
    pub(crate) target: Vec<u8>,
    pub(crate) id: RequestId,
    pub(crate) peer: std::net::IpAddr,
    pub(crate) peer_is_trusted: bool,
    pub(crate) hash: u64,
}

/// A place among the copies on their way; given back when dropped.
struct Place<'m>(&'m Mirrors);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Mirrors {
    /// Sends a copy on its way, or drops it if the body is not at hand (`None`: longer than can be kept) or too many are on theirs.
    pub(crate) fn send(self: &Arc<Self>, copy: Copy, body: Option<CopiedBody>, metrics: &Arc<Metrics>) {
        let Some(body) = body else {
            return metrics.mirror_dropped();
        };
        if self.in_flight.fetch_add(1, Relaxed) >= MOST_IN_FLIGHT {
            self.in_flight.fetch_sub(1, Relaxed);
            return metrics.mirror_dropped();
        }
        let (mirrors, metrics) = (self.clone(), metrics.clone());
        tokio::spawn(async move {
            let _place = Place(&mirrors);
            match copy.run(body).await {
                Ok(()) => metrics.mirror_sent(),
                Err(()) => metrics.mirror_failed(),
            }
        });
    }
}

impl Copy {
    async fn run(self, mut body: CopiedBody) -> Result<(), ()> {
        let timeouts = &self.upstream.timeouts;
        let longest = timeouts
            .total
            .map_or(timeouts.first_byte.get() + timeouts.idle.get(), |total| {
                total.get()
            });
        let started = Instant::now();
        let deadline = Deadline::after(started, Some(longest));
        let attempt = Call {
            upstream: &self.upstream,
            hash: self.hash,
            retry: None,
            class: PriorityClass::Sheddable,
            started,
            deadline,
        };
        let forwarding = Forwarding {
            head: &self.head,
            id: &self.id,
            peer: self.peer,
            peer_is_trusted: self.peer_is_trusted,
        };
        let start = |_: &CopiedBody, connection: &mut Connection<TcpStream>, framing| {
            connection.start(&self.head.method, &self.target, framing, |to| {
                forwarding.write(to)
            })
        };
        let mut answered = call(&attempt, &mut body, start).await.map_err(|_| ())?;
        while let Ok(Ok(Some(_))) = deadline
            .wait(timeouts.idle.get(), answered.connection.chunk())
            .await
        {}
        if answered.connection.is_complete() {
            answered.finish();
            Ok(())
        } else {
            answered.fail();
            Err(())
        }
    }
}
