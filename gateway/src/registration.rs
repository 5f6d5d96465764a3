//! Tells others of this proxy: a key in the store they share, which is gone soon after the proxy is.

use std::{net::SocketAddr, sync::Arc};

use meta::{
    id::Id,
    store::{EtcdStore, Registration},
    timespan::Timespan,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    clock::Moment,
    live::{Configuration, Live, Registered},
    startup::Startup,
};

/// How long others believe in a proxy that has stopped without a word.
const TTL: Timespan = Timespan::from_secs(10);

/// Registers this proxy and keeps what it tells up to date.
pub(crate) struct Registrar {
    store: Arc<EtcdStore>,
    id: Id,
    told: watch::Sender<Value>,
}

impl Registrar {
    /// One for the proxy that `startup` describes, which is not registered yet.
    pub(crate) fn new(store: Arc<EtcdStore>, startup: &Startup) -> Self {
        let listeners = startup.listeners.iter();
        let addresses: Vec<SocketAddr> = listeners.map(|listener| listener.address).collect();
        let id = startup.id();
        let told = json!({
            "id": id,
            "version": env!("CARGO_PKG_VERSION"),
            "addresses": addresses,
            "manage": startup.manage.address,
            "started_unix_ms": Moment::now().unix_ms(),
            "revision": null,
            "quarantined": 0,
        });
        Self {
            store,
            id,
            told: watch::Sender::new(told),
        }
    }

    /// Registers, on the runtime of the caller, until the registration is dropped or ended.
    pub(crate) fn register(&self, live: &Live) -> Registration {
        self.tell(&live.configuration());
        let registration = self.store.register(self.id.as_str(), TTL, self.told.subscribe());
        live.note_registration(Registered {
            id: self.id.to_string(),
            is_registered: registration.registered(),
        });
        registration
    }

    /// Tells which revision serves, if it is another one than before.
    pub(crate) fn tell(&self, configuration: &Configuration) {
        self.told.send_if_modified(|told| {
            let before = told.clone();
            told["revision"] = json!(configuration.revision);
            told["quarantined"] = json!(configuration.quarantined.len());
            *told != before
        });
    }
}
