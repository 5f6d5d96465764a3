//! Brings clusters up to date with what became of their servers, off the request path.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::Notify;

use super::{balance::Cluster, lock};

/// The pause after each round: a thousand servers that fail together cost a cluster a few refreshes, not a thousand.
/// The first change is acted on at once, those right after it up to this much later.
const REST: Duration = Duration::from_millis(10);

/// The clusters whose standing is out of date.
#[derive(Default)]
pub(super) struct Refresher {
    stale: Mutex<Vec<Weak<Cluster>>>,
    wake: Notify,
    tripping: Mutex<()>,
}

impl Refresher {
    /// Held by whoever counts the breakers of a cluster that reject, in order to be the next; only ever tried.
    pub(super) fn tripping(&self) -> &Mutex<()> {
        &self.tripping
    }

    /// Has `cluster` refreshed soon.
    pub(super) fn mark(&self, cluster: &Arc<Cluster>) {
        if cluster.turn_stale() {
            lock(&self.stale).push(Arc::downgrade(cluster));
            self.wake.notify_one();
        }
    }

    /// Refreshes all that are out of date.
    pub(super) fn refresh(&self) {
        let stale = std::mem::take(&mut *lock(&self.stale));
        for cluster in stale.iter().filter_map(Weak::upgrade) {
            cluster.refresh();
        }
    }

    /// Refreshes whenever there is something to refresh, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            self.refresh();
            tokio::time::sleep(REST).await;
        }
    }
}
