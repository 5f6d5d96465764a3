//! What is to be done about a request: its route, what its filters say, its cluster. Waits for nothing.

use std::{net::IpAddr, sync::Arc};

use pingora_proxy::Session;

use super::{Caller, Proxy};
use crate::{
    edge::{Request, SavedParams},
    filters::{Answer, FilterRequest, Verdict},
    refusal::{Denial, Details, Refusal},
    rewrite::rewritten,
    router::Lookup,
    snapshot::{BalanceKey, Route, Upstream},
    split::stable_hash,
};

/// What routing a request came to.
pub(super) enum Decision {
    Forward(Box<Plan>),
    Answer(Box<(Answer, Matched)>),
    Refuse(Box<Denial>, Option<Arc<Route>>),
}

/// A route that takes the request, and what its response filters need to know.
pub(super) struct Matched {
    pub(super) route: Arc<Route>,
    pub(super) params: SavedParams,
}

/// Where a request goes.
pub(super) struct Plan {
    pub(super) matched: Matched,
    pub(super) upstream: Arc<Upstream>,
    /// What a rewrite made of the target; else it goes as written.
    pub(super) target: Option<String>,
    pub(super) hash: u64,
    pub(super) mirror: Option<(Arc<Upstream>, u64)>,
}

impl Proxy {
    /// Finds the route and runs its filters on the request. Waits for nothing.
    pub(super) fn decide(&self, session: &mut Session, caller: &Caller) -> Decision {
        let snapshot = self.live.snapshot();
        let Some(snapshot) = snapshot.as_ref() else {
            let details = Details {
                retry_after: Some(1),
                ..Details::default()
            };
            return Decision::Refuse(Denial::new(Refusal::NotReady, details), None);
        };
        let head = session.req_header();
        if head.version == http::Version::HTTP_11 && !head.headers.contains_key(http::header::HOST) {
            let details = Details::of("an HTTP/1.1 request needs a Host");
            return Decision::Refuse(Denial::new(Refusal::BadRequest, details), None);
        }
        let request = Request::new(head, caller.client, self.slashes);
        let accepts = |route: &Arc<Route>, params: &_| route.accepts(&request.candidate(params));
        let (route, params) =
            match snapshot
                .router
                .find(request.host(), request.path(), &head.method, accepts)
            {
                Lookup::Found { value, params } => (value.clone(), params),
                Lookup::NotFound => {
                    return Decision::Refuse(Denial::new(Refusal::NoRoute, Details::default()), None);
                }
                Lookup::MethodNotAllowed(allow) => {
                    let details = Details {
                        allow: Some(allow.to_string()),
                        ..Details::default()
                    };
                    return Decision::Refuse(Denial::new(Refusal::MethodNotAllowed, details), None);
                }
            };
        let params = if route.reads_params {
            SavedParams::new(&params)
        } else {
            SavedParams::default()
        };
        let matched = Matched { route, params };
        match self.filter(&matched, session, caller) {
            Verdict::GoOn => self.plan(matched, session, caller),
            Verdict::Answer(given) => Decision::Answer(Box::new((given, matched))),
            Verdict::Refuse(refusal) => {
                Decision::Refuse(Denial::new(refusal, Details::default()), Some(matched.route))
            }
        }
    }

    fn filter(&self, matched: &Matched, session: &mut Session, caller: &Caller) -> Verdict {
        for filter in &matched.route.filters {
            let mut request = FilterRequest::new(
                session.req_header_mut(),
                &matched.params,
                caller.client,
                self.slashes,
            );
            match filter.request(&mut request) {
                Verdict::GoOn => {}
                verdict => return verdict,
            }
        }
        Verdict::GoOn
    }

    fn plan(&self, matched: Matched, session: &Session, caller: &Caller) -> Decision {
        // Made only where something reads it: bringing host and path into normal form again is not free.
        let view = || self.request(session, caller, &matched.params);
        let route = &matched.route;
        let sticky = route.sticky.as_ref().and_then(|key| hash_of(&view(), key));
        let Some(upstream) = route.split.pick(sticky).cloned() else {
            let details = Details {
                retry_after: Some(1),
                ..Details::of("the route has no cluster")
            };
            return Decision::Refuse(Denial::new(Refusal::NoServer, details), Some(matched.route));
        };
        let hash = balance_hash(&upstream, view, caller);
        let target = route
            .rewrite
            .as_ref()
            .map(|template| rewritten(template, &view()));
        let chosen = route
            .mirror
            .as_ref()
            .filter(|mirror| fastrand::f64() * 100.0 < mirror.1);
        let mirror = chosen.map(|mirror| (mirror.0.clone(), balance_hash(&mirror.0, view, caller)));
        Decision::Forward(Box::new(Plan {
            upstream,
            target,
            hash,
            mirror,
            matched,
        }))
    }
}

fn hash_of(request: &Request<'_>, value: &meta::language::Value) -> Option<u64> {
    use meta::language::Values;
    request.text(value).map(|text| stable_hash(text.as_bytes()))
}

fn balance_hash<'r>(upstream: &Upstream, view: impl Fn() -> Request<'r>, caller: &Caller) -> u64 {
    let by_client = || match caller.client {
        IpAddr::V4(address) => stable_hash(&address.octets()),
        IpAddr::V6(address) => stable_hash(&address.octets()),
    };
    match &upstream.key {
        BalanceKey::None => 0,
        BalanceKey::ClientIp => by_client(),
        BalanceKey::Value(value) => hash_of(&view(), value).unwrap_or_else(by_client),
    }
}
