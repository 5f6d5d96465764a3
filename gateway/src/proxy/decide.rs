//! What is to be done about a request: its route, what its filters say, its cluster. Waits for nothing.

use std::sync::Arc;

use pingora_proxy::Session;

use super::{Caller, Proxy};
use crate::{
    edge::{Request, SavedParams},
    filters::{Answer, FilterRequest, Verdict},
    refusal::{Denial, Details, Refusal},
    rewrite::rewritten,
    router::Lookup,
    snapshot::{Route, Single, Upstream},
    split::stable_hash,
};

/// What routing a request came to.
pub(super) enum Decision {
    Forward(Box<Plan>),
    Aggregate(Box<Matched>),
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
        let request = Request::new(head, caller.client, caller.slashes);
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
                caller.slashes,
            );
            match filter.request(&mut request) {
                Verdict::GoOn => {}
                verdict => return verdict,
            }
        }
        Verdict::GoOn
    }

    fn plan(&self, matched: Matched, session: &mut Session, caller: &Caller) -> Decision {
        if matched.route.aggregate.is_some() {
            return Decision::Aggregate(Box::new(matched));
        }
        let target = self.target(&matched, session, caller);
        if let Some(single) = &matched.route.single {
            self.set_headers(single, &matched, session, caller);
        }
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
        let hash = upstream.hash(view, caller.client);
        let chosen = route
            .mirror
            .as_ref()
            .filter(|mirror| fastrand::f64() * 100.0 < mirror.1);
        let mirror = chosen.map(|mirror| (mirror.0.clone(), mirror.0.hash(view, caller.client)));
        Decision::Forward(Box::new(Plan {
            upstream,
            target,
            hash,
            mirror,
            matched,
        }))
    }

    /// What a rewrite, or the URL of the only node of an aggregation, makes of the target.
    fn target(&self, matched: &Matched, session: &Session, caller: &Caller) -> Option<String> {
        let template = matched.route.rewrite.as_ref()?;
        let view = self.request(session, caller, &matched.params);
        if matched.route.single.is_none() {
            return Some(rewritten(template, &view));
        }
        let mut target = String::with_capacity(64);
        template.render_into(&mut target, &view);
        Some(target)
    }

    /// Puts the fields of the only node of an aggregation in place of the client's.
    fn set_headers(&self, single: &Single, matched: &Matched, session: &mut Session, caller: &Caller) {
        let view = self.request(session, caller, &matched.params);
        let rendered: Vec<_> = single
            .headers
            .iter()
            .map(|(name, template)| (name.clone(), template.render_header_value(&view)))
            .collect();
        let head = session.req_header_mut();
        for (name, value) in rendered {
            if value.is_empty() {
                head.remove_header(&name);
            } else {
                // The name and the value are sound, so this cannot fail.
                let _ = head.insert_header(name, value);
            }
        }
    }
}

fn hash_of(request: &Request<'_>, value: &meta::language::Value) -> Option<u64> {
    use meta::language::Values;
    request.text(value).map(|text| stable_hash(text.as_bytes()))
}
