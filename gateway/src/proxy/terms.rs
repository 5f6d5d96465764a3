//! What the start-up file asks of every request: whom to believe, how to read paths, how many requests there may be.

use std::sync::Arc;

use meta::pattern::MergeSlashes;

use crate::{admission::ProxyGuard, edge::TrustedProxies, startup::Startup};

/// The terms every request is served on; replaced as a whole when the start-up file is read again.
pub(crate) struct Terms {
    pub(crate) trusted: TrustedProxies,
    pub(crate) slashes: MergeSlashes,
    /// The limit of the whole proxy, if it has one.
    pub(crate) guard: Option<Arc<ProxyGuard>>,
}

impl Terms {
    pub(crate) fn new(startup: &Startup) -> Self {
        Self::after(startup, None)
    }

    /// The terms that follow on `before`: what is under way counts on under a limit that changes.
    pub(crate) fn after(startup: &Startup, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| before.guard.as_deref());
        let guard = |limit| Arc::new(known.map_or_else(|| ProxyGuard::new(limit), |known| known.with(limit)));
        Self {
            trusted: TrustedProxies::new(startup.trusted_proxies.clone()),
            slashes: match startup.merge_slashes {
                true => MergeSlashes::Yes,
                false => MergeSlashes::No,
            },
            guard: startup.limit.as_ref().map(guard),
        }
    }
}
