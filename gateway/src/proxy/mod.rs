//! A request's way: snapshot, route, filters, then a backend or an answer of our own. Everything happens in the engine's
//! `request_filter` phase; its own upstream half is not used.

mod decide;
mod forward;
mod gather;
mod shared;
mod terms;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use meta::pattern::MergeSlashes;
use pingora::{Error, ErrorType};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::ResponseHeader;
use pingora_proxy::{ProxyHttp, Session};

use crate::{
    admission::{ProxyGuard, RoutePass},
    aggregate::Room,
    clock::Moment,
    edge::{Request, RequestId, SavedParams},
    filters::Answer,
    limiter::{Entered, Exceeded},
    live::Live,
    metrics::{Metrics, RouteCounters},
    mirror::Mirrors,
    refusal::{Denial, Refusal, answer, refuse},
    share::{NodeSharing, RouteSharing},
    snapshot::Route,
    statistics,
};
use decide::{Decision, Matched};

pub(crate) use terms::Terms;

/// The proxy as the engine knows it.
pub(crate) struct Proxy {
    pub(crate) live: Arc<Live>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) mirrors: Arc<Mirrors>,
    /// Replaced as a whole when the start-up file is read again.
    pub(crate) terms: Arc<ArcSwap<Terms>>,
    /// What all aggregations together may hold.
    pub(crate) room: Arc<Room>,
    pub(crate) node_sharing: Arc<NodeSharing>,
    pub(crate) route_sharing: RouteSharing,
}

/// What is known of a request before anything is done about it.
struct Caller {
    peer: IpAddr,
    peer_is_trusted: bool,
    client: IpAddr,
    slashes: MergeSlashes,
    /// The limit of the whole proxy, if it has one.
    guard: Option<Arc<ProxyGuard>>,
    id: RequestId,
    started: Instant,
    /// The same moment.
    arrived: Moment,
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
        match &caller.guard {
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
            Decision::Aggregate(matched) => match self.admit(&matched, session, caller).await {
                Ok(pass) => self.aggregate(session, matched, pass, caller).await,
                Err(denial) => self.refuse(session, denial, Some(matched.route), caller).await,
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

    fn caller(&self, session: &Session) -> Caller {
        let peer = session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
            address.ip().to_canonical()
        });
        let (head, started) = (session.req_header(), Instant::now());
        let terms = self.terms.load();
        Caller {
            peer,
            peer_is_trusted: terms.trusted.contains(peer),
            client: terms.trusted.client(peer, &head.headers),
            slashes: terms.slashes,
            guard: terms.guard.clone(),
            id: RequestId::of(head),
            started,
            arrived: Moment::of(started),
        }
    }

    /// The request as the route's templates see it.
    fn request<'s>(&self, session: &'s Session, caller: &Caller, params: &'s SavedParams) -> Request<'s> {
        Request::new(session.req_header(), caller.client, caller.slashes).with_params(params)
    }

    async fn answer(
        &self,
        session: &mut Session,
        answered: Box<(Answer, Matched)>,
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
}
