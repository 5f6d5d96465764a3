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
    admission::{ProxyGuard, RoutePass},
    attempts::{Answered, Call, CallError, ClientBody, Deadline, call},
    clock::Moment,
    cluster::Outcome,
    edge::{Forwarding, Request, RequestId, SavedParams, TrustedProxies, X_REQUEST_ID},
    exchange::Connection,
    filters::{FilterRequest, Verdict},
    limiter::{Entered, Exceeded},
    live::Live,
    metrics::{Metrics, RouteCounters},
    mirror::{self, Mirrors},
    refusal::{Denial, Details, Refusal, answer, refuse},
    relay::{Relayed, head_for, relay},
    rewrite::{as_written, rewritten},
    router::Lookup,
    snapshot::{BalanceKey, Route, Upstream},
    split::stable_hash,
    statistics,
};

/// The proxy as the engine knows it.
pub(crate) struct Proxy {
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) trusted: TrustedProxies,
    pub(crate) slashes: MergeSlashes,
    pub(crate) guard: Option<Arc<ProxyGuard>>,
}

/// What is known of a request before anything is done about it.
struct Caller {
    peer: IpAddr,
    client: IpAddr,
    id: RequestId,
    started: Instant,
    /// The same moment.
    arrived: Moment,
}

/// What routing a request came to.
enum Decision {
    Forward(Box<Plan>),
    Answer(Box<(crate::filters::Answer, Matched)>),
    Refuse(Box<Denial>, Option<Arc<Route>>),
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

/// How a request ended, for the counters.
struct Ended {
    how: End,
    /// When, if that is known already.
    at: Option<Moment>,
    route: Option<Arc<Route>>,
}

enum End {
    /// The client got the whole of an answer with this status.
    Answered(u16),
    /// The gateway answered by itself, since it could not or would not serve the request.
    Refused(Refusal),
    /// The client got none, or not the whole.
    Broken,
}

impl Proxy {
    async fn handle(&self, session: &mut Session) -> pingora::Result<()> {
        let _in_flight = self.metrics.begin();
        let caller = self.caller(session);
        session.set_pipelining_enabled(true);
        let (ended, result) = match self.enter(&caller).await {
            Ok(_entered) => self.serve(session, &caller).await,
            Err(exceeded) => {
                let denial = Denial::over_limit(&exceeded);
                self.refuse(session, denial, None, &caller).await
            }
        };
        self.count(&ended, &caller);
        result
    }

    /// A place among the requests of the proxy, if they are limited.
    async fn enter(&self, caller: &Caller) -> Result<Option<Entered>, Exceeded> {
        match &self.guard {
            None => Ok(None),
            Some(guard) => guard.enter(caller.arrived).await.map(Some),
        }
    }

    async fn serve(&self, session: &mut Session, caller: &Caller) -> (Ended, pingora::Result<()>) {
        match self.decide(session, caller) {
            Decision::Forward(plan) => match self.admit(&plan.matched, session, caller).await {
                Ok(pass) => self.forward(session, plan, pass, caller).await,
                Err(denial) => {
                    self.refuse(session, denial, Some(plan.matched.route), caller)
                        .await
                }
            },
            Decision::Answer(given) => match self.admit(&given.1, session, caller).await {
                Ok(_pass) => self.answer(session, given, caller).await,
                Err(denial) => self.refuse(session, denial, Some(given.1.route), caller).await,
            },
            Decision::Refuse(denial, route) => self.refuse(session, denial, route, caller).await,
        }
    }

    /// What the route's limit and breaker say.
    async fn admit(
        &self,
        matched: &Matched,
        session: &Session,
        caller: &Caller,
    ) -> Result<Option<RoutePass>, Box<Denial>> {
        let Some(guard) = &matched.route.guard else {
            return Ok(None);
        };
        let view = || self.request(session, caller, &matched.params);
        let whom = guard.counted_for(caller.client, view);
        let place = guard.enter(whom, caller.arrived).await?;
        guard.pass(place, caller.arrived).map(Some)
    }

    async fn refuse(
        &self,
        session: &mut Session,
        denial: Box<Denial>,
        route: Option<Arc<Route>>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let (how, at) = (End::Refused(denial.refusal), None);
        let result = refuse(session, *denial, &caller.id).await;
        (Ended { how, at, route }, result)
    }

    /// When the request set out for its cluster: whoever may have waited for a place before must not count that as the server's.
    fn began(&self, route: &Route, caller: &Caller) -> Instant {
        let proxy_queues = self.guard.as_ref().is_some_and(|guard| guard.has_queue());
        let route_queues = route.guard.as_ref().is_some_and(|guard| guard.has_queue());
        if proxy_queues || route_queues {
            Instant::now()
        } else {
            caller.started
        }
    }

