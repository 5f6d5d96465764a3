//! The normal form of paths and hosts: two spellings of one address become the same text.
//!
//! Only matching uses it; what is forwarded is what the client wrote. Normalising twice is the same as once.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// Whether `//` in a path counts as `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeSlashes {
    /// `/a//b` has an empty segment and differs from `/a/b`.
    #[default]
    No,
    /// `/a//b` is `/a/b`.
    Yes,
}

/// The normal form of a request's path (without its query).
///
/// Dot segments are resolved (RFC 3986 §5.2.4, also when written `%2e`) and never lead above the root; escapes of
/// unreserved characters are decoded; other escapes stay, in upper case, so an encoded slash remains distinct from
/// a slash; whatever may not stand in a path as it is (non-ASCII, spaces, `"`, `|`, `?` …) is percent-encoded. A `%`
/// without two hexadecimal digits is ordinary text, and nothing behind it is decoded that would complete it.
/// The empty path is `/`; a text not beginning with `/` (`OPTIONS *`) is left alone.
///
/// Borrows when nothing changes, which a table-driven scan finds out.
pub fn normal_path(path: &str, merge_slashes: MergeSlashes) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    if !path.starts_with('/') || is_normal(path.as_bytes(), merge_slashes) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(rebuild(&path[1..], merge_slashes))
}

/// The normal form of a `Host` header or an authority: without port and trailing dot, in lower case.
///
/// An IPv6 literal keeps its brackets and takes its canonical spelling (RFC 5952).
pub fn normal_host(host: &str) -> Cow<'_, str> {
    if let Some(literal) = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(inside, _)| inside)
    {
        let written = &host[..literal.len() + 2];
        return match literal.parse::<Ipv6Addr>().map(|address| format!("[{address}]")) {
            Ok(canonical) if canonical != written => Cow::Owned(canonical),
            _ => Cow::Borrowed(written),
        };
    }
    let name = match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

/// Appends the normal form of the text between two slashes. Dot segments are the caller's.
pub(super) fn push_segment(out: &mut String, segment: &str) {
    let start = out.len();
    let mut broken_escape = None;
    let mut bytes = segment.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        match (byte, escaped_byte(rest)) {
            (b'%', None) => {
                broken_escape = Some(out.len());
                out.push('%');
            }
            (b'%', Some(escaped)) => {
                bytes = &rest[2..];
                let completes =
                    escaped.is_ascii_hexdigit() && completes_escape(&out[start..], broken_escape, start);
                if class(escaped) == Class::Unreserved && !completes {
                    out.push(char::from(escaped));
                } else {
                    push_escaped(out, escaped);
                }
            }
            (byte, _) if class(*byte) == Class::Illegal => push_escaped(out, *byte),
            (byte, _) => out.push(char::from(*byte)),
        }
    }
}

/// Decodes every escape of a segment into `buffer`; `None` if it does not fit or the result is not UTF-8.
pub(super) fn decode<'b>(segment: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
    let mut length = 0;
    let mut bytes = segment.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        let mut decoded = *byte;
        if let (b'%', Some(escaped)) = (byte, escaped_byte(rest)) {
            decoded = escaped;
            bytes = &rest[2..];
        }
        *buffer.get_mut(length)? = decoded;
        length += 1;
    }
    std::str::from_utf8(&buffer[..length]).ok()
}

/// The path (given without its first slash) segment by segment.
fn rebuild(path: &str, merge_slashes: MergeSlashes) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let before = out.len();
        out.push('/');
        push_segment(&mut out, segment);
        let is_gone = match &out[before + 1..] {
            "." => true,
            ".." => {
                let parent = out[..before].rfind('/').unwrap_or(0);
                out.truncate(parent);
                true
            }
            "" => merge_slashes == MergeSlashes::Yes,
            _ => false,
        };
        if is_gone {
            out.truncate(before.min(out.len()));
            if segments.peek().is_none() {
                out.push('/');
            }
        }
    }
    out
}

