//! Where a server listens: `host:port` or `[v6]:port`. A name is only kept here; the data plane resolves it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A server's address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// An address that needs no resolving.
    Ip(SocketAddr),
    /// A DNS name and a port; it may stand for many addresses, and for others tomorrow.
    Name(String, u16),
}

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address: {why}; write host:port or [v6]:port, as in \"10.0.0.1:8080\" or \"[::1]:8080\""
)]
pub struct BadAddress {
    text: String,
    why: &'static str,
}

impl Address {
    /// The port, 1 to 65535.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress {
            text: text.chars().take(300).collect(),
            why,
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("the port is missing"))?;
        let all_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|&port| all_digits && port != 0);
        let port = port.ok_or_else(|| bad("the port is no number from 1 to 65535"))?;
        if let Some(v6) = host.strip_prefix('[') {
            let v6 = v6.strip_suffix(']').and_then(|v6| v6.parse().ok());
            let v6 = v6.ok_or_else(|| bad("what stands in brackets is no IPv6 address"))?;
            return Ok(Self::Ip(SocketAddr::new(IpAddr::V6(v6), port)));
        }
        if let Ok(v4) = host.parse() {
            return Ok(Self::Ip(SocketAddr::new(IpAddr::V4(v4), port)));
        }
        name_fault(host).map_or_else(
            || Ok(Self::Name(host.to_ascii_lowercase(), port)),
            |why| Err(bad(why)),
        )
    }
}

/// Why `host` is no DNS name (RFC 1123 §2.1, with "_" allowed as service registries use it).
fn name_fault(host: &str) -> Option<&'static str> {
    let label_is_good = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.is_empty() {
        Some("the host is missing")
    } else if host.contains(':') {
        Some("an IPv6 address stands in brackets")
    } else if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        Some("the host is no IPv4 address")
    } else if host.len() > 253 || !host.trim_end_matches('.').split('.').all(label_is_good) {
        Some("the host is no DNS name")
    } else {
        None
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": ":[0-9]{1,5}$",
            "description": "host:port or [v6]:port; a name is resolved in the background and all its addresses are used.",
            "examples": ["127.0.0.1:9001", "[::1]:9001", "users.internal:8080"]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in [
            "127.0.0.1:9001",
            "[::1]:80",
            "users-1.internal:8080",
            "localhost:1",
            "a_b.c:65535",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, why) in [
            ("localhost", "the port is missing"),
            (":80", "the host is missing"),
            ("a:0", "the port is no number"),
            ("a:65536", "the port is no number"),
            ("a:+1", "the port is no number"),
            ("::1:80", "an IPv6 address stands in brackets"),
            ("[::g]:80", "no IPv6 address"),
            ("256.1.1.1:80", "no IPv4 address"),
            ("a b:80", "no DNS name"),
            ("http://a:80", "IPv6 address stands in brackets"),
            ("-a:80", "no DNS name"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
