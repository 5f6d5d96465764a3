//! Which hosts a route answers for.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{PatternError, normal_host, spelled_as_text};

/// The longest name DNS knows (RFC 1035 §2.3.4), without the trailing dot.
const MAX_BYTES: usize = 253;

/// `api.example.com` is that host; `*.example.org` is every host one or more labels below `example.org`.
///
/// Held as it is compared: in lower case, without trailing dot. IPv4 and `[IPv6]` literals are exact hosts. A name in
/// another script is written in punycode (`xn--…`), which is what clients send.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    text: Box<str>,
}

impl HostPattern {
    /// The pattern in normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `example.org` of `*.example.org`; nothing if the pattern is one exact host.
    pub fn wildcard_suffix(&self) -> Option<&str> {
        self.text.strip_prefix("*.")
    }

    /// Whether a host in normal form (see [`normal_host`]) is meant. Hosts above 253 bytes never are.
    pub fn matches(&self, host: &str) -> bool {
        let Some(suffix) = self.wildcard_suffix() else {
            return host == self.as_str();
        };
        let below = host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.'));
        host.len() <= MAX_BYTES && below.is_some_and(|labels| !labels.is_empty())
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if let Some((at, _)) = text.char_indices().find(|(_, character)| !character.is_ascii()) {
            return Err(PatternError::at(
                text,
                at,
                "a host is ASCII: write other scripts in punycode (xn--…)",
            ));
        }
        if text.starts_with('[') {
            return address(text);
        }
        if let Some(at) = text.find(':') {
            return Err(PatternError::at(
                text,
                at,
                "a host has no port here: every port matches",
            ));
        }
        if text == "*" {
            return Err(PatternError::at(
                text,
                0,
                "leave the hosts out to match every host",
            ));
        }
        let (name, start) = match text.strip_prefix("*.") {
            Some(name) => (name, 2),
            None => (text, 0),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.len() > MAX_BYTES {
            return Err(PatternError::at(
                text,
                start + MAX_BYTES,
                "a host has at most 253 characters",
            ));
        }
        check_labels(text, name, start)?;
        Ok(HostPattern {
            text: text[..start + name.len()].to_ascii_lowercase().into(),
        })
    }
}

spelled_as_text!(
    HostPattern,
    "A host: `api.example.com`, or `*.example.org` for every host below example.org.",
    r"^(\*\.)?[A-Za-z0-9._-]+$|^\[[0-9A-Fa-f:.]+\]$"
);

/// A bracketed IPv6 literal.
fn address(text: &str) -> Result<HostPattern, PatternError> {
    let Some((inside, rest)) = text[1..].split_once(']') else {
        return Err(PatternError::at(text, text.len(), "`]` is missing"));
    };
    if inside.parse::<Ipv6Addr>().is_err() {
        return Err(PatternError::at(text, 1, "not an IPv6 address"));
    }
    if !rest.is_empty() {
        return Err(PatternError::at(
            text,
            inside.len() + 2,
            "a host has no port here: every port matches",
        ));
    }
    Ok(HostPattern {
        text: normal_host(text).into(),
    })
}

/// Checks the labels of `name`, which begins at byte `start` of `text`.
fn check_labels(text: &str, name: &str, start: usize) -> Result<(), PatternError> {
    let mut at = start;
    for label in name.split('.') {
        let wrong = |byte: u8| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if label.is_empty() {
            return Err(PatternError::at(text, at, "a label is empty"));
        }
        if label.len() > 63 {
            return Err(PatternError::at(text, at, "a label has at most 63 characters"));
        }
        if let Some(offset) = label.bytes().position(wrong) {
            let message = match label.as_bytes()[offset] {
                b'*' => "`*` stands only for the first labels, as in `*.example.org`",
                _ => "not a character of a host name",
            };
            return Err(PatternError::at(text, at + offset, message));
        }
        at += label.len() + 1;
    }
    let is_numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if name.rsplit('.').next().is_some_and(is_numeric) && (start > 0 || name.parse::<Ipv4Addr>().is_err()) {
        return Err(PatternError::at(text, start, "not an IPv4 address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_are_held_in_normal_form() {
        for (text, normal) in [
            ("API.Example.com", "api.example.com"),
            ("example.com.", "example.com"),
            ("*.Example.ORG.", "*.example.org"),
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
            ("[0:0::1]", "[::1]"),
            ("my_service.internal", "my_service.internal"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host(text).as_str(), normal);
            assert_eq!(serde_json::to_value(host(text)).unwrap(), normal);
        }
    }

    #[test]
    fn a_wildcard_is_one_or_more_labels_below() {
        let wildcard = host("*.example.org");
        assert!(wildcard.matches("a.example.org"));
        assert!(wildcard.matches("a.b.example.org"));
        for no in [
            "example.org",
            ".example.org",
            "badexample.org",
            "a.example.org.evil.com",
        ] {
            assert!(!wildcard.matches(no), "{no}");
        }
        assert!(!wildcard.matches(&format!("{}.example.org", "a.".repeat(200))));
    }

    #[test]
    fn wrong_hosts_are_refused_with_their_position() {
        for (text, error) in [
            (
                "example.com:80",
                "a host has no port here: every port matches at character 12",
            ),
            (
                "[::1]:80",
                "a host has no port here: every port matches at character 6",
            ),
            (
                "bücher.example",
                "a host is ASCII: write other scripts in punycode (xn--…) at character 2",
            ),
            ("*", "leave the hosts out to match every host at character 1"),
            (
                "a.*.com",
                "`*` stands only for the first labels, as in `*.example.org` at character 3",
            ),
            (
                "*a.com",
                "`*` stands only for the first labels, as in `*.example.org` at character 1",
            ),
            ("a..b", "a label is empty at character 3"),
            ("", "a label is empty at character 1"),
            ("a/b", "not a character of a host name at character 2"),
            ("256.1.1.1", "not an IPv4 address at character 1"),
            ("*.1.2.3.4", "not an IPv4 address at character 3"),
            ("[::g]", "not an IPv6 address at character 2"),
            ("[::1", "`]` is missing at character 5"),
        ] {
            assert_eq!(
                text.parse::<HostPattern>().unwrap_err().to_string(),
                error,
                "{text}"
            );
        }
        assert!("a".repeat(64).parse::<HostPattern>().is_err());
        assert!("a.".repeat(130).parse::<HostPattern>().is_err());
    }
}
