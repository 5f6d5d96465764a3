//! The path and query that go on to a backend.

use http::Method;
use meta::language::UrlTemplate;
use pingora_http::RequestHeader;

use crate::edge::Request;

/// What a template makes of a request. Without a `?` in the template the client's query is kept.
pub(crate) fn rewritten(template: &UrlTemplate, request: &Request<'_>) -> String {
    let mut target = String::with_capacity(128);
    template.render_into(&mut target, request);
    if let Some(query) = request.head().uri.query().filter(|_| !template.has_query()) {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// The path and query as the client wrote them. What is returned of a target that is neither origin-form nor `*` nor an `http` URL
/// cannot be sent as HTTP/1.1, and is refused there.
pub(crate) fn as_written(head: &RequestHeader) -> &[u8] {
    let written = head.raw_path();
    if matches!(written.first(), Some(b'/' | b'*')) || !is_url(written) || !head.raw_path_is_utf8() {
        return if written.is_empty() { b"/" } else { written };
    }
    // Of absolute-form the engine keeps the path and query apart; those are sent on (RFC 9112 §3.2.1, and §3.2.4 for OPTIONS).
    let has_path = |url: &[u8]| {
        url.iter()
            .filter(|byte| matches!(byte, b'/' | b'?'))
            .nth(2)
            .is_some()
    };
    if head.method == Method::OPTIONS && !has_path(written) {
        return b"*";
    }
    head.uri
        .path_and_query()
        .map_or(b"/", |path| path.as_str().as_bytes())
}

fn is_url(target: &[u8]) -> bool {
    let begins = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins(b"http://") || begins(b"https://")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn absolute_form_is_sent_on_in_origin_form_and_what_cannot_be_sent_is_left_as_it_is() {
        for (method, written, sent) in [
            ("GET", "/a/../%41?b", "/a/../%41?b"),
            ("GET", "http://h/a/../%41?b", "/a/../%41?b"),
            ("GET", "HTTPS://h:1/a", "/a"),
            ("GET", "http://h", "/"),
            ("GET", "http://h?q", "/?q"),
            ("OPTIONS", "http://h", "*"),
            ("OPTIONS", "http://h/", "/"),
            ("OPTIONS", "*", "*"),
            ("GET", "foo:bar", "foo:bar"),
            ("GET", "ftp://h/a", "ftp://h/a"),
            ("GET", "a.test:80", "a.test:80"),
        ] {
            let head = RequestHeader::build(method, written.as_bytes(), None).unwrap();
            assert_eq!(
                std::str::from_utf8(as_written(&head)).unwrap(),
                sent,
                "{method} {written}"
            );
        }
    }
}
