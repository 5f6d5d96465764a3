//! Waiting for what can be observed.

use std::time::{Duration, Instant};

/// Polls until the condition holds. Panics with `what` if it does not within the deadline.
pub(crate) async fn eventually<F>(what: &str, deadline: Duration, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
