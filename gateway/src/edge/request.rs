//! A request as routes, conditions and templates see it.

use std::{borrow::Cow, net::IpAddr};

use meta::{
    language::{Value, Values},
    pattern::{MergeSlashes, normal_host, normal_path},
};
use pingora_http::RequestHeader;

use crate::router::Params;

/// A request's head together with what was found out about it. Borrows everything it can.
pub struct Request<'a> {
    head: &'a RequestHeader,
    client: IpAddr,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    params: ParamsOf<'a>,
}

enum ParamsOf<'a> {
    None,
    Saved(&'a SavedParams),
}

/// The parameters of a match that outlive the lookup.
#[derive(Clone, Debug, Default)]
pub struct SavedParams(Vec<SavedParam>);

#[derive(Clone, Debug)]
struct SavedParam {
    name: Box<str>,
    value: Box<str>,
    tail: bool,
}

impl SavedParams {
    /// Keeps what a lookup found.
    pub fn new(params: &Params<'_, '_>) -> Self {
        let saved = params.iter().map(|(name, value)| SavedParam {
            name: name.into(),
            value: value.into(),
            tail: params.is_tail(name),
        });
        Self(saved.collect())
    }
}

impl<'a> Request<'a> {
    /// Views a request's head. `client` is the client's address.
    pub fn new(head: &'a RequestHeader, client: IpAddr, slashes: MergeSlashes) -> Self {
        Self {
            head,
            client,
            host: normal_host(host_of(head)),
            path: normal_path(head.uri.path(), slashes),
            params: ParamsOf::None,
        }
    }

    /// The same with the parameters of its match.
    pub fn with_params(self, params: &'a SavedParams) -> Self {
        Self {
            params: ParamsOf::Saved(params),
            ..self
        }
    }

    /// The head as the client sent it.
    pub fn head(&self) -> &'a RequestHeader {
        self.head
    }

    /// The host and port as the client wrote them; empty if there is none.
    pub(crate) fn authority(&self) -> &'a str {
        host_of(self.head)
    }

    /// The host in normal form, without the port; empty if there is none.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path in normal form.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same request with the parameters of a candidate.
    pub(crate) fn candidate<'c>(&'c self, params: &'c Params<'c, 'c>) -> Candidate<'c> {
        Candidate {
            request: self,
            params,
        }
    }

    /// A value that does not depend on the match.
    fn plain(&self, value: &Value) -> Option<Cow<'_, str>> {
        match value {
            Value::Header(name) => header(self.head, name),
            Value::Cookie(name) => cookie(self.head, name),
            Value::Query(name) => query(self.head.uri.query()?, name),
            Value::QueryString => self.head.uri.query().map(Cow::Borrowed),
            Value::Method => Some(Cow::Borrowed(self.head.method.as_str())),
            Value::Host => Some(Cow::Borrowed(&self.host)),
            Value::Path => Some(Cow::Borrowed(&self.path)),
            Value::ClientIp => Some(Cow::Owned(self.client.to_string())),
            Value::Scheme => Some(Cow::Borrowed("http")),
            Value::Param(_) | Value::Body(_) | Value::Node { .. } => None,
        }
    }
}

impl Values for Request<'_> {
    fn text<'v>(&'v self, value: &Value) -> Option<Cow<'v, str>> {
        match (value, &self.params) {
            (Value::Param(name), ParamsOf::Saved(SavedParams(params))) => {
                let param = params.iter().find(|param| param.name == *name)?;
                Some(if param.tail {
                    Cow::Borrowed(&*param.value)
                } else {
                    decoded(&param.value)
                })
            }
            _ => self.plain(value),
        }
    }

    fn client_ip(&self) -> IpAddr {
        self.client
    }

    fn param_is_tail(&self, name: &str) -> bool {
        match &self.params {
            ParamsOf::None => false,
            ParamsOf::Saved(SavedParams(params)) => {
                params.iter().any(|param| *param.name == *name && param.tail)
            }
        }
    }
}

/// A request while the router tries an entry on it.
pub(crate) struct Candidate<'c> {
    request: &'c Request<'c>,
    params: &'c Params<'c, 'c>,
}

