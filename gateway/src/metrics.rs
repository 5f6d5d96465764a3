//! Counters, and their text for Prometheus. Counting is one relaxed atomic addition; labels are ids and statuses, never paths.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use meta::id::Id;

use serde::Serialize;

use crate::{kept::Kept, refusal::Refusal, statistics::Statistics};

/// Upper bounds of the latency histogram's buckets in microseconds.
const BUCKETS_US: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// Everything a gateway counts, beside what its servers count themselves.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Requests that no route took.
    pub(crate) unrouted: RouteCounters,
    refusals: [AtomicU64; Refusal::ALL.len()],
    mirrors: [AtomicU64; 3],
    in_flight: AtomicU64,
    /// Of the proxy as a whole, as clients see it.
    pub(crate) statistics: Statistics,
    routes: Kept<RouteCounters>,
    aggregations: Kept<RouteCounters>,
    clusters: Kept<ClusterCounters>,
}

/// What is counted of one route.
///
/// In this order an ordinary request touches two cache lines of it.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct RouteCounters {
    /// By hundreds of the status; the first is for requests that got no answer.
    classes: [AtomicU64; 6],
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
}

/// What is counted of one cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterCounters {
    retries: AtomicU64,
}

impl RouteCounters {
    /// Counts a request. `status` 0: it got no answer, or not the whole of it.
    pub(crate) fn count(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100);
        self.classes[if class < self.classes.len() { class } else { 0 }].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BUCKETS_US.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }
}

/// Requests of a route by class of status.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RequestCounts {
    none: u64,
    #[serde(rename = "1xx")]
    interim: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
}

impl RouteCounters {
    pub(crate) fn requests(&self) -> RequestCounts {
        let [none, interim, success, redirection, client_error, server_error] =
            self.classes.each_ref().map(|class| class.load(Relaxed));
        RequestCounts {
            none,
            interim,
            success,
            redirection,
            client_error,
            server_error,
        }
    }
}

impl ClusterCounters {
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }
}

