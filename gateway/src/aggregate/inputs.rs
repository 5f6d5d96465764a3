//! What a node's call, a condition and the response can read: the request, the client's body, and the answers that are there.

use std::{borrow::Cow, net::IpAddr};

use meta::language::{JsonPart, JsonTemplate, UrlTemplate, Value, Values};

use super::{
    json::{Json, Raw, push_string},
    node::Node,
};
use crate::edge::Request;

/// Everything values can be read of.
pub(crate) struct Inputs<'a> {
    pub(crate) request: &'a Request<'a>,
    /// The client's body, where anything reads it.
    pub(crate) body: Option<&'a Json>,
    pub(crate) nodes: &'a [std::sync::Arc<Node>],
    /// What stands for each node that is done, in the order of `nodes`.
    pub(crate) answers: &'a [Option<Json>],
}

impl Inputs<'_> {
    /// The part of the client's body or of an answer that a value means.
    fn raw(&self, value: &Value) -> Option<Raw<'_>> {
        match value {
            Value::Body(path) => self.body?.find(path),
            Value::Node { name, path } => {
                let at = self.nodes.iter().position(|node| node.name == *name)?;
                self.answers.get(at)?.as_ref()?.find(path)
            }
            _ => None,
        }
    }

    /// The URL, unless it needs a value of a node that is not there or null: what would be asked then is something else.
    pub(crate) fn target(&self, url: &UrlTemplate) -> Option<String> {
        let of_node = |value: &Value| matches!(value, Value::Node { .. });
        let mut values = url.values();
        if values.any(|(_, value)| of_node(value) && self.text(value).is_none()) {
            return None;
        }
        let mut target = String::with_capacity(64);
        url.render_into(&mut target, self);
        Some(target)
    }

    /// The JSON that a template makes.
    pub(crate) fn render(&self, template: &JsonTemplate) -> Vec<u8> {
        let parts = template.parts();
        let length = |part: &JsonPart| match part {
            JsonPart::Text(text) => text.len(),
            JsonPart::Value(value) => self.raw(value).map_or(16, |raw| raw.as_bytes().len()),
            JsonPart::Quoted(_) => 64,
        };
        let mut out = Vec::with_capacity(parts.iter().map(length).sum());
        for part in parts {
            match part {
                JsonPart::Text(text) => out.extend_from_slice(text.as_bytes()),
                JsonPart::Value(value @ (Value::Body(_) | Value::Node { .. })) => {
                    out.extend_from_slice(self.raw(value).map_or(b"null", |raw| raw.as_bytes()));
                }
                JsonPart::Value(value) => match self.request.text(value) {
                    Some(text) => push_string(&mut out, &text),
                    None => out.extend_from_slice(b"null"),
                },
                JsonPart::Quoted(text) => push_string(&mut out, &text.render(self)),
            }
        }
        out
    }
}

impl Values for Inputs<'_> {
    fn text<'v>(&'v self, value: &Value) -> Option<Cow<'v, str>> {
        match value {
            Value::Body(_) | Value::Node { .. } => self.raw(value)?.text(),
            _ => self.request.text(value),
        }
    }

    fn client_ip(&self) -> IpAddr {
        self.request.client_ip()
    }

    fn param_is_tail(&self, name: &str) -> bool {
        self.request.param_is_tail(name)
    }
}
