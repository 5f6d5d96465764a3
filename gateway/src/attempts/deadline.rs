//! The end of all attempts together, and waits that respect it.

use std::time::{Duration, Instant};

use pingora_timeout::fast_timeout::fast_timeout;

/// A point in time after which a request is given up; or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

/// A wait took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLate;

impl Deadline {
    /// `total` after `started`; never without it.
    pub(crate) fn after(started: Instant, total: Option<Duration>) -> Self {
        Self(total.map(|total| started + total))
    }

    /// The sooner one of this and `longest` after `now`.
    pub(crate) fn within(self, now: Instant, longest: Option<Duration>) -> Self {
        let Some(longest) = longest else { return self };
        let end = now + longest;
        Self(Some(self.0.map_or(end, |other| other.min(end))))
    }

    /// Whether it has passed.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// How long it still is; `None` if it never comes.
    pub(crate) fn left(self) -> Option<Duration> {
        let end = self.0?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Waits for `what` for at most `longest` and not beyond the deadline. Late by up to 10 ms, never early.
    pub(crate) async fn wait<F: Future>(self, longest: Duration, what: F) -> Result<F::Output, TooLate> {
        let longest = match self.0 {
            None => longest,
            Some(end) => longest.min(end.saturating_duration_since(Instant::now())),
        };
        if longest.is_zero() {
            return Err(TooLate);
        }
        fast_timeout(longest, what).await.map_err(|_| TooLate)
    }
}
