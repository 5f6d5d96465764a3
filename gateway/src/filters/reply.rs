//! `reply`: answers by itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use meta::{filters, language::Template};

use super::{Answer, Filter, FilterRequest, Verdict};

/// Renders its header fields and its body for each request.
pub(super) struct Reply(filters::Reply);

impl Filter for Reply {
    type Config = filters::Reply;

    fn new(config: filters::Reply) -> Self {
        Self(config)
    }

    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        let Self(reply) = self;
        let view = request.view();
        let rendered = |template: &Template| match template.literal() {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None => Bytes::from(template.render(&view)),
        };
        let mut headers: HeaderMap = reply
            .headers
            .iter()
            .map(|(name, template)| (name.get().clone(), template.render_header_value(&view)))
            .collect();
        if reply.body.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
        }
        let body = reply.body.as_ref().map(rendered).unwrap_or_default();
        Verdict::Answer(Answer {
            status: reply.status,
            headers,
            body,
        })
    }
}
