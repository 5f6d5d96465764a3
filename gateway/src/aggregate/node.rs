//! A node, compiled: everything a call needs that does not depend on the request.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderName, Method, header};
use meta::{
    id::Id,
    language::{Condition, JsonPart, JsonTemplate, Template, UrlTemplate, Value},
    model::{self, Retry},
};
use serde::Serialize;

use super::{hedge::Hedge, hedge::HedgeState, json::Json, outcome::Ending};
use crate::{share::Terms, snapshot::Upstream};

/// The client's fields that are passed on without being named. The request's id goes with every call.
pub(crate) const PASSED: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// A node of an aggregation.
pub(crate) struct Node {
    pub(crate) name: Box<str>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) method: Method,
    pub(crate) url: UrlTemplate,
    pub(crate) headers: Box<[(HeaderName, Template)]>,
    /// The client's fields that are passed on.
    pub(crate) passed: Box<[HeaderName]>,
    /// Whether it says nothing of fields, so that its calls have those that are written once for all.
    pub(crate) has_usual_fields: bool,
    /// The answer's fields that the client gets.
    pub(crate) kept: Box<[HeaderName]>,
    pub(crate) body: NodeBody,
    pub(crate) when: Option<Condition>,
    pub(crate) required: bool,
    pub(crate) timeout: Option<Duration>,
    /// What stands in place of an answer there is none of.
    pub(crate) fallback: Json,
    pub(crate) pass_status: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) max_bytes: usize,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) terms: Option<Terms>,
    pub(crate) state: Arc<NodeState>,
    /// The nodes whose answers it reads, one bit each.
    pub(crate) needs: u32,
    status: Option<Box<[u16]>>,
}

/// What a node sends.
pub(crate) enum NodeBody {
    Nothing,
    /// The client's body as it came.
    Clients,
    Json(JsonTemplate),
    /// A text, and whether it looks like JSON.
    Text(Template, TextKind),
}

/// What a text that is sent is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// It begins with `{` or `[`.
    Json,
    Plain,
}

impl Node {
    pub(crate) fn new(
        model: &model::Node,
        of: &model::Aggregation,
        needs: u32,
        upstream: Arc<Upstream>,
        state: Arc<NodeState>,
    ) -> Self {
        let method = model
            .method
            .as_ref()
            .map_or(Method::GET, |method| method.get().clone());
        let overridden = |name: &HeaderName| model.headers.keys().any(|other| other.get() == name);
        let more = model.pass_headers.iter().map(|name| name.get().clone());
        let mut passed: Vec<HeaderName> = PASSED.into_iter().chain(more).collect();
        passed.retain(|name| !overridden(name));
        passed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        passed.dedup();
        let most = of.max_bytes();
        let terms = Terms::new(model.cache.as_ref(), &model.coalesce);
        let own_fields = !model.headers.is_empty() || !model.pass_headers.is_empty();
        Self {
            // What is shared is told apart by its fields, one by one.
            has_usual_fields: !own_fields && terms.is_none(),
            name: model.name.as_str().into(),
            upstream,
            url: model.url.clone(),
            headers: model
                .headers
                .iter()
                .map(|(name, template)| (name.get().clone(), template.clone()))
                .collect(),
            passed: passed.into(),
            kept: model.keep_headers.iter().map(|name| name.get().clone()).collect(),
            body: NodeBody::of(model),
            when: model.when.clone(),
            required: model.required,
            timeout: model.timeout.map(|timeout| timeout.get().get()),
            fallback: model.fallback.as_ref().map_or_else(Json::null, Json::from_value),
            pass_status: model.pass_status,
            retry: model.retry.clone(),
            max_bytes: model
                .max_bytes
                .map_or(most, |bytes| most.min(bytes.get() as usize)),
            hedge: model.hedge.as_ref().map(Hedge::new),
            terms,
            state,
            needs,
            status: model
                .status
                .as_ref()
                .map(|listed| listed.iter().map(|status| status.get() as u16).collect()),
            method,
        }
    }

    /// Whether an answer with this status is a success.
    pub(crate) fn is_success(&self, status: u16) -> bool {
        match &self.status {
            None => (200..300).contains(&status),
            Some(listed) => listed.contains(&status),
        }
    }

