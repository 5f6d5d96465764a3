//! The life of a process: its end, its successor, its start-up file read again, as a daemon, under systemd.

mod daemon;
mod ending;
mod one_of_two;
mod rereading;
mod systemd;
mod traffic;
mod upgrading;

use std::time::Duration;

use crate::support::{Backend, Gateway, clusters, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// One route for every path to this backend.
fn objects(backend: &Backend) -> String {
    format!(
        "{}routes: [{{ id: r, to: [{{ cluster: c }}] }}]\n",
        clusters(&[("c", backend.address())])
    )
}

/// Waits until it has written this to standard error.
async fn says(gateway: &Gateway, part: &str) {
    eventually(part, PATIENCE, async || gateway.stderr().contains(part)).await;
}
