//! What `/status` shows of servers.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use meta::{address::Address, id::Id};
use serde::Serialize;

use crate::{breaker::BreakerStatus, limiter::LimitStatus};

use super::server::Server;

/// One server as it is at the moment.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// The name of the server.
    pub id: Id,
    /// Its address as configured.
    pub address: Address,
    /// Whether one of its addresses is usable.
    pub usable: bool,
    /// Whether it was removed or disabled and gets no new request.
    pub leaving: bool,
    /// The addresses it has; none while its name does not resolve.
    pub addresses: Vec<AddressStatus>,
    /// Why its name did not resolve when that was last tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// Requests it has right now.
    pub in_flight: u64,
    /// Requests sent to it so far, those in flight included.
    pub requests: u64,
    /// Requests that ended well.
    pub successes: u64,
    /// Requests it failed.
    pub failures: u64,
    /// Requests given up before it could succeed or fail.
    pub cancelled: u64,
    /// The time that successes and failures took together, in milliseconds.
    pub latency_ms: u64,
    /// How its breaker stands; one that is not configured can only be forced.
    pub breaker: BreakerStatus,
    /// How its limit stands, and how many requests it refused.
    pub limit: LimitStatus,
}

/// One address of a server. Where clusters check it in different ways it is healthy if it is so for all of them.
#[derive(Clone, Debug, Serialize)]
pub struct AddressStatus {
    /// The address.
    pub address: SocketAddr,
    /// What its checks say; healthy before the first result and without a check.
    pub healthy: bool,
    /// Why it last failed a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is what it is, in milliseconds of Unix time; absent without a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_unix_ms: Option<u64>,
    /// When it was last checked, in milliseconds of Unix time; absent before the first result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_unix_ms: Option<u64>,
}

impl ServerStatus {
    pub(super) fn of(server: &Server) -> Self {
        let endpoints = server.endpoints();
        let addresses: Vec<_> = endpoints
            .iter()
            .map(|endpoint| address(server, endpoint.address))
            .collect();
        let (in_flight, successes) = (server.in_flight(), server.successes());
        let (failures, cancelled) = (server.failures(), server.cancelled());
        Self {
            id: server.id().clone(),
            address: server.address().clone(),
            usable: addresses.iter().any(|address| address.healthy),
            leaving: server.is_leaving(),
            addresses,
            unresolved: server.unresolved_because(),
            in_flight,
            requests: in_flight + successes + failures + cancelled,
            successes,
            failures,
            cancelled,
            latency_ms: server.latency().as_millis() as u64,
            breaker: server.guard().breaker(),
            limit: server.guard().limit(),
        }
    }
}

fn address(server: &Server, address: SocketAddr) -> AddressStatus {
    let verdicts = server
        .checks()
        .into_iter()
        .filter_map(|health| health.verdict(address));
    // The worst of them.
    let verdict = verdicts.min_by_key(|verdict| verdict.is_healthy());
    let last = verdict.as_ref().map(|verdict| verdict.last());
    AddressStatus {
        address,
        healthy: verdict.is_none_or(|verdict| verdict.is_healthy()),
        since_unix_ms: last.as_ref().map(|last| unix_ms(last.since)),
        checked_unix_ms: last.as_ref().and_then(|last| last.checked).map(unix_ms),
        reason: last.and_then(|last| last.reason),
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
