//! `redirect`: sends the client elsewhere.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use meta::filters;

use super::{Answer, Filter, FilterRequest, Verdict};
use crate::{refusal::Refusal, rewrite::rewritten};

/// Renders `to`; the client's query is kept unless `to` has one.
pub(super) struct Redirect(filters::Redirect);

impl Filter for Redirect {
    type Config = filters::Redirect;

    fn new(config: filters::Redirect) -> Self {
        Self(config)
    }

    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        let location = rewritten(&self.0.to, &request.view());
        let Ok(location) = HeaderValue::try_from(location) else {
            return Verdict::Refuse(Refusal::BadRequest);
        };
        let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
        Verdict::Answer(Answer {
            status: self.0.status,
            headers,
            body: Bytes::new(),
        })
    }
}
