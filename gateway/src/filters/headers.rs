//! `headers`: changes to header fields on the way to the backend and on the way to the client.

use http::{HeaderName, HeaderValue};
use meta::{filters, language::Template};
use pingora_http::ResponseHeader;

use super::{Filter, FilterRequest, Verdict};
use crate::edge::Request;

/// Removes, then sets, then adds.
pub(super) struct Headers {
    request: Changes,
    response: Changes,
}

struct Changes {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
    add: Vec<(HeaderName, Value)>,
}

enum Value {
    Fixed(HeaderValue),
    Rendered(Template),
}

impl Value {
    fn of(&self, request: &Request<'_>) -> HeaderValue {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Rendered(template) => template.render_header_value(request),
        }
    }
}

impl Changes {
    fn new(config: filters::HeaderChanges) -> Self {
        let value = |template: Template| match template
            .literal()
            .and_then(|text| HeaderValue::from_str(text).ok())
        {
            Some(fixed) => Value::Fixed(fixed),
            None => Value::Rendered(template),
        };
        Self {
            remove: config.remove.into_iter().map(|name| name.get().clone()).collect(),
            set: config
                .set
                .into_iter()
                .map(|(name, template)| (name.get().clone(), value(template)))
                .collect(),
            add: config
                .add
                .into_iter()
                .map(|(name, template)| (name.get().clone(), value(template)))
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Every value as it is before anything changes, so that the order of the fields does not matter.
    fn values(&self, request: &Request<'_>) -> (Vec<HeaderValue>, Vec<HeaderValue>) {
        let of =
            |changes: &[(HeaderName, Value)]| changes.iter().map(|(_, value)| value.of(request)).collect();
        (of(&self.set), of(&self.add))
    }
}

impl Filter for Headers {
    type Config = filters::Headers;

    fn new(config: filters::Headers) -> Self {
        Self {
            request: Changes::new(config.request),
            response: Changes::new(config.response),
        }
    }

    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        let changes = &self.request;
        if changes.is_empty() {
            return Verdict::GoOn;
        }
        let (set, add) = changes.values(&request.view());
        let head = request.head_mut();
        for name in &changes.remove {
            head.remove_header(name);
        }
        for ((name, _), value) in changes.set.iter().zip(set) {
            let _ = head.insert_header(name.clone(), value);
        }
        for ((name, _), value) in changes.add.iter().zip(add) {
            let _ = head.append_header(name.clone(), value);
        }
        Verdict::GoOn
    }

    fn response(&self, request: &Request<'_>, response: &mut ResponseHeader) {
        let changes = &self.response;
        let (set, add) = changes.values(request);
        for name in &changes.remove {
            response.remove_header(name);
        }
        for ((name, _), value) in changes.set.iter().zip(set) {
            let _ = response.insert_header(name.clone(), value);
        }
        for ((name, _), value) in changes.add.iter().zip(add) {
            let _ = response.append_header(name.clone(), value);
        }
    }
}
