//! What a backend is told about a request: the client's fields without those of the client's connection, who the client is, and the
//! request's id.

use std::{fmt::Write as _, io::Write as _, net::IpAddr};

use http::{HeaderName, HeaderValue, header};
use pingora_http::RequestHeader;

use super::request::host_of;
use crate::exchange::{HeadWriter, RequestFault};

/// The id of a request, in both directions.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The fields of a request that are about one connection (RFC 9110 §7.6.1), that the exchange writes, or that stand below anew.
const NOT_FORWARDED: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    X_REQUEST_ID,
];

/// The id of a request: what the client sent if it is sane, else made here. It goes to the backend and back to the client.
#[derive(Clone, Debug)]
pub(crate) enum RequestId {
    /// The client's or an earlier gateway's.
    Given(HeaderValue),
    /// 128 random bits in hexadecimal.
    Made([u8; 32]),
}

impl RequestId {
    /// Keeps an id of 1 to 128 letters, digits and `-_.:+/=@`; makes one otherwise.
    pub(crate) fn of(head: &RequestHeader) -> Self {
        let sane = |value: &&HeaderValue| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(plain)
        };
        let mut given = head.headers.get_all(X_REQUEST_ID).iter();
        match (given.next().filter(sane), given.next()) {
            (Some(id), None) => Self::Given(id.clone()),
            _ => Self::Made(hexadecimal(fastrand::u128(..))),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Given(id) => id.as_bytes(),
            Self::Made(digits) => digits,
        }
    }

    /// The id as a field's value.
    pub(crate) fn to_value(&self) -> HeaderValue {
        match self {
            Self::Given(id) => id.clone(),
            Self::Made(digits) => {
                HeaderValue::from_bytes(digits).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
            }
        }
    }
}

fn hexadecimal(mut bits: u128) -> [u8; 32] {
    let mut digits = [b'0'; 32];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(bits & 15) as usize];
        bits >>= 4;
    }
    digits
}

/// Everything needed to write a request's fields for a backend.
pub(crate) struct Forwarding<'a> {
    pub(crate) head: &'a RequestHeader,
    pub(crate) id: &'a RequestId,
    /// The address of whoever is connected to us.
    pub(crate) peer: IpAddr,
    /// Whether that one is a trusted proxy, whose chain is continued.
    pub(crate) peer_is_trusted: bool,
}

impl Forwarding<'_> {
    /// Writes the fields. Several `X-Forwarded-For` lines become one.
    pub(crate) fn write(&self, to: &mut HeadWriter<'_>) -> Result<(), RequestFault> {
        let headers = &self.head.headers;
        // The target's authority stands above a `Host` that differs (RFC 9112 §3.2.2).
        let authority = self
            .head
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        if let Some(authority) = authority {
            to.header(b"host", authority)?;
        } else if !headers.contains_key(header::HOST) {
            // Possible in HTTP/1.0; HTTP/1.1 wants the field all the same (RFC 9112 §3.2).
            to.header(b"host", b"")?;
        }
        let nominated = headers.get(header::CONNECTION);
        for (name, value) in headers {
            let left_out = match name == header::HOST {
                true => authority.is_some(),
                false => NOT_FORWARDED.contains(name) || nominated.is_some() && is_nominated(headers, name),
            };
            if !left_out {
                to.field(name, value)?;
            }
        }
        self.write_caller(to)
    }

    /// Writes only who is called for and the request's id.
    pub(crate) fn write_caller(&self, to: &mut HeadWriter<'_>) -> Result<(), RequestFault> {
        self.write_chain(to)?;
        to.header(b"x-request-id", self.id.as_bytes())
    }

    fn write_chain(&self, to: &mut HeadWriter<'_>) -> Result<(), RequestFault> {
        let headers = &self.head.headers;
        let given = |name: &HeaderName| {
            headers
                .get(name)
                .filter(|_| self.peer_is_trusted)
                .map(HeaderValue::as_bytes)
        };
        let mut peer = Short::default();
        peer.write_address(self.peer);
        if self.peer_is_trusted && headers.contains_key(X_FORWARDED_FOR) {
            let mut chain = String::new();
            for line in headers
                .get_all(X_FORWARDED_FOR)
                .iter()
                .filter_map(|line| line.to_str().ok())
            {
                let _ = write!(chain, "{line}, ");
            }
            let chain = [chain.as_bytes(), peer.as_bytes()].concat();
            to.header(b"x-forwarded-for", &chain)?;
        } else {
            to.header(b"x-forwarded-for", peer.as_bytes())?;
        }
        let (proto, host) = match self.peer_is_trusted {
            true => (given(&X_FORWARDED_PROTO), given(&X_FORWARDED_HOST)),
            false => (None, None),
        };
        to.header(b"x-forwarded-proto", proto.unwrap_or(b"http"))?;
        to.header(
            b"x-forwarded-host",
            host.unwrap_or_else(|| host_of(self.head).as_bytes()),
        )
    }
}

