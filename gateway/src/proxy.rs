//! A request's way: snapshot, route, filters, then a backend or an answer of our own. Everything happens in the engine's
//! `request_filter` phase; its own upstream half is not used.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use async_trait::async_trait;
use meta::pattern::MergeSlashes;
use pingora::{Error, ErrorType};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use tokio::net::TcpStream;

use crate::{
    attempts::{Call, CallError, ClientBody, Deadline, call},
    edge::{Forwarding, Request, RequestId, SavedParams, TrustedProxies, X_REQUEST_ID},
    exchange::Connection,
    filters::{FilterRequest, Verdict},
    live::Live,
    metrics::{Metrics, RouteCounters},
    mirror::{self, Mirrors},
    refusal::{Details, Refusal, answer, refuse},
    relay::{Relayed, head_for, relay},
    rewrite::{as_written, rewritten},
    router::Lookup,
    snapshot::{BalanceKey, Route, Upstream},
    split::stable_hash,
};

/// The proxy as the engine knows it.
pub(crate) struct Proxy {
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) trusted: TrustedProxies,
    pub(crate) slashes: MergeSlashes,
}

/// What is known of a request before anything is done about it.
struct Caller {
    peer: IpAddr,
    client: IpAddr,
    id: RequestId,
    started: Instant,
}

/// What routing a request came to.
enum Decision {
    Forward(Box<Plan>),
    Answer(crate::filters::Answer, Box<Matched>),
    Refuse(Refusal, Details, Option<Arc<Route>>),
}

/// A route that takes the request, and what its response filters need to know.
struct Matched {
    route: Arc<Route>,
    params: SavedParams,
}

/// Where a request goes.
struct Plan {
    matched: Matched,
    upstream: Arc<Upstream>,
    /// What a rewrite made of the target; else it goes as written.
    target: Option<String>,
    hash: u64,
    mirror: Option<(Arc<Upstream>, u64)>,
}

/// How a request ended, for the counters: the status the client got, 0 if none or not the whole.
struct Ended {
    status: u16,
    route: Option<Arc<Route>>,
}

impl Proxy {
    async fn handle(&self, session: &mut Session) -> pingora::Result<()> {
        let _in_flight = self.metrics.begin();
        let caller = self.caller(session);
        session.set_pipelining_enabled(true);
        let (ended, result) = match self.decide(session, &caller) {
            Decision::Refuse(refusal, details, route) => {
                self.metrics.count_refusal(refusal);
                let result = refuse(session, refusal, details, &caller.id).await;
                (
                    Ended {
                        status: refusal.status(),
                        route,
                    },
                    result,
                )
            }
            Decision::Answer(given, matched) => self.answer(session, given, matched, &caller).await,
            Decision::Forward(plan) => self.forward(session, *plan, &caller).await,
        };
        self.count(&ended, &caller);
        result
    }

