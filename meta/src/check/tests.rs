//! What checking finds, and what runs whatever it finds.
#![allow(clippy::unwrap_used, clippy::panic)]

mod faults;
mod last_good;
mod many;
mod mutations;
mod warnings;

use super::*;

/// Checks a text; what runs is what the next check falls back on, as on a proxy.
#[derive(Default)]
struct Proxy {
    running: Option<Checked>,
}

impl Proxy {
    fn running(text: &str) -> Self {
        let mut proxy = Self::default();
        assert_eq!(shown(&proxy.takes(text).quarantined), [""; 0]);
        proxy
    }

    fn takes(&mut self, text: &str) -> Report {
        let report = check(
            &Document::read(text),
            self.running.as_ref(),
            &FilterKinds::default(),
        );
        assert_whole(&report.checked);
        self.running = Some(report.checked.clone());
        report
    }
}

/// Checks a text for the first time.
fn first(text: &str) -> Report {
    Proxy::default().takes(text)
}

fn problems(report: &Report) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

fn shown(quarantined: &[Quarantined]) -> Vec<String> {
    quarantined
        .iter()
        .map(|object| format!("{}/{} {:?}", object.kind, object.id, object.serving))
        .collect()
}

/// What runs, in a line: `s1=127.0.0.1:1 c1=[s1] r1=[c1] a1=[c1,c1]`.
fn runs(report: &Report) -> String {
    let Report { checked, .. } = report;
    let servers = checked
        .servers()
        .map(|server| format!("{}={}", server.id, server.address));
    let clusters = checked.clusters().map(|cluster| {
        let bound: Vec<&str> = cluster
            .servers
            .iter()
            .map(|binding| binding.id.as_str())
            .collect();
        format!("{}=[{}]", cluster.id, bound.join(","))
    });
    let routes = checked.routes().map(|route| {
        let targets: Vec<&str> = route.clusters().map(Id::as_str).collect();
        format!("{}=[{}]", route.id, targets.join(","))
    });
    let aggregations = checked.aggregations().map(|aggregation| {
        let called: Vec<&str> = aggregation.clusters().map(Id::as_str).collect();
        format!("{}=[{}]", aggregation.id, called.join(","))
    });
    servers
        .chain(clusters)
        .chain(routes)
        .chain(aggregations)
        .collect::<Vec<_>>()
        .join(" ")
}

fn assert_whole(checked: &Checked) {
    for cluster in checked.clusters() {
        for binding in &cluster.servers {
            assert!(
                checked.servers.contains_key(&binding.id),
                "{} needs {}",
                cluster.id,
                binding.id
            );
        }
    }
    let of_routes = checked
        .routes()
        .flat_map(|route| route.clusters().map(|cluster| (&route.id, cluster)));
    let of_aggregations = checked
        .aggregations()
        .flat_map(|aggregation| aggregation.clusters().map(|cluster| (&aggregation.id, cluster)));
    for (id, cluster) in of_routes.chain(of_aggregations) {
        assert!(checked.clusters.contains_key(cluster), "{id} needs {cluster}");
    }
}