/// A request that is being answered; counted as in flight until dropped.
pub(crate) struct InFlight<'m>(&'m Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self)
    }

    /// Requests that are being answered right now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn count_refusal(&self, refusal: Refusal) {
        self.refusals[refusal as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn mirror_sent(&self) {
        self.mirrors[0].fetch_add(1, Relaxed);
    }

    pub(crate) fn mirror_failed(&self) {
        self.mirrors[1].fetch_add(1, Relaxed);
    }

    pub(crate) fn mirror_dropped(&self) {
        self.mirrors[2].fetch_add(1, Relaxed);
    }

    /// The counters of a route; they survive every change of it.
    pub(crate) fn route(&self, id: &Id) -> Arc<RouteCounters> {
        self.routes.get(id)
    }

    /// The counters of an aggregation; they survive every change of it.
    pub(crate) fn aggregation(&self, id: &Id) -> Arc<RouteCounters> {
        self.aggregations.get(id)
    }

    /// The counters of a cluster; they survive every change of it.
    pub(crate) fn cluster(&self, id: &Id) -> Arc<ClusterCounters> {
        self.clusters.get(id)
    }

    /// Forgets the counters of what is gone.
    pub(crate) fn keep_only<R, C>(
        &self,
        routes: &HashMap<Id, R>,
        aggregations: &HashMap<Id, R>,
        clusters: &HashMap<Id, C>,
    ) {
        self.routes.keep_only(routes);
        self.aggregations.keep_only(aggregations);
        self.clusters.keep_only(clusters);
    }

    /// Writes everything in Prometheus' text format, version 0.0.4.
    pub(crate) fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "# TYPE gateway_requests_in_flight gauge\ngateway_requests_in_flight {}",
            self.in_flight()
        );
        let routes = self
            .routes
            .all()
            .into_iter()
            .map(|(id, one)| (format!("route=\"{id}\""), one));
        let aggregations = self.aggregations.all().into_iter();
        let aggregations = aggregations.map(|(id, one)| (format!("aggregation=\"{id}\""), one));
        let all: Vec<_> = routes.chain(aggregations).collect();
        self.write_requests(out, &all);
        self.write_durations(out, &all);
        family(
            out,
            "gateway_refusals_total",
            "Requests the gateway answered by itself, by reason.",
        );
        for refusal in Refusal::ALL {
            let count = self.refusals[refusal as usize].load(Relaxed);
            let _ = writeln!(
                out,
                "gateway_refusals_total{{refusal=\"{}\"}} {count}",
                refusal.word()
            );
        }
        family(
            out,
            "gateway_mirrors_total",
            "Copies of requests for mirrors, by what became of them.",
        );
        for (result, count) in ["sent", "failed", "dropped"].iter().zip(&self.mirrors) {
            let _ = writeln!(
                out,
                "gateway_mirrors_total{{result=\"{result}\"}} {}",
                count.load(Relaxed)
            );
        }
        family(out, "gateway_retries_total", "Requests sent again, by cluster.");
        for (id, counters) in self.clusters.all() {
            let _ = writeln!(
                out,
                "gateway_retries_total{{cluster=\"{id}\"}} {}",
                counters.retries.load(Relaxed)
            );
        }
    }

    fn write_requests(&self, out: &mut String, all: &[(String, Arc<RouteCounters>)]) {
        family(
            out,
            "gateway_requests_total",
            "Requests by route or aggregation (no route: none took it) and class of status (none: no whole answer).",
        );
        let all = all.iter().map(|(label, counters)| (label.as_str(), &**counters));
        for (label, counters) in all.chain([("route=\"\"", &self.unrouted)]) {
            for (class, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]
                .iter()
                .zip(&counters.classes)
            {
                match count.load(Relaxed) {
                    0 => {}
                    count => {
                        let _ = writeln!(out, "gateway_requests_total{{{label},code=\"{class}\"}} {count}");
                    }
                }
            }
        }
    }

    fn write_durations(&self, out: &mut String, all: &[(String, Arc<RouteCounters>)]) {
        let name = "gateway_request_duration_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} From the head of a request to the end of its answer.\n# TYPE {name} histogram"
        );
        for (label, counters) in all {
            let total: u64 = counters.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum();
            if total == 0 {
                continue;
            }
            let mut below = 0;
            for (bound, count) in BUCKETS_US.iter().zip(&counters.buckets) {
                below += count.load(Relaxed);
                let _ = writeln!(
                    out,
                    "{name}_bucket{{{label},le=\"{}\"}} {below}",
                    *bound as f64 / 1e6
                );
            }
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {total}");
            let _ = writeln!(
                out,
                "{name}_sum{{{label}}} {}",
                counters.micros.load(Relaxed) as f64 / 1e6
            );
            let _ = writeln!(out, "{name}_count{{{label}}} {total}");
        }
    }
}

/// Begins a family of counters.
pub(crate) fn family(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn counters_survive_a_change_and_go_with_their_route() {
        let metrics = Metrics::default();
        let id: Id = "a".parse().unwrap();
        metrics.route(&id).count(200, Duration::from_micros(700));
        metrics.route(&id).count(503, Duration::from_secs(9));
        metrics.route(&id).count(0, Duration::ZERO);
        let mut out = String::new();
        metrics.write(&mut out);
        for line in [
            "gateway_requests_total{route=\"a\",code=\"2xx\"} 1",
            "gateway_requests_total{route=\"a\",code=\"5xx\"} 1",
            "gateway_requests_total{route=\"a\",code=\"none\"} 1",
            "gateway_request_duration_seconds_bucket{route=\"a\",le=\"0.0005\"} 1",
            "gateway_request_duration_seconds_bucket{route=\"a\",le=\"0.001\"} 2",
            "gateway_request_duration_seconds_bucket{route=\"a\",le=\"5\"} 2",
            "gateway_request_duration_seconds_count{route=\"a\"} 3",
        ] {
            assert!(out.lines().any(|other| other == line), "{line} is not in\n{out}");
        }
        metrics.keep_only::<(), ()>(&HashMap::new(), &HashMap::new(), &HashMap::new());
        out.clear();
        metrics.write(&mut out);
        assert!(!out.contains("route=\"a\""));
    }

    #[test]
    fn a_refusal_is_counted_under_its_word() {
        for refusal in Refusal::ALL {
            let metrics = Metrics::default();
            metrics.count_refusal(refusal);
            let mut out = String::new();
            metrics.write(&mut out);
            assert!(out.contains(&format!(
                "gateway_refusals_total{{refusal=\"{}\"}} 1\n",
                refusal.word()
            )));
        }
    }
}