    /// Whether the answer to the same call would be the same here and there.
    pub(crate) fn judges_like(&self, other: &Self) -> bool {
        self.status == other.status && self.max_bytes == other.max_bytes && self.timeout == other.timeout
    }

    /// Whether the call reads values of the client's body.
    pub(crate) fn reads_body(&self) -> bool {
        let of_url = self.url.values();
        let of_when = self.when.iter().flat_map(|when| when.values());
        let of_headers = self.headers.iter().flat_map(|(_, template)| template.values());
        let mut values = of_url.chain(of_when).chain(of_headers).map(|(_, value)| value);
        values.any(is_body) || self.body.reads_body()
    }
}

pub(crate) fn is_body(value: &Value) -> bool {
    matches!(value, Value::Body(_))
}

/// Whether a JSON template reads a value of that kind.
pub(crate) fn any_value(template: &JsonTemplate, mut is: impl FnMut(&Value) -> bool) -> bool {
    template.parts().iter().any(|part| match part {
        JsonPart::Text(_) => false,
        JsonPart::Value(value) => is(value),
        JsonPart::Quoted(text) => text.values().any(|(_, value)| is(value)),
    })
}

impl NodeBody {
    fn of(model: &model::Node) -> Self {
        let Some(template) = &model.body else {
            return if model.pass_body {
                Self::Clients
            } else {
                Self::Nothing
            };
        };
        match template.as_text() {
            Some(text) if text.only_value().is_none() => {
                let source = text.to_string();
                let kind = match source.starts_with("{{") || source.starts_with('[') {
                    true => TextKind::Json,
                    false => TextKind::Plain,
                };
                Self::Text(text.clone(), kind)
            }
            _ => Self::Json(template.clone()),
        }
    }

    fn reads_body(&self) -> bool {
        match self {
            Self::Nothing | Self::Clients => false,
            Self::Json(template) => any_value(template, is_body),
            Self::Text(template, _) => template.values().any(|(_, value)| is_body(value)),
        }
    }
}

/// What of a node survives every change of it.
#[derive(Debug, Default)]
pub(crate) struct NodeState {
    pub(crate) counters: NodeCounters,
    pub(crate) hedge: HedgeState,
}

/// How a node's calls ended.
#[derive(Debug, Default)]
pub(crate) struct NodeCounters {
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) micros: AtomicU64,
    pub(crate) hedged: AtomicU64,
}

impl NodeCounters {
    pub(crate) fn count(&self, ending: Ending, took: Duration) {
        let counter = match ending {
            Ending::Answered(_) => &self.answered,
            Ending::Failed(_) => &self.failed,
            Ending::Skipped => &self.skipped,
        };
        counter.fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }
}

/// What a node has counted so far.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeCounts {
    #[serde(skip)]
    pub(crate) aggregation: Id,
    #[serde(rename = "name")]
    pub(crate) node: Box<str>,
    cluster: Id,
    /// Calls that were answered as they should be.
    pub(crate) answered: u64,
    /// Calls that were not, and those that were not made for want of a value.
    pub(crate) failed: u64,
    /// How often the condition did not hold.
    pub(crate) skipped: u64,
    /// How long all of them took, in microseconds.
    #[serde(rename = "took_us")]
    pub(crate) micros: u64,
    /// Second calls.
    pub(crate) hedged: u64,
}

impl NodeCounts {
    pub(super) fn of(aggregation: &Id, node: &Node) -> Self {
        let counters = &node.state.counters;
        Self {
            aggregation: aggregation.clone(),
            node: node.name.clone(),
            cluster: node.upstream.id.clone(),
            answered: counters.answered.load(Relaxed),
            failed: counters.failed.load(Relaxed),
            skipped: counters.skipped.load(Relaxed),
            micros: counters.micros.load(Relaxed),
            hedged: counters.hedged.load(Relaxed),
        }
    }
}

/// The states of an aggregation's nodes, by name.
#[derive(Debug, Default)]
pub(crate) struct NodeStates(Mutex<HashMap<Box<str>, Arc<NodeState>>>);

impl NodeStates {
    /// The one of that name, made if there is none.
    pub(crate) fn get(&self, name: &str) -> Arc<NodeState> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.entry(name.into()).or_default().clone()
    }

    /// Forgets all but these.
    pub(crate) fn keep_only(&self, names: &[&str]) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|name, _| names.contains(&&**name));
    }
}
