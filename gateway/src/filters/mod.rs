//! Filters: what happens between a match and the backend that is not matching, balancing, protecting or aggregating.
//!
//! A filter is a kind with a typed configuration ([`meta::filters::FilterConfig`]) and two sides, one for the request and one for the
//! response. The built-in ones use only the trait [`Filter`]; a team that embeds the gateway adds its own:
//!
//! ```no_run
//! use gateway::filters::{Filter, FilterRequest, Verdict};
//! # use meta::filters::FilterConfig;
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Stamp { with: String }
//! impl FilterConfig for Stamp { const NAME: &'static str = "stamp"; }
//! impl Filter for Stamp {
//!     type Config = Stamp;
//!     fn new(config: Stamp) -> Self { config }
//!     fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
//!         let _ = request.head_mut().insert_header("x-stamp", self.with.as_str());
//!         Verdict::GoOn
//!     }
//! }
//! gateway::Builder::new().filter::<Stamp>().run();
//! ```

mod access;
mod headers;
mod redirect;
mod reply;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use meta::{
    document::decode,
    filters::{FilterConfig, FilterKinds},
    model::FilterSpec,
    pattern::MergeSlashes,
};
use pingora_http::{RequestHeader, ResponseHeader};
use serde_json::value::Value as Json;

use crate::{
    edge::{Request, SavedParams},
    refusal::Refusal,
};

/// One kind of filter. An instance belongs to one place in one route, and serves all its requests.
pub trait Filter: Send + Sync + Sized + 'static {
    /// What it is configured with.
    type Config: FilterConfig;

    /// An instance for a configuration that was found sound.
    fn new(config: Self::Config) -> Self;

    /// Looks at a request, and may change what the backend gets or end it here.
    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        let _ = request;
        Verdict::GoOn
    }

    /// Looks at the response to `request`, and may change what the client gets.
    fn response(&self, request: &Request<'_>, response: &mut ResponseHeader) {
        let _ = (request, response);
    }
}

/// What becomes of a request after a filter.
#[derive(Debug)]
pub enum Verdict {
    /// The next filter sees it, or the backend.
    GoOn,
    /// The client gets this answer.
    Answer(Answer),
    /// The client gets a refusal.
    Refuse(Refusal),
}

/// An answer that a filter gives.
#[derive(Debug)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// The fields; `content-length` is added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A request that a filter may change.
pub struct FilterRequest<'a> {
    head: &'a mut RequestHeader,
    params: &'a SavedParams,
    client: IpAddr,
    slashes: MergeSlashes,
}

impl<'a> FilterRequest<'a> {
    pub(crate) fn new(
        head: &'a mut RequestHeader,
        params: &'a SavedParams,
        client: IpAddr,
        slashes: MergeSlashes,
    ) -> Self {
        Self {
            head,
            params,
            client,
            slashes,
        }
    }

    /// The request as conditions and templates see it.
    pub fn view(&self) -> Request<'_> {
        Request::new(self.head, self.client, self.slashes).with_params(self.params)
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The head, to change what the backend gets. Fields of the connection and of the framing are ignored.
    pub fn head_mut(&mut self) -> &mut RequestHeader {
        self.head
    }
}

/// A filter of any kind.
pub(crate) trait AnyFilter: Send + Sync {
    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict;
    fn response(&self, request: &Request<'_>, response: &mut ResponseHeader);
}

impl<F: Filter> AnyFilter for F {
    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        Filter::request(self, request)
    }

    fn response(&self, request: &Request<'_>, response: &mut ResponseHeader) {
        Filter::response(self, request, response);
    }
}

type Make = fn(&Json) -> Option<Arc<dyn AnyFilter>>;

/// The kinds of filters this gateway knows, and how to make one of each.
#[derive(Clone)]
pub struct Filters {
    kinds: FilterKinds,
    makers: BTreeMap<&'static str, Make>,
}

impl Filters {
    /// Adds a kind; one of the same name is replaced.
    pub fn add<F: Filter>(&mut self) {
        self.kinds.add::<F::Config>();
        self.makers.insert(F::Config::NAME, make::<F>);
    }

    /// What checking needs to know of them.
    pub fn kinds(&self) -> &FilterKinds {
        &self.kinds
    }

    /// Makes what a route asks for. A specification that was checked can be made; another one is left out.
    pub(crate) fn make(&self, specs: &[FilterSpec]) -> Box<[Arc<dyn AnyFilter>]> {
        specs
            .iter()
            .filter_map(|spec| self.makers.get(spec.kind.as_str())?(&spec.config))
            .collect()
    }
}

impl Default for Filters {
    fn default() -> Self {
        let mut filters = Self {
            kinds: FilterKinds::default(),
            makers: BTreeMap::new(),
        };
        filters.add::<access::Access>();
        filters.add::<headers::Headers>();
        filters.add::<redirect::Redirect>();
        filters.add::<reply::Reply>();
        filters
    }
}

fn make<F: Filter>(config: &Json) -> Option<Arc<dyn AnyFilter>> {
    decode::<F::Config>(config)
        .ok()
        .map(|config| Arc::new(F::new(config)) as Arc<dyn AnyFilter>)
}

#[cfg(test)]
mod tests;
