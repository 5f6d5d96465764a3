//! Makes the calls of an aggregation: each as soon as the answers it reads are there, all others at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::{HeaderName, HeaderValue, header};
use meta::language::{Template, Values};

use super::{
    Aggregate, Common,
    call::{Answer, Asked},
    inputs::Inputs,
    json::{Json, push_string},
    node::{Node, NodeBody, TextKind},
    outcome::{Ending, NodeError, Origin, Told},
    shared::{self, Identity},
};
use crate::{
    attempts::Deadline,
    edge::{Request, is_nominated},
};

/// The calls of one request.
pub(crate) struct Gathering<'a> {
    collected: Collected<'a>,
    deadline: Deadline,
    /// The calls made, where one may be the same as another; else empty.
    asked: Vec<Option<Arc<Asked>>>,
    running: FuturesUnordered<BoxFuture<'static, Back>>,
    /// Nodes that wait for the answer to the same call of another one: (who waits, whose call).
    twins: Vec<(usize, usize)>,
    /// A bit for each node.
    begun: u32,
    ended: u32,
    bytes: usize,
}

/// What has come of the calls of one request.
pub(crate) struct Collected<'a> {
    aggregate: &'a Aggregate,
    common: &'a Common,
    body: Option<ClientsBody>,
    /// What stands for each node that is done.
    answers: Vec<Option<Json>>,
    ended: Vec<Option<Ended>>,
}

/// The client's body: as it came, and as JSON where anything reads that.
pub(crate) struct ClientsBody {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) json: Option<Json>,
}

static NULL: Json = Json::null();

/// How a node ended.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) origin: Origin,
    pub(crate) took: Duration,
    pub(crate) answer: Option<Arc<Answer>>,
}

/// A call that came back.
struct Back {
    node: usize,
    result: Result<(Arc<Answer>, Origin), NodeError>,
    took: Duration,
}

/// A required node failed, and so does the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    pub(crate) node: usize,
    pub(crate) error: NodeError,
}

impl<'a> Gathering<'a> {
    pub(crate) fn new(
        aggregate: &'a Aggregate,
        common: &'a Common,
        body: Option<ClientsBody>,
        deadline: Deadline,
    ) -> Self {
        let count = aggregate.nodes.len();
        Self {
            collected: Collected {
                aggregate,
                common,
                body,
                answers: vec![None; count],
                ended: vec![None; count],
            },
            deadline,
            asked: vec![None; if aggregate.may_have_twins { count } else { 0 }],
            running: FuturesUnordered::new(),
            twins: Vec::new(),
            begun: 0,
            ended: 0,
            bytes: 0,
        }
    }

    /// Whether there is a call to begin.
    pub(crate) fn may_begin(&self) -> bool {
        self.ready().is_some()
    }

    /// Begins every call whose inputs are there.
    pub(crate) fn begin(&mut self, request: &Request<'_>) -> Result<(), Missing> {
        let now = Instant::now();
        // A node that ends without a call may be what another one waits for.
        while let Some(node) = self.ready() {
            self.begun |= 1 << node;
            match self.prepare(node, request, now) {
                Ok(asked) => self.start(node, asked),
                Err(ending) => self.end(node, ending)?,
            }
        }
        Ok(())
    }

    /// Waits for a call to come back. `false` if none is under way: then all is done.
    pub(crate) async fn wait(&mut self) -> Result<bool, Missing> {
        let Some(Back { node, result, took }) = self.running.next().await else {
            return Ok(false);
        };
        if self.twins.is_empty() {
            self.come_back(node, result, took)?;
            return Ok(true);
        }
        let waiting: Vec<usize> = self
            .twins
            .iter()
            .filter(|(_, of)| *of == node)
            .map(|(twin, _)| *twin)
            .collect();
        let shared = result.clone().map(|(answer, _)| (answer, Origin::Shared));
        self.come_back(node, result, took)?;
        for twin in waiting {
            self.come_back(twin, shared.clone(), took)?;
        }
        Ok(true)
    }

