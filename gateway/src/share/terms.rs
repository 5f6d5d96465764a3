//! `terms`: what the configuration says of sharing, in the form that requests ask.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use meta::{
    language::{Value, Values},
    model,
};

use super::{
    Concurrent,
    freshness::Rule,
    key::{Key, KeyBuilder},
};

/// The fields by which backends choose between representations (RFC 9110 §12.5); always part of a key.
const NEGOTIATED: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE];

/// How the answers of a route or a node are shared.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) rule: Rule,
    pub(crate) concurrent: Concurrent,
    /// The fields that are part of the key.
    pub(crate) keyed: Box<[HeaderName]>,
    /// The other values that are.
    values: Box<[Value]>,
}

impl Terms {
    /// `None` if nothing is shared.
    pub(crate) fn new(cache: Option<&model::Cache>, coalesce: &model::Coalesce) -> Option<Self> {
        let coalesce = match coalesce {
            model::Coalesce::Off => None,
            model::Coalesce::On(key) => Some(key),
        };
        if cache.is_none() && coalesce.is_none() {
            return None;
        }
        let of_cache = cache.iter().flat_map(|cache| &cache.key);
        let of_coalesce = coalesce.iter().flat_map(|coalesce| &coalesce.key);
        let (mut keyed, mut values) = (NEGOTIATED.to_vec(), Vec::new());
        for model::HashKey(value) in of_cache.chain(of_coalesce) {
            match value {
                Value::Header(name) if keyed.contains(name) => {}
                Value::Header(name) => keyed.push(name.clone()),
                value if values.contains(value) => {}
                value => values.push(value.clone()),
            }
        }
        let span = |span: model::TtlSpan| -> Duration { span.get().get() };
        Some(Self {
            rule: Rule {
                ttl: cache.map_or(Duration::ZERO, |cache| span(cache.ttl)),
                stale_if_error: cache
                    .and_then(|cache| cache.stale_if_error)
                    .map_or(Duration::ZERO, span),
                keep_authorized: cache.is_some_and(|cache| cache.share_authorized)
                    || coalesce.is_some_and(|coalesce| coalesce.share_authorized),
                keep_cookies: cache.is_some_and(|cache| cache.share_cookies)
                    || coalesce.is_some_and(|coalesce| coalesce.share_cookies),
            },
            concurrent: match coalesce {
                Some(_) => Concurrent::Coalesced,
                None => Concurrent::Separate,
            },
            keyed: keyed.into(),
            values: values.into(),
        })
    }

    /// Whether the key is made of the path's parameters.
    pub(crate) fn reads_params(&self) -> bool {
        self.values.iter().any(|value| matches!(value, Value::Param(_)))
    }

    /// Whether the answer to a request with these fields may be another one's. A cookie that nothing is known of may stand for a
    /// person.
    pub(crate) fn cover(&self, headers: &HeaderMap) -> bool {
        let named = self.values.iter().any(|value| matches!(value, Value::Cookie(_)));
        self.rule.keep_cookies
            || named
            || self.keyed.contains(&header::COOKIE)
            || !headers.contains_key(header::COOKIE)
    }

    /// What makes a request the same as another one: `of` says what is asked and whom, `headers` are those the backend gets.
    pub(crate) fn key<V: Values>(&self, of: &[&[u8]], headers: &HeaderMap, values: &V) -> Key {
        let mut key = KeyBuilder::new();
        for part in of {
            key = key.part(part);
        }
        key = key.headers(&self.keyed, headers);
        for value in &self.values {
            key = match values.text(value) {
                Some(text) => key.part(b"1").part(text.as_bytes()),
                None => key.part(b"0"),
            };
        }
        key.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        borrow::Cow,
        net::{IpAddr, Ipv4Addr},
    };

    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    /// A request with one parameter and one cookie.
    struct Asking(&'static str, Option<&'static str>);

    impl Values for Asking {
        fn text<'v>(&'v self, value: &Value) -> Option<Cow<'v, str>> {
            match value {
                Value::Param(_) => Some(Cow::Borrowed(self.0)),
                Value::Cookie(_) => self.1.map(Cow::Borrowed),
                _ => None,
            }
        }

        fn client_ip(&self) -> IpAddr {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
    }

    fn terms(cache: serde_json::Value) -> Terms {
        let cache: model::Cache = serde_json::from_value(cache).unwrap();
        Terms::new(Some(&cache), &model::Coalesce::Off).unwrap()
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn nothing_is_shared_unless_the_configuration_says_so() {
        assert!(Terms::new(None, &model::Coalesce::Off).is_none());
        let on: model::Coalesce = serde_json::from_value(json!(true)).unwrap();
        let coalesced = Terms::new(None, &on).unwrap();
        assert_eq!(coalesced.concurrent, Concurrent::Coalesced);
        assert!(!coalesced.rule.keeps());
        assert_eq!(terms(json!({ "ttl": "5s" })).concurrent, Concurrent::Separate);
    }

    #[test]
    fn a_cookie_keeps_a_request_to_itself_unless_it_is_named_or_shared() {
        let cookie = headers(&[("cookie", "session=1")]);
        assert!(terms(json!({ "ttl": "5s" })).cover(&headers(&[])));
        assert!(!terms(json!({ "ttl": "5s" })).cover(&cookie));
        for told in [
            json!({ "ttl": "5s", "share_cookies": true }),
            json!({ "ttl": "5s", "key": ["cookie.group"] }),
            json!({ "ttl": "5s", "key": ["header.cookie"] }),
        ] {
            assert!(terms(told).cover(&cookie));
        }
    }

    #[test]
    fn requests_are_the_same_by_target_negotiation_and_named_values() {
        let terms = terms(json!({ "ttl": "5s", "key": ["header.x-tenant", "param.id", "cookie.group"] }));
        let key = |target: &str, fields: &[(&'static str, &'static str)], values: Asking| {
            terms.key(&[b"route", target.as_bytes()], &headers(fields), &values)
        };
        let plain = key("/a", &[], Asking("1", None));
        assert_eq!(
            key(
                "/a",
                &[("x-other", "1"), ("x-request-id", "2")],
                Asking("1", None)
            ),
            plain
        );
        for other in [
            key("/b", &[], Asking("1", None)),
            key("/a", &[("accept", "text/html")], Asking("1", None)),
            key("/a", &[("accept-language", "de")], Asking("1", None)),
            key("/a", &[("x-tenant", "t")], Asking("1", None)),
            key("/a", &[], Asking("2", None)),
            key("/a", &[], Asking("1", Some(""))),
        ] {
            assert_ne!(other, plain);
        }
    }
}