impl Values for Candidate<'_> {
    fn text<'v>(&'v self, value: &Value) -> Option<Cow<'v, str>> {
        match value {
            Value::Param(name) if self.params.is_tail(name) => self.params.get(name).map(Cow::Borrowed),
            Value::Param(name) => self.params.get(name).map(decoded),
            _ => self.request.plain(value),
        }
    }

    fn client_ip(&self) -> IpAddr {
        self.request.client
    }

    fn param_is_tail(&self, name: &str) -> bool {
        self.params.is_tail(name)
    }
}

/// The target's authority in absolute-form and HTTP/2, else `Host`; empty if there is neither.
pub(crate) fn host_of(head: &RequestHeader) -> &str {
    if let Some(authority) = head.uri.authority() {
        return authority.as_str();
    }
    head.headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("")
}

/// All fields of that name, joined as RFC 9110 §5.3 says.
fn header<'h>(head: &'h RequestHeader, name: &http::HeaderName) -> Option<Cow<'h, str>> {
    let mut fields = head
        .headers
        .get_all(name)
        .iter()
        .map(|field| String::from_utf8_lossy(field.as_bytes()));
    let first = fields.next()?;
    Some(fields.fold(first, |all, field| Cow::Owned(format!("{all}, {field}"))))
}

/// The first cookie of that name (RFC 6265 §4.2).
fn cookie<'h>(head: &'h RequestHeader, name: &str) -> Option<Cow<'h, str>> {
    let lines = head
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(other, _)| *other == name)
        .map(|(_, value)| Cow::Borrowed(value.trim_matches('"')))
}

/// The first parameter of that name, decoded; a name without `=` has the empty value.
fn query<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .find(|(other, _)| form_decoded(other) == name)
        .map(|(_, value)| form_decoded(value))
}

/// Percent-decoded, and `+` is a space (WHATWG URL, `application/x-www-form-urlencoded`).
fn form_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return decoded(text);
    }
    let spaced = text.replace('+', " ");
    let whole = match decoded(&spaced) {
        Cow::Owned(whole) => Some(whole),
        Cow::Borrowed(_) => None,
    };
    Cow::Owned(whole.unwrap_or(spaced))
}

/// Percent-decoded; escapes that are none stay, bytes that are no UTF-8 are replaced.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|digits| {
                let digits = std::str::from_utf8(digits)
                    .ok()
                    .filter(|d| d.bytes().all(|d| d.is_ascii_hexdigit()))?;
                u8::from_str_radix(digits, 16).ok()
            });
        out.push(escape.unwrap_or(byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    let text = String::from_utf8(out);
    Cow::Owned(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(target: &str, headers: &[(&'static str, &str)], value: &str) -> Option<String> {
        let mut head = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        for (name, field) in headers {
            head.append_header(*name, *field).unwrap();
        }
        let request = Request::new(&head, "192.0.2.7".parse().unwrap(), MergeSlashes::No);
        request.text(&Value::parse(value).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn values_are_what_the_client_said() {
        let headers = [
            ("host", "Example.COM:8080"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("cookie", "a=1; group=b"),
            ("cookie", "c=\"q\""),
        ];
        for (value, expected) in [
            ("method", Some("GET")),
            ("host", Some("example.com")),
            ("path", Some("/a/c")),
            ("query", Some("x=1&y=a%20b+c&x=2&z&%71=7")),
            ("query.x", Some("1")),
            ("query.y", Some("a b c")),
            ("query.z", Some("")),
            ("query.q", Some("7")),
            ("query.none", None),
            ("header.x-a", Some("1, 2")),
            ("header.X-A", Some("1, 2")),
            ("header.x-b", None),
            ("cookie.group", Some("b")),
            ("cookie.c", Some("q")),
            ("cookie.b", None),
            ("client_ip", Some("192.0.2.7")),
            ("scheme", Some("http")),
            ("param.id", None),
        ] {
            let got = text("/a/b/../c?x=1&y=a%20b+c&x=2&z&%71=7", &headers, value);
            assert_eq!(got.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn broken_escapes_and_bytes_that_are_no_text_do_no_harm() {
        for (raw, expected) in [
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%+1", "%+1"),
            ("%41%ff", "A\u{fffd}"),
        ] {
            assert_eq!(decoded(raw), expected, "{raw}");
        }
    }
}