    fn caller(&self, session: &Session) -> Caller {
        let peer = session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
            address.ip().to_canonical()
        });
        let head = session.req_header();
        Caller {
            peer,
            client: self.trusted.client(peer, &head.headers),
            id: RequestId::of(head),
            started: Instant::now(),
        }
    }

    /// Finds the route and runs its filters on the request. Waits for nothing.
    fn decide(&self, session: &mut Session, caller: &Caller) -> Decision {
        let snapshot = self.live.snapshot();
        let Some(snapshot) = snapshot.as_ref() else {
            let details = Details {
                retry_after: Some(1),
                ..Details::default()
            };
            return Decision::Refuse(Refusal::NotReady, details, None);
        };
        let head = session.req_header();
        if head.version == http::Version::HTTP_11 && !head.headers.contains_key(http::header::HOST) {
            let details = Details {
                detail: "an HTTP/1.1 request needs a Host",
                ..Details::default()
            };
            return Decision::Refuse(Refusal::BadRequest, details, None);
        }
        let request = Request::new(head, caller.client, self.slashes);
        let accepts = |route: &Arc<Route>, params: &_| route.accepts(&request.candidate(params));
        let (route, params) =
            match snapshot
                .router
                .find(request.host(), request.path(), &head.method, accepts)
            {
                Lookup::Found { value, params } => (value.clone(), params),
                Lookup::NotFound => return Decision::Refuse(Refusal::NoRoute, Details::default(), None),
                Lookup::MethodNotAllowed(allow) => {
                    let details = Details {
                        allow: Some(allow.to_string()),
                        ..Details::default()
                    };
                    return Decision::Refuse(Refusal::MethodNotAllowed, details, None);
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
            Verdict::Answer(given) => Decision::Answer(given, Box::new(matched)),
            Verdict::Refuse(refusal) => Decision::Refuse(refusal, Details::default(), Some(matched.route)),
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
                detail: "the route has no cluster",
                ..Details::default()
            };
            return Decision::Refuse(Refusal::NoServer, details, Some(matched.route));
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

    /// The request as the route's templates see it.
    fn request<'s>(&self, session: &'s Session, caller: &Caller, params: &'s SavedParams) -> Request<'s> {
        Request::new(session.req_header(), caller.client, self.slashes).with_params(params)
    }

    async fn forward(
        &self,
        session: &mut Session,
        plan: Plan,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let mut body = ClientBody::new(session);
        let outcome = self.send(&mut body, &plan, caller).await;
        let copied = plan.mirror.as_ref().map(|_| body.copy());
        let Plan {
            matched,
            upstream,
            target,
            mirror,
            ..
        } = plan;
        if let (Some((to, hash)), Some(copied)) = (mirror, copied) {
            let head = body.session.req_header();
            let target = target.map_or_else(|| as_written(head).to_vec(), String::into_bytes);
            let copy = mirror::Copy {
                upstream: to,
                head: head.clone(),
                target,
                id: caller.id.clone(),
                peer: caller.peer,
                peer_is_trusted: self.trusted.contains(caller.peer),
                hash,
            };
            self.mirrors.send(copy, copied, &self.metrics);
        }
        let route = matched.route.clone();
        let ended = |status| Ended {
            status,
            route: Some(route.clone()),
        };
        match outcome {
            Ok(mut answered) => {
                let mut response = head_for(&mut answered, &body);
                let _ = response.insert_header(X_REQUEST_ID, caller.id.to_value());
                self.filter_response(&matched, body.session, caller, &mut response);
                let status = response.status.as_u16();
                let deadline =
                    Deadline::after(caller.started, upstream.timeouts.total.map(|total| total.get()));
                match relay(
                    answered,
                    response,
                    &mut body,
                    deadline,
                    upstream.timeouts.idle.get(),
                )
                .await
                {
                    Relayed::Whole => (ended(status), Ok(())),
                    Relayed::Cut | Relayed::ClientGone => (ended(0), Err(broken_off())),
                }
            }
            Err(CallError::ClientGone) => (ended(0), Err(broken_off())),
            Err(CallError::Refused(refusal, detail)) => {
                self.metrics.count_refusal(refusal);
                let retry_after = (refusal == Refusal::NoServer).then_some(1);
                let details = Details {
                    detail,
                    retry_after,
                    ..Details::default()
                };
                let result = refuse(body.session, refusal, details, &caller.id).await;
                (ended(refusal.status()), result)
            }
        }
    }

    async fn send(
        &self,
        body: &mut ClientBody<'_>,
        plan: &Plan,
        caller: &Caller,
    ) -> Result<crate::attempts::Answered, CallError> {
        let upstream = &plan.upstream;
        let attempt = Call {
            upstream,
            hash: plan.hash,
            retry: plan.matched.route.retry.as_deref().or(upstream.retry.as_ref()),
            started: caller.started,
            deadline: Deadline::after(caller.started, upstream.timeouts.total.map(|total| total.get())),
        };
        let peer_is_trusted = self.trusted.contains(caller.peer);
        let start = |body: &ClientBody<'_>, connection: &mut Connection<TcpStream>, framing| {
            let head = body.session.req_header();
            let forwarding = Forwarding {
                head,
                id: &caller.id,
                peer: caller.peer,
                peer_is_trusted,
            };
            let target = plan
                .target
                .as_ref()
                .map_or_else(|| as_written(head), |target| target.as_bytes());
            connection.start(&head.method, target, framing, |to| forwarding.write(to))
        };
        call(&attempt, body, start).await
    }

    async fn answer(
        &self,
        session: &mut Session,
        given: crate::filters::Answer,
        matched: Box<Matched>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let result = async {
            let mut response = ResponseHeader::build_no_case(given.status, Some(given.headers.len() + 4))?;
            for (name, value) in &given.headers {
                response.append_header(name.clone(), value.clone())?;
            }
            self.filter_response(&matched, session, caller, &mut response);
            answer(session, response, given.body, &caller.id).await
        };
        let result = result.await;
        (
            Ended {
                status: given.status,
                route: Some(matched.route),
            },
            result,
        )
    }

    /// Runs the response side of the filters, the last one first.
    fn filter_response(
        &self,
        matched: &Matched,
        session: &Session,
        caller: &Caller,
        response: &mut ResponseHeader,
    ) {
        if matched.route.filters.is_empty() {
            return;
        }
        let request = self.request(session, caller, &matched.params);
        for filter in matched.route.filters.iter().rev() {
            filter.response(&request, response);
        }
    }

    fn count(&self, ended: &Ended, caller: &Caller) {
        let counters: &RouteCounters = ended
            .route
            .as_ref()
            .map_or(&self.metrics.unrouted, |route| &route.counters);
        counters.count(ended.status, caller.started.elapsed());
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

/// Makes the engine drop the client's connection, so that an incomplete answer cannot look complete.
fn broken_off() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "broken off")
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    /// No modules: none is used, and each would cost every request.
    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> pingora::Result<bool> {
        self.handle(session).await.map(|()| true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Err(Error::explain(
            ErrorType::InternalError,
            "every request is answered before this phase",
        ))
    }

    /// Nothing is written here: whatever could be answered has been, and the connection ends.
    async fn fail_to_proxy(&self, session: &mut Session, _: &Error, _: &mut ()) -> FailToProxy {
        session.set_keepalive(None);
        FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        }
    }

    /// Clients that go away are no errors of ours; the engine would log a line for each.
    fn suppress_error_log(&self, _: &Session, _: &(), _: &Error) -> bool {
        true
    }
}
