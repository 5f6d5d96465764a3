//! What `/status` says of the configuration and of the store it comes from.

use meta::{check::Quarantined, problem::Problem, store::Link};
use serde::Serialize;
use tokio::sync::watch;

use crate::{last_good::KeeperStatus, startup::StoreKind};

/// What `/status` says of the configuration.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Configuration {
    /// The revision that serves, once there is one.
    pub(crate) revision: Option<u64>,
    /// When it was applied, in milliseconds of Unix time.
    pub(crate) applied_unix_ms: Option<u64>,
    /// Where what serves comes from.
    pub(crate) source: Option<Source>,
    /// Objects that do not run as written.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Everything that is wrong with the revision, warnings included.
    pub(crate) problems: Vec<Problem>,
    /// Why the store could not be read the last time, if it could not.
    pub(crate) store_error: Option<String>,
    /// How many objects there are.
    pub(crate) objects: Objects,
    /// The revision that was read last.
    #[serde(skip)]
    pub(crate) seen: Option<u64>,
    /// How many states of the store were applied.
    #[serde(skip)]
    pub(crate) reloads: u64,
}

/// Where what serves comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The store.
    Store,
    /// The last good state on this proxy's disk.
    LastGood,
}

/// How many objects there are.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Objects {
    pub(crate) servers: usize,
    pub(crate) clusters: usize,
    pub(crate) routes: usize,
    pub(crate) aggregations: usize,
}

/// A proxy that registers itself, and whether it is registered.
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) is_registered: watch::Receiver<bool>,
}

/// What `/status` says of the store.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoreStatus {
    kind: StoreKind,
    /// Whether it can be read.
    pub(crate) connected: bool,
    /// Why it could not, the last time that it could not.
    pub(crate) last_error: Option<String>,
    /// The revision that was read last.
    pub(crate) revision_seen: Option<u64>,
    /// The revision that serves.
    revision_served: Option<u64>,
    /// When that was applied, in milliseconds of Unix time.
    served_since_unix_ms: Option<u64>,
    /// How many of its states were applied.
    pub(crate) reloads: u64,
    /// What is kept on the disk.
    last_good: Option<KeeperStatus>,
    /// How others see this proxy.
    pub(crate) registration: Option<Registration>,
}

/// How others see this proxy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Registration {
    id: String,
    pub(crate) registered: bool,
}

impl StoreStatus {
    pub(super) fn of(
        kind: StoreKind,
        link: Link,
        configuration: &Configuration,
        last_good: Option<KeeperStatus>,
        registered: Option<&Registered>,
    ) -> Self {
        Self {
            kind,
            connected: link.connected,
            last_error: link.error,
            revision_seen: configuration.seen,
            revision_served: configuration.revision,
            served_since_unix_ms: configuration.applied_unix_ms,
            reloads: configuration.reloads,
            last_good,
            registration: registered.map(|registered| Registration {
                id: registered.id.clone(),
                registered: *registered.is_registered.borrow(),
            }),
        }
    }
}
