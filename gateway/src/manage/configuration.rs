//! What `/metrics` and `/status` tell of the configuration and the store it comes from.

use std::fmt::Write;

use meta::model::Kind;
use serde::Serialize;

use crate::{live::Live, metrics::family};

/// A problem that goes away by itself, or with what the object names; the object stands and runs as written.
#[derive(Debug, Serialize)]
pub(super) struct Transient {
    kind: Kind,
    id: String,
    problem: String,
}

/// The transient problems there are.
pub(super) fn transient(live: &Live) -> Vec<Transient> {
    let servers = live.servers().into_iter();
    let unresolved = servers.filter_map(|server| {
        Some(Transient {
            kind: Kind::Server,
            id: server.id.to_string(),
            problem: format!("its name does not resolve: {}", server.unresolved?),
        })
    });
    unresolved.collect()
}

/// Writes them as metrics.
pub(super) fn write(out: &mut String, live: &Live) {
    let (configuration, store) = (live.configuration(), live.store());
    let mut gauge = |name: &str, value: u64| {
        let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
    };
    gauge(
        "gateway_config_revision",
        configuration.revision.unwrap_or_default(),
    );
    gauge(
        "gateway_config_quarantined_objects",
        configuration.quarantined.len() as u64,
    );
    gauge("gateway_config_transient_problems", transient(live).len() as u64);
    gauge(
        "gateway_config_store_ok",
        u64::from(configuration.store_error.is_none()),
    );
    gauge("gateway_store_connected", u64::from(store.connected));
    gauge(
        "gateway_store_revision_seen",
        store.revision_seen.unwrap_or_default(),
    );
    if let Some(registration) = &store.registration {
        gauge("gateway_store_registered", u64::from(registration.registered));
    }
    let name = "gateway_store_reloads_total";
    family(out, name, "States of the store that were applied.");
    let _ = writeln!(out, "{name} {}", store.reloads);
}
