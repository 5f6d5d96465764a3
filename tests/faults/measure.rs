//! What a part of a scenario was like for the requests, and what it took of the machine.

use std::fmt;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::support::{Gateway, Histogram};

/// A part of a scenario, by the proxy that fared worse.
pub(crate) struct Part {
    latencies: Histogram,
    /// Of one processor.
    processor_percent: f64,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (latencies, percent) = (&self.latencies, self.processor_percent);
        write!(formatter, "{latencies:?} at {percent:.0} % of a processor")
    }
}

/// Measures while this lasts, and gives what comes of it too.
pub(crate) async fn measure<T>(lab: &Lab, during: impl Future<Output = T>) -> (Part, T) {
    let used = || -> Vec<Duration> { lab.proxies.iter().map(Gateway::processor_time).collect() };
    lab.lap();
    let (start, before) = (Instant::now(), used());
    let outcome = during.await;
    let percent = |time: Duration| time.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let shares = used().into_iter().zip(before);
    let p99_ms = |lap: &Histogram| lap.quantile_ms(0.99);
    let slowest = lab
        .lap()
        .into_iter()
        .max_by(|one, other| p99_ms(one).total_cmp(&p99_ms(other)));
    let part = Part {
        latencies: slowest.unwrap_or_default(),
        processor_percent: shares
            .map(|(after, before)| percent(after - before))
            .fold(0.0, f64::max),
    };
    (part, outcome)
}