    /// What has come of them; calls that are still under way are given up.
    pub(crate) fn done(self) -> Collected<'a> {
        self.collected
    }

    /// A node that has not begun and whose inputs are there.
    fn ready(&self) -> Option<usize> {
        let mut nodes = self.collected.aggregate.nodes.iter().enumerate();
        let ready = nodes.find(|(at, node)| self.begun & (1 << at) == 0 && node.needs & !self.ended == 0);
        ready.map(|(at, _)| at)
    }

    /// The call of a node, or why it is not made.
    fn prepare(&self, at: usize, request: &Request<'_>, now: Instant) -> Result<Asked, Ending> {
        let node = &self.collected.aggregate.nodes[at];
        let inputs = self.collected.inputs(request);
        if node.when.as_ref().is_some_and(|when| !when.holds(&inputs)) {
            return Err(Ending::Skipped);
        }
        let target = inputs
            .target(&node.url)
            .ok_or(Ending::Failed(NodeError::NoInput))?;
        let (body, content_type) = self.body_of(node, &inputs);
        let (fields, common, identity) = if node.has_usual_fields {
            let described = content_type.map(|content_type| (header::CONTENT_TYPE, content_type));
            (
                described.into_iter().collect(),
                &self.collected.common.usual,
                None,
            )
        } else {
            let fields = fields(node, &inputs, content_type);
            let client = &request.head().headers;
            let id = self.collected.aggregate.model.id.as_str();
            let identity = Identity::of(node, id, &target, &fields, client, &inputs);
            (fields, &self.collected.common.caller, identity)
        };
        Ok(Asked {
            fields,
            identity,
            node: Arc::clone(node),
            target,
            common: common.clone(),
            body,
            hash: node.upstream.hash_of(request, self.collected.common.client),
            class: self.collected.aggregate.class,
            deadline: self.deadline.within(now, node.timeout),
            room: Arc::clone(&self.collected.common.room),
            began: now,
        })
    }

    fn body_of(&self, node: &Node, inputs: &Inputs<'_>) -> (Option<Bytes>, Option<HeaderValue>) {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        match &node.body {
            NodeBody::Nothing => (None, None),
            NodeBody::Clients => match &self.collected.body {
                Some(body) => (Some(body.bytes.clone()), body.content_type.clone()),
                None => (None, None),
            },
            NodeBody::Json(template) => (Some(inputs.render(template).into()), Some(JSON)),
            NodeBody::Text(template, TextKind::Plain) => (Some(template.render(inputs).into()), Some(TEXT)),
            NodeBody::Text(template, TextKind::Json) => {
                (Some(render_within_json(template, inputs).into()), Some(JSON))
            }
        }
    }

    fn start(&mut self, node: usize, asked: Asked) {
        let same = |other: &Option<Arc<Asked>>| other.as_ref().is_some_and(|other| asked.is_same(other));
        if let Some(first) = self.asked.iter().position(same) {
            match &self.collected.ended[first] {
                Some(ended) => {
                    let ended = ended.clone();
                    self.running
                        .push(Box::pin(std::future::ready(back_again(node, ended))));
                }
                None => self.twins.push((node, first)),
            }
            return;
        }
        let began = asked.began;
        let asked = Arc::new(asked);
        if let Some(slot) = self.asked.get_mut(node) {
            *slot = Some(Arc::clone(&asked));
        }
        let sharing = Arc::clone(&self.collected.common.sharing);
        self.running.push(Box::pin(async move {
            let result = shared::make(asked, &sharing).await;
            Back {
                node,
                result,
                took: began.elapsed(),
            }
        }));
    }

    fn come_back(
        &mut self,
        node: usize,
        result: Result<(Arc<Answer>, Origin), NodeError>,
        took: Duration,
    ) -> Result<(), Missing> {
        let within = result.and_then(|(answer, origin)| {
            let status = answer.status.as_u16();
            if !self.collected.aggregate.nodes[node].is_success(status) {
                return Err(NodeError::Status(status));
            }
            self.bytes = self.bytes.saturating_add(answer.json.as_bytes().len());
            if self.bytes > self.collected.aggregate.max_bytes {
                return Err(NodeError::TooLarge);
            }
            Ok((answer, origin))
        });
        match within {
            Ok((answer, origin)) => {
                let ended = Ended {
                    ending: Ending::Answered(answer.status.as_u16()),
                    origin,
                    took,
                    answer: Some(answer),
                };
                self.note(node, ended);
                Ok(())
            }
            Err(error) => self.fail(node, error, took),
        }
    }

    /// Ends a node without a call.
    fn end(&mut self, node: usize, ending: Ending) -> Result<(), Missing> {
        if let Ending::Failed(error) = ending {
            return self.fail(node, error, Duration::ZERO);
        }
        let ended = Ended {
            ending,
            origin: Origin::Call,
            took: Duration::ZERO,
            answer: None,
        };
        self.note(node, ended);
        Ok(())
    }

    fn fail(&mut self, node: usize, error: NodeError, took: Duration) -> Result<(), Missing> {
        let ended = Ended {
            ending: Ending::Failed(error),
            origin: Origin::Call,
            took,
            answer: None,
        };
        self.note(node, ended);
        if self.collected.aggregate.nodes[node].required {
            return Err(Missing { node, error });
        }
        Ok(())
    }

    fn note(&mut self, at: usize, ended: Ended) {
        let node = &self.collected.aggregate.nodes[at];
        node.state.counters.count(ended.ending, ended.took);
        let json = ended.answer.as_ref().map(|answer| answer.json.clone());
        self.collected.answers[at] = Some(json.unwrap_or_else(|| node.fallback.clone()));
        self.collected.ended[at] = Some(ended);
        self.ended |= 1 << at;
    }
}