    fn caller(&self, session: &Session) -> Caller {
        let peer = session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
            address.ip().to_canonical()
        });
        let (head, started) = (session.req_header(), Instant::now());
        Caller {
            peer,
            client: self.trusted.client(peer, &head.headers),
            id: RequestId::of(head),
            started,
            arrived: Moment::of(started),
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

    /// The request as the route's templates see it.
    fn request<'s>(&self, session: &'s Session, caller: &Caller, params: &'s SavedParams) -> Request<'s> {
        Request::new(session.req_header(), caller.client, self.slashes).with_params(params)
    }

    async fn forward(
        &self,
        session: &mut Session,
        mut plan: Box<Plan>,
        pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let (how, at, result) = self.forwarded(session, &mut plan, pass, caller).await;
        let route = Some(plan.matched.route);
        (Ended { how, at, route }, result)
    }

    async fn forwarded(
        &self,
        session: &mut Session,
        plan: &mut Plan,
        mut pass: Option<RoutePass>,
        caller: &Caller,
    ) -> (End, Option<Moment>, pingora::Result<()>) {
        let mut body = ClientBody::new(session);
        let outcome = self.send(&mut body, plan, caller).await;
        if let Some((to, hash)) = plan.mirror.take() {
            let copied = body.copy();
            let head = body.session.req_header();
            let target = plan.target.take();
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
        match outcome {
            Ok(mut answered) => {
                let status = answered.head.status.as_u16();
                let mut verdict = answered.outcome();
                if let Some(pass) = &mut pass {
                    verdict = pass.judge(status, verdict.latency());
                    if pass.is_probe() {
                        pass.settle(verdict, Moment::now());
                    }
                }
                let mut response = head_for(&mut answered, &body);
                let _ = response.insert_header(X_REQUEST_ID, caller.id.to_value());
                self.filter_response(&plan.matched, body.session, caller, &mut response);
                let status = response.status.as_u16();
                let timeouts = &plan.upstream.timeouts;
                let deadline = Deadline::after(caller.started, timeouts.total.map(|total| total.get()));
                let idle = timeouts.idle.get();
                match relay(answered, response, &mut body, deadline, idle).await {
                    Relayed::Whole(at) => {
                        settle(pass, verdict, at);
                        (End::Answered(status), Some(at), Ok(()))
                    }
                    Relayed::Cut => {
                        settle(pass, verdict.failed(), Moment::now());
                        (End::Broken, None, Err(broken_off()))
                    }
                    Relayed::ClientGone => (End::Broken, None, Err(broken_off())),
                }
            }
            Err(CallError::ClientGone) => (End::Broken, None, Err(broken_off())),
            Err(CallError::Refused(denial)) => {
                let how = End::Refused(denial.refusal);
                if denial.refusal.blames_servers() {
                    let latency = caller.started.elapsed();
                    settle(pass, Outcome::Failure { latency }, Moment::now());
                }
                let result = refuse(body.session, *denial, &caller.id).await;
                (how, None, result)
            }
        }
    }

    async fn send(
        &self,
        body: &mut ClientBody<'_>,
        plan: &Plan,
        caller: &Caller,
    ) -> Result<Answered, CallError> {
        let upstream = &plan.upstream;
        let attempt = Call {
            upstream,
            hash: plan.hash,
            retry: plan.matched.route.retry.as_deref().or(upstream.retry.as_ref()),
            class: plan.matched.route.class,
            started: self.began(&plan.matched.route, caller),
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
        answered: Box<(crate::filters::Answer, Matched)>,
        caller: &Caller,
    ) -> (Ended, pingora::Result<()>) {
        let (given, matched) = *answered;
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
                how: End::Answered(given.status),
                at: None,
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
        let at = ended.at.unwrap_or_else(Moment::now);
        let took = at.since(caller.arrived);
        let status = match ended.how {
            End::Answered(status) => status,
            End::Refused(refusal) => refusal.status(),
            End::Broken => 0,
        };
        let counters: &RouteCounters = ended
            .route
            .as_ref()
            .map_or(&self.metrics.unrouted, |route| &route.counters);
        counters.count(status, took);
        use statistics::Outcome::{Failure, Success};
        let second = at.second();
        match ended.how {
            End::Answered(status) => {
                let outcome = if status < 500 { Success } else { Failure };
                self.metrics.statistics.record(second, outcome, took);
            }
            End::Refused(refusal) => {
                self.metrics.count_refusal(refusal);
                self.metrics.statistics.refuse(second);
            }
            End::Broken => self.metrics.statistics.cancel(second),
        }
    }
}

/// Gives a pass back with what came of the request.
fn settle(pass: Option<RoutePass>, outcome: Outcome, now: Moment) {
    if let Some(mut pass) = pass {
        pass.settle(outcome, now);
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
