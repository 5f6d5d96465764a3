//! The store that the start-up file names, ready to be used.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use meta::store::{EtcdStore, OpenStore, Store, StoreSettings};
use serde::Serialize;

use crate::last_good::Origin;

/// A store that can be used.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) kind: StoreKind,
    /// The same store, if proxies share it.
    pub(crate) shared: Option<Arc<EtcdStore>>,
    /// Which store it is.
    pub(crate) origin: Origin,
}

impl Opened {
    /// The store that `settings` name, which is not touched yet: nothing runs before the first call.
    ///
    /// Fails with what a person can do about it.
    pub(crate) fn new(settings: &StoreSettings) -> Result<Self, String> {
        let open = settings.open()?;
        let (kind, shared) = match &open {
            OpenStore::File(_) => (StoreKind::File, None),
            OpenStore::Etcd(store) => (StoreKind::Etcd, Some(store.clone())),
        };
        Ok(Self {
            store: open.store(),
            kind,
            shared,
            origin: origin(settings),
        })
    }
}

fn origin(settings: &StoreSettings) -> Origin {
    match settings {
        StoreSettings::File(file) => Origin::File(absolute(file).display().to_string()),
        StoreSettings::Etcd(etcd) => Origin::Etcd {
            prefix: etcd.prefix.clone(),
            endpoints: etcd.endpoints.clone(),
        },
    }
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    File,
    Etcd,
}

/// A process that becomes a daemon changes its directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
