//! That a limit is reached: which one, until when, and how that is told.

use std::time::Duration;

use http::HeaderValue;

/// What a limit is of; its name in `RateLimit-Policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole proxy.
    Proxy,
    /// A route, or one key of it.
    Route,
    /// An aggregation, or one key of it.
    Aggregation,
    /// A cluster as a whole.
    Cluster,
    /// A server.
    Server,
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Route => "route",
            Self::Aggregation => "aggregation",
            Self::Cluster => "cluster",
            Self::Server => "server",
        }
    }

    const fn reached(self) -> &'static str {
        match self {
            Self::Proxy => "the gateway is at its limit",
            Self::Route => "the limit of this route is reached",
            Self::Aggregation => "the limit of this aggregation is reached",
            Self::Cluster => "the limit of this service is reached",
            Self::Server => "all servers are at their limit",
        }
    }
}

/// Which limit is reached, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// What the limit is of.
    pub scope: Scope,
    /// How long until a request can pass; an expectation where it is about requests in flight.
    pub wait: Duration,
    pub(super) quota: Quota,
    pub(super) may_wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    Rate {
        requests: u64,
        seconds: u64,
    },
    InFlight(u64),
    /// Nothing for requests without the key's value.
    OfKey,
}

impl Exceeded {
    /// Whether there is a queue in which a request can wait instead of being refused.
    pub(crate) const fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// For whoever was refused.
    pub(crate) const fn detail(&self) -> &'static str {
        match self.quota {
            Quota::OfKey => "the request lacks the value that its limit goes by",
            Quota::Rate { .. } | Quota::InFlight(_) => self.scope.reached(),
        }
    }

    /// Of two limits the one that lets a request pass first, or lets it wait.
    pub(crate) fn or_sooner(self, other: Self) -> Self {
        let later = (!self.may_wait, self.wait) > (!other.may_wait, other.wait);
        if later { other } else { self }
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4): the quota and its window in
    /// seconds, or the number of concurrent requests, and that nothing is left of it for `wait_s` seconds.
    pub(crate) fn fields(&self, wait_s: u32) -> (HeaderValue, HeaderValue) {
        let name = self.scope.name();
        let policy = match self.quota {
            Quota::Rate { requests, seconds } => format!("\"{name}\";q={requests};w={seconds}"),
            Quota::InFlight(most) => format!("\"{name}\";q={most};qu=\"concurrent-requests\""),
            Quota::OfKey => format!("\"{name}\";q=0"),
        };
        let state = format!("\"{name}\";r=0;t={wait_s}");
        let value = |text: String| HeaderValue::try_from(text).expect("a name and numbers are visible ASCII");
        (value(policy), value(state))
    }
}
