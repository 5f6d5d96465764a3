//! A cluster as requests see it: itself, and all that a call to it needs.

use std::{net::IpAddr, sync::Arc, time::Duration};

use meta::{
    id::Id,
    language::{Value, Values},
    model::{PriorityClass, Retry, Timeouts},
};

use crate::{
    attempts::RetryBudget,
    clock::Moment,
    cluster::Cluster,
    edge::Request,
    limiter::{Entered, Exceeded, Limit, LimitStatus, Limiter},
    metrics::ClusterCounters,
    split::stable_hash,
};

/// A cluster, and all that a call to it needs.
pub(crate) struct Upstream {
    pub(crate) id: Id,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Option<Retry>,
    pub(crate) key: BalanceKey,
    pub(crate) budget: Arc<RetryBudget>,
    pub(super) guard: Option<ClusterGuard>,
    pub(super) counters: Arc<ClusterCounters>,
}

/// The limit of a cluster as a whole.
pub(super) struct ClusterGuard {
    pub(super) limit: Limit,
    pub(super) limiter: Arc<Limiter>,
}

/// What a cluster balances by.
#[derive(Clone, Debug)]
pub(crate) enum BalanceKey {
    /// It does not.
    None,
    /// The client's address.
    ClientIp,
    /// A value; the client's address where it is absent.
    Value(Value),
}

impl Upstream {
    /// What stands for a request where the cluster balances by one of its values. `view` makes the request to be looked at, which is
    /// not free.
    pub(crate) fn hash<'r>(&self, view: impl FnOnce() -> Request<'r>, client: IpAddr) -> u64 {
        match &self.key {
            BalanceKey::None => 0,
            BalanceKey::ClientIp => hash_of_address(client),
            BalanceKey::Value(_) => self.hash_of(&view(), client),
        }
    }

    /// The same for a request that is looked at anyway.
    pub(crate) fn hash_of(&self, request: &Request<'_>, client: IpAddr) -> u64 {
        match &self.key {
            BalanceKey::None => 0,
            BalanceKey::ClientIp => hash_of_address(client),
            BalanceKey::Value(value) => match request.text(value) {
                Some(text) => stable_hash(text.as_bytes()),
                None => hash_of_address(client),
            },
        }
    }

    /// A place among the requests of the cluster, if they are limited. Does not wait.
    pub(crate) fn enter(&self, class: PriorityClass, now: Moment) -> Result<Option<Entered>, Exceeded> {
        let Some(ClusterGuard { limit, limiter }) = &self.guard else {
            return Ok(None);
        };
        Entered::at_once(limiter, limit, class, now).map(Some)
    }

    /// The same for whoever may wait, for at most `patience`.
    pub(crate) async fn enter_in_turn(
        &self,
        class: PriorityClass,
        patience: Option<Duration>,
    ) -> Result<Option<Entered>, Exceeded> {
        let Some(ClusterGuard { limit, limiter }) = &self.guard else {
            return Ok(None);
        };
        Entered::in_turn(limiter, limit, class, patience).await.map(Some)
    }

    /// The limit of the cluster as a whole, and how it stands.
    pub(crate) fn limit(&self, now: Moment) -> Option<LimitStatus> {
        let guard = self.guard.as_ref()?;
        Some(guard.limiter.status(Some(&guard.limit), now))
    }

    pub(crate) fn count_retry(&self) {
        self.counters.count_retry();
    }
}

fn hash_of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => stable_hash(&address.octets()),
        IpAddr::V6(address) => stable_hash(&address.octets()),
    }
}
