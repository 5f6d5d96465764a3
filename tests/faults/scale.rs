//! How long and how much: a moment in every test run, in earnest with `FAULTS=full`, which `make faults` sets.

use std::time::Duration;

/// Whether this is in earnest: release builds on a machine that does nothing else.
pub(crate) fn is_full() -> bool {
    std::env::var("FAULTS").is_ok_and(|size| size == "full")
}

fn either<T>(full: T, brief: T) -> T {
    if is_full() { full } else { brief }
}

/// Requests per second to each of two proxies.
pub(crate) fn rate_per_second() -> u32 {
    either(1000, 150)
}

/// How long a fault lasts that lasts so many seconds in earnest.
pub(crate) fn lasting(seconds: u64) -> Duration {
    either(Duration::from_secs(seconds), Duration::from_millis(1500))
}

/// The same for a silence that the proxies are to notice: they ask after 3 s, and give up [`store_timeout`] later.
pub(crate) fn long_enough_to_notice(seconds: u64) -> Duration {
    either(Duration::from_secs(seconds), Duration::from_secs(4))
}

/// How long a call to etcd may take, by the proxies' settings: 5 s if nothing is said.
pub(crate) fn store_timeout() -> &'static str {
    either("5s", "1s")
}

/// Routes where there are many.
pub(crate) fn routes() -> usize {
    either(5000, 1000)
}

/// Proxies where there are many.
pub(crate) fn proxies() -> usize {
    either(50, 6)
}

/// How often something is done that has a median.
pub(crate) fn samples() -> usize {
    either(60, 15)
}

/// How often two things are measured in turn.
pub(crate) fn pairs() -> usize {
    either(3, 1)
}

/// A bar in milliseconds, ten seconds where figures are only printed.
pub(crate) fn bar_ms(full: u64) -> Duration {
    either(Duration::from_millis(full), Duration::from_secs(10))
}

/// Within what an edit must be served everywhere once a fault is over.
pub(crate) fn promptly() -> Duration {
    either(Duration::from_secs(1), Duration::from_secs(20))
}
