//! Copies of requests for another cluster. A copy never delays or fails the client's answer: it runs beside it, is dropped where too
//! many are on their way, and its answer is read and discarded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    attempts::{CopiedBody, Deadline},
    detached::Detached,
    metrics::Metrics,
};

/// Copies that may be on their way at a time, over all routes.
const MOST_IN_FLIGHT: usize = 1000;

/// The copies of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Mirrors {
    in_flight: AtomicUsize,
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
    pub(crate) fn send(self: &Arc<Self>, copy: Detached, body: Option<CopiedBody>, metrics: &Arc<Metrics>) {
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
            match run(&copy, body).await {
                Ok(()) => metrics.mirror_sent(),
                Err(()) => metrics.mirror_failed(),
            }
        });
    }
}

async fn run(copy: &Detached, body: CopiedBody) -> Result<(), ()> {
    let timeouts = &copy.upstream.timeouts;
    let longest = timeouts
        .total
        .map_or(timeouts.first_byte.get() + timeouts.idle.get(), |total| {
            total.get()
        });
    let deadline = Deadline::after(Instant::now(), Some(longest));
    let mut answered = copy.send(body, deadline).await.map_err(|_| ())?;
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