/// Whether [`rebuild`] would give the same text. May say no for a path that is normal, never the reverse.
fn is_normal(path: &[u8], merge_slashes: MergeSlashes) -> bool {
    let mut bytes = path;
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        let is_fine = match class(*byte) {
            Class::Unreserved | Class::Legal => true,
            Class::Illegal => false,
            Class::Slash => match rest {
                [b'/', ..] => merge_slashes == MergeSlashes::No,
                [b'.', ..] => !begins_with_dots(rest),
                _ => true,
            },
            Class::Percent => escaped_byte(rest).is_some_and(|escaped| {
                class(escaped) != Class::Unreserved && !rest[..2].iter().any(u8::is_ascii_lowercase)
            }),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// Whether the segment at the start of `rest` is `.` or `..`.
fn begins_with_dots(rest: &[u8]) -> bool {
    matches!(
        rest,
        [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]
    )
}

/// The byte that two hexadecimal digits at the start of `rest` stand for.
fn escaped_byte(rest: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(rest.first()?)? << 4 | digit(rest.get(1)?)?)
}

/// Whether a digit appended to `segment` would stand where the last broken escape lacks one: `%%34%31` must not
/// become `%41`, which the next reader would take for `A`.
fn completes_escape(segment: &str, broken_escape: Option<usize>, start: usize) -> bool {
    broken_escape.is_some_and(|at| {
        let after = &segment.as_bytes()[at - start + 1..];
        after.is_empty() || (after.len() == 1 && after[0].is_ascii_hexdigit())
    })
}

fn push_escaped(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// What a byte of a path is (RFC 3986 §2 and §3.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Unreserved,
    /// Sub-delimiters, `:` and `@`: legal as they are, and not the same as their escapes.
    Legal,
    Slash,
    Percent,
    Illegal,
}

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Illegal; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Unreserved,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => {
                Class::Legal
            }
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            _ => Class::Illegal,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &str, normal: &str) {
        assert_eq!(normal_path(path, MergeSlashes::No), normal, "{path}");
    }

    #[test]
    fn dot_segments_are_resolved_and_never_leave_the_root() {
        for (path, normal) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/./b", "/a/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("/a//../b", "/a/b"),
            ("//..", "/"),
            ("/a/.../b", "/a/.../b"),
            ("/a/.hidden", "/a/.hidden"),
            ("/a/..b", "/a/..b"),
        ] {
            check(path, normal);
        }
    }

    #[test]
    fn unreserved_escapes_are_decoded_and_others_kept_in_upper_case() {
        check("/%41%7e%2D", "/A~-");
        check("/a%2fb", "/a%2Fb");
        check("/a%2Fb", "/a%2Fb");
        check("/%3a:", "/%3A:");
        check("/%e2%82%ac", "/%E2%82%AC");
        check("/%2541", "/%2541");
    }

    #[test]
    fn broken_escapes_are_text_and_are_never_completed() {
        check("/100%", "/100%");
        check("/%zz%4", "/%zz%4");
        check("/%zz/%41", "/%zz/A");
        check("/%%41", "/%%41");
        check("/%%34%31", "/%%341");
        check("/%%7a", "/%z");
    }

    #[test]
    fn what_may_not_stand_in_a_path_is_encoded() {
        check("/é", "/%C3%A9");
        check("/a b|c?d", "/a%20b%7Cc%3Fd");
    }

    #[test]
    fn legal_characters_are_ordinary() {
        check(
            "/v1/things:cancel;v=1@x!$&'()*+,",
            "/v1/things:cancel;v=1@x!$&'()*+,",
        );
    }

    #[test]
    fn slashes_are_merged_only_if_told() {
        check("//a///b//", "//a///b//");
        for (path, merged) in [
            ("//a///b//", "/a/b/"),
            ("//", "/"),
            ("/a//../b", "/b"),
            ("/a/b", "/a/b"),
        ] {
            assert_eq!(normal_path(path, MergeSlashes::Yes), merged);
        }
    }

    #[test]
    fn a_path_that_does_not_begin_with_a_slash_is_left_alone() {
        check("*", "*");
        check("", "/");
    }

    #[test]
    fn normal_paths_are_borrowed() {
        for path in [
            "/",
            "/api/users/42",
            "/a%2Fb",
            "/.well-known/x",
            "/a//b",
            "/a/.../..c",
        ] {
            assert!(
                matches!(normal_path(path, MergeSlashes::No), Cow::Borrowed(_)),
                "{path}"
            );
        }
    }

    #[test]
    fn hosts_lose_port_case_and_trailing_dot() {
        for (host, normal) in [
            ("API.Example.com:8080", "api.example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[0:0::1]", "[::1]"),
            ("[nonsense]:1", "[nonsense]"),
            ("::1", "::1"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(normal_host(host), normal, "{host}");
        }
        assert!(matches!(normal_host("example.com:80"), Cow::Borrowed(_)));
        assert!(matches!(normal_host("[::1]:80"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(path in "/[a./%2eE3F41 é:/]{0,16}", merge: bool) {
            let merge = if merge { MergeSlashes::Yes } else { MergeSlashes::No };
            let once = normal_path(&path, merge).into_owned();
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
            prop_assert_eq!(normal_path(&once, merge).into_owned(), once);
        }

        #[test]
        fn the_fast_scan_borrows_only_what_rebuilding_would_not_change(path in "/[a./%2eE3F41é/]{0,12}", merge: bool) {
            let merge = if merge { MergeSlashes::Yes } else { MergeSlashes::No };
            prop_assert_eq!(normal_path(&path, merge).into_owned(), rebuild(&path[1..], merge));
        }
    }
}