impl Collected<'_> {
    /// What is told of each node; those that are not done were cancelled.
    pub(crate) fn told(&self) -> impl Iterator<Item = Told<'_>> {
        let nodes = self.aggregate.nodes.iter().zip(&self.ended);
        nodes.map(|(node, ended)| {
            let (ending, origin, took) = match ended {
                Some(ended) => (ended.ending, ended.origin, ended.took),
                None => {
                    let cancelled = Ending::Failed(NodeError::Cancelled);
                    (cancelled, Origin::Call, self.common.started.elapsed())
                }
            };
            Told {
                name: &node.name,
                ending,
                origin,
                took,
            }
        })
    }

    /// The answers as they stand, for the response to read.
    pub(crate) fn inputs<'i>(&'i self, request: &'i Request<'i>) -> Inputs<'i> {
        Inputs {
            request,
            body: self.body.as_ref().and_then(|body| body.json.as_ref()),
            nodes: &self.aggregate.nodes,
            answers: &self.answers,
        }
    }

    /// Each node with what stands for it.
    pub(crate) fn answers(&self) -> impl ExactSizeIterator<Item = (&str, &Json)> + Clone {
        let nodes = self.aggregate.nodes.iter().zip(&self.answers);
        nodes.map(|(node, answer)| (&*node.name, answer.as_ref().unwrap_or(&NULL)))
    }

    /// Each node with its own answer, of those that have one.
    pub(crate) fn own_answers(&self) -> impl Iterator<Item = (&Node, &Answer)> {
        let nodes = self.aggregate.nodes.iter().zip(&self.ended);
        nodes.filter_map(|(node, ended)| Some((&**node, &**ended.as_ref()?.answer.as_ref()?)))
    }

    /// Whether every node that was asked answered.
    pub(crate) fn is_complete(&self) -> bool {
        let failed = |ended: &Option<Ended>| {
            matches!(
                ended,
                Some(Ended {
                    ending: Ending::Failed(_),
                    ..
                })
            )
        };
        !self.ended.iter().any(failed)
    }
}

fn back_again(node: usize, ended: Ended) -> Back {
    let result = match (ended.answer, ended.ending) {
        (Some(answer), _) => Ok((answer, Origin::Shared)),
        (None, Ending::Failed(error)) => Err(error),
        (None, _) => Err(NodeError::Cancelled),
    };
    Back {
        node,
        result,
        took: ended.took,
    }
}

/// The fields of a call that other calls of the request may not have.
fn fields(
    node: &Node,
    inputs: &Inputs<'_>,
    content_type: Option<HeaderValue>,
) -> Vec<(HeaderName, HeaderValue)> {
    let head = inputs.request.head();
    let own = |name: &HeaderName| node.headers.iter().any(|(other, _)| other == name);
    let mut fields = Vec::with_capacity(4);
    if !own(&header::HOST) {
        let host = HeaderValue::from_str(inputs.request.authority());
        fields.push((
            header::HOST,
            host.unwrap_or_else(|_| HeaderValue::from_static("")),
        ));
    }
    // What the client's connection is about ends here (RFC 9110 §7.6.1).
    let passed = node.passed.iter();
    for name in passed.filter(|name| !is_nominated(&head.headers, name)) {
        let values = head.headers.get_all(name).iter();
        fields.extend(values.map(|value| (name.clone(), value.clone())));
    }
    for (name, template) in &node.headers {
        let value = template.render_header_value(inputs);
        if !value.is_empty() {
            fields.push((name.clone(), value));
        }
    }
    let is_there = |name: &HeaderName| fields.iter().any(|(other, _)| other == name);
    let (has_accept, has_type) = (is_there(&header::ACCEPT), is_there(&header::CONTENT_TYPE));
    if !has_accept && !own(&header::ACCEPT) {
        fields.push((header::ACCEPT, HeaderValue::from_static("application/json")));
    }
    if let Some(content_type) = content_type.filter(|_| !has_type && !own(&header::CONTENT_TYPE)) {
        fields.push((header::CONTENT_TYPE, content_type));
    }
    fields
}

/// A text that looks like JSON: what values bring is escaped as within a JSON string, so that it cannot end one.
fn render_within_json(template: &Template, inputs: &Inputs<'_>) -> String {
    struct Escaped<'i>(&'i Inputs<'i>);
    impl Values for Escaped<'_> {
        fn text<'v>(&'v self, value: &meta::language::Value) -> Option<std::borrow::Cow<'v, str>> {
            let text = self.0.text(value)?;
            let mut quoted = Vec::with_capacity(text.len() + 2);
            push_string(&mut quoted, &text);
            let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            Some(String::from_utf8_lossy(inside).into_owned().into())
        }

        fn client_ip(&self) -> std::net::IpAddr {
            self.0.client_ip()
        }
    }
    template.render(&Escaped(inputs))
}
