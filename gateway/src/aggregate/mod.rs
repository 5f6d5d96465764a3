//! Aggregations: one URL that several services answer together.
//!
//! `node` compiles a node, `gather` makes the calls in the order of what they read (`inputs`), `call` makes one through its cluster's
//! one door ([`crate::attempts`]), `hedge` twice where it takes long, `shared` once for several clients; `content` and `decoder` turn what
//! came into text, `json` validates, finds, splices; `response` puts the answer together. `room` bounds what all of them hold.
//!
//! Nothing here has a thread or a queue of its own: a thousand aggregations that wait for a slow service are a thousand waits.

mod body;
mod call;
mod combined;
mod compress;
mod content;
mod decoder;
#[doc(hidden)]
pub mod fuzz;
mod gather;
mod hedge;
mod inputs;
#[doc(hidden)]
pub mod json;
mod node;
mod outcome;
mod response;
mod room;
mod shared;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use meta::{
    id::Id,
    language::JsonTemplate,
    model::{self, PriorityClass},
    plan::Plan,
};

pub(crate) use body::{Unread, read_body};
pub(crate) use compress::{Coding, compress};
pub(crate) use gather::{ClientsBody, Collected, Gathering, Missing};
pub(crate) use node::{NodeCounts, NodeStates};
pub(crate) use outcome::{NodeError, Told, field, member};
pub(crate) use response::{Spliced, X_GATEWAY_NODES, splice};
pub(crate) use room::Room;

use node::{Node, NodeBody, PASSED, any_value, is_body};
use pingora_http::RequestHeader;

use crate::{
    edge::{host_of, is_nominated},
    exchange::{FieldBlock, HeadWriter, RequestFault},
    share::NodeSharing,
    snapshot::Upstream,
};

/// An aggregation, compiled.
pub(crate) struct Aggregate {
    pub(crate) model: Arc<model::Aggregation>,
    nodes: Box<[Arc<Node>]>,
    pub(crate) timeout: Duration,
    merge: json::Merge,
    response: Option<JsonTemplate>,
    max_bytes: usize,
    pub(crate) max_request_bytes: usize,
    pub(crate) body: BodyUse,
    compress: bool,
    class: PriorityClass,
    /// Whether no node says anything of fields.
    pub(crate) has_usual_fields: bool,
    /// Whether two nodes ask the same cluster, so that they may make the same call.
    may_have_twins: bool,
}

/// What the client's body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// Nothing: it is not read.
    Nothing,
    /// It is passed on.
    Bytes,
    /// Values are read of it, so it has to be JSON.
    Json,
}

/// What all calls of one request have in common.
pub(crate) struct Common {
    /// Who is called for, and the request's id.
    pub(crate) caller: FieldBlock,
    /// The same with the fields of nodes that say nothing of fields.
    pub(crate) usual: FieldBlock,
    pub(crate) client: IpAddr,
    pub(crate) room: Arc<Room>,
    pub(crate) sharing: Arc<NodeSharing>,
    pub(crate) started: Instant,
}

/// Writes the fields of a node that says nothing of fields.
pub(crate) fn write_usual(head: &RequestHeader, to: &mut HeadWriter<'_>) -> Result<(), RequestFault> {
    to.header(b"host", host_of(head).as_bytes())?;
    to.header(b"accept", b"application/json")?;
    let usual = head
        .headers
        .iter()
        .filter(|(name, _)| PASSED.contains(name) && !is_nominated(&head.headers, name));
    for (name, value) in usual {
        to.field(name, value)?;
    }
    Ok(())
}

impl Aggregate {
    /// `None` if a node's cluster is not there or the graph has a cycle, neither of which is so in a checked configuration.
    pub(crate) fn new(
        model: &Arc<model::Aggregation>,
        upstreams: &HashMap<Id, Arc<Upstream>>,
        states: &NodeStates,
    ) -> Option<Self> {
        let plan = Plan::new(model).ok()?;
        let compiled = model.nodes.iter().enumerate().map(|(at, node)| {
            let upstream = upstreams.get(&node.cluster)?.clone();
            let state = states.get(node.name.as_str());
            Some(Arc::new(Node::new(node, model, plan.needs(at), upstream, state)))
        });
        let nodes: Box<[Arc<Node>]> = compiled.collect::<Option<_>>()?;
        let clusters = model.nodes.iter().map(|node| &node.cluster);
        let distinct: std::collections::HashSet<&Id> = clusters.collect();
        Some(Self {
            timeout: model.timeout().get(),
            merge: merge(model),
            response: model.response.clone(),
            max_bytes: model.max_bytes(),
            max_request_bytes: model.max_request_bytes(),
            body: body_use(model, &nodes),
            compress: model.compress,
            class: model.priority_class,
            has_usual_fields: nodes.iter().all(|node| node.has_usual_fields),
            may_have_twins: distinct.len() < nodes.len(),
            model: model.clone(),
            nodes,
        })
    }

    /// The clusters it calls.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.nodes.iter().map(|node| &node.upstream)
    }

    /// Whether the client gets the status of this node.
    pub(crate) fn passes_status(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.pass_status)
    }

    /// How the nodes fared.
    pub(crate) fn counts(&self, id: &Id) -> Vec<NodeCounts> {
        let all = self.nodes.iter();
        all.map(|node| NodeCounts::of(id, node)).collect()
    }

    /// The name of a node.
    pub(crate) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |node| &node.name)
    }
}

fn body_use(model: &model::Aggregation, nodes: &[Arc<Node>]) -> BodyUse {
    let in_response = model
        .response
        .as_ref()
        .is_some_and(|template| any_value(template, is_body));
    if in_response || nodes.iter().any(|node| node.reads_body()) {
        return BodyUse::Json;
    }
    match nodes.iter().any(|node| matches!(node.body, NodeBody::Clients)) {
        true => BodyUse::Bytes,
        false => BodyUse::Nothing,
    }
}

fn merge(model: &model::Aggregation) -> json::Merge {
    use json::OnCollision::{Error, First, Last};
    match model.merge() {
        model::Merge::Object => json::Merge::Object,
        model::Merge::List => json::Merge::List,
        model::Merge::Flat => json::Merge::Flat(match model.on_collision.unwrap_or_default() {
            model::OnCollision::Error => Error,
            model::OnCollision::First => First,
            model::OnCollision::Last => Last,
        }),
    }
}