/// Whether `Connection` names the field (RFC 9110 §7.6.1). What the gateway itself goes by cannot be taken away like that.
pub(crate) fn is_nominated(headers: &http::HeaderMap, name: &HeaderName) -> bool {
    let lines = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(name.as_str()))
}

/// Text of at most 64 bytes without allocation: an address has at most 45.
#[derive(Default)]
struct Short {
    bytes: [[u8; 32]; 2],
    length: usize,
}

impl Short {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes.as_flattened()[..self.length]
    }

    /// As `Display`, at a fifth of its cost for IPv4.
    fn write_address(&mut self, address: IpAddr) {
        let IpAddr::V4(address) = address else {
            let _ = write!(self, "{address}");
            return;
        };
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.as_flattened_mut().get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut room = &mut self.bytes.as_flattened_mut()[self.length..];
        room.write_all(text.as_bytes()).map_err(|_| std::fmt::Error)?;
        self.length += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::exchange::RequestBody;
    use bytes::BytesMut;

    fn written(headers: &[(&'static str, &str)], peer_is_trusted: bool) -> String {
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in headers {
            head.append_header(*name, *value).unwrap();
        }
        let id = RequestId::of(&head);
        let peer = "192.0.2.7".parse().unwrap();
        let mut out = BytesMut::new();
        let mut writer = HeadWriter::begin(&mut out, &http::Method::GET, b"/").unwrap();
        Forwarding {
            head: &head,
            id: &id,
            peer,
            peer_is_trusted,
        }
        .write(&mut writer)
        .unwrap();
        let _ = writer.finish(RequestBody::None);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in ["0.0.0.0", "1.20.255.100", "99.9.10.109", "::1", "2001:db8::1"] {
            let mut short = Short::default();
            short.write_address(text.parse().unwrap());
            assert_eq!(short.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn fields_of_the_clients_connection_are_not_forwarded() {
        let text = written(
            &[
                ("host", "a"),
                ("connection", "close, X-Secret"),
                ("x-secret", "s"),
                ("keep-alive", "timeout=5"),
                ("proxy-authorization", "p"),
                ("te", "trailers"),
                ("upgrade", "websocket"),
                ("x-kept", "k"),
            ],
            false,
        );
        for gone in [
            "x-secret",
            "keep-alive",
            "proxy-authorization",
            "te:",
            "upgrade",
            "close",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        assert!(
            text.contains("x-kept: k\r\n") && text.contains("host: a\r\n"),
            "{text}"
        );
    }

    #[test]
    fn a_chain_is_continued_for_a_trusted_peer_and_replaced_for_others() {
        let headers = [
            ("host", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
        ];
        let trusted = written(&headers, true);
        assert!(
            trusted.contains("x-forwarded-for: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\n"),
            "{trusted}"
        );
        assert!(trusted.contains("x-forwarded-proto: https\r\n"), "{trusted}");
        let untrusted = written(&headers, false);
        assert!(
            untrusted.contains("x-forwarded-for: 192.0.2.7\r\n"),
            "{untrusted}"
        );
        assert!(untrusted.contains("x-forwarded-proto: http\r\n"), "{untrusted}");
        assert_eq!(untrusted.matches("x-forwarded-for").count(), 1);
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_is_made_anew() {
        assert!(
            written(&[("host", "a"), ("x-request-id", "abc-1")], false).contains("x-request-id: abc-1\r\n")
        );
        for insane in ["", "a b", "\u{e9}", &"x".repeat(129)] {
            let text = written(&[("host", "a"), ("x-request-id", insane)], false);
            let id = text
                .split("x-request-id: ")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap();
            assert!(
                id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{insane:?}: {id}"
            );
        }
        let twice = written(
            &[("host", "a"), ("x-request-id", "a"), ("x-request-id", "b")],
            false,
        );
        assert_eq!(twice.matches("x-request-id").count(), 1, "{twice}");
    }
}
