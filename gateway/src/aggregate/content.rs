//! What a node's answer is, JSON or text, and its bytes as text.
//!
//! Strict: bytes that are not valid in their charset are a fault and never become replacement characters, so that
//! an image does not end up as a string in a merged answer. Undoing `Content-Encoding` is the decoder's.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use http::HeaderValue;
use thiserror::Error;

use crate::share::list::{split_list, split_pair};

/// Why a node's body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub(crate) enum ContentFault {
    /// A `Content-Encoding` that nobody here can undo, or more of them than are accepted.
    #[error("the body has an unsupported content coding")]
    Coding,
    /// The coded body is broken, cut off, or followed by something else.
    #[error("the coded body is corrupt")]
    Corrupt,
    /// The body is larger than what may be held.
    #[error("the body is too large")]
    TooLarge,
    /// The charset is unknown, or the bytes are none of its text.
    #[error("the body is not text in its charset")]
    Charset,
}

impl ContentFault {
    /// The fault as one word, for machines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Coding => "unsupported_encoding",
            Self::Corrupt => "corrupt_encoding",
            Self::TooLarge => "too_large",
            Self::Charset => "wrong_charset",
        }
    }
}

/// What a `Content-Type` says about a body, with the encoding of its characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `application/json` or any `+json` type. UTF-8 (RFC 8259 §8.1) unless the node says otherwise.
    Json(&'static Encoding),
    /// Any other type: UTF-8 unless the node says otherwise.
    Text(&'static Encoding),
    /// Nothing that can be understood: try JSON in UTF-8, then text.
    Unknown,
}

/// The kind of a body by its `Content-Type`; [`ContentFault::Charset`] if its charset has no known name.
///
/// Charset names are those of the WHATWG Encoding Standard §4.2, where `iso-8859-1` means windows-1252.
pub(crate) fn kind_of(content_type: Option<&HeaderValue>) -> Result<Kind, ContentFault> {
    // Nearly all answers say just this, and taking it apart costs as much as checking a short answer.
    if content_type.is_some_and(|value| value.as_bytes() == b"application/json") {
        return Ok(Kind::Json(UTF_8));
    }
    let Some(text) = content_type.and_then(|value| value.to_str().ok()) else {
        return Ok(Kind::Unknown);
    };
    let mut parts = split_list(text, b';');
    let Some((main, sub)) = parts.next().and_then(media_type) else {
        return Ok(Kind::Unknown);
    };
    let encoding = charset(parts)?;
    Ok(if is_json(main, sub) {
        Kind::Json(encoding)
    } else {
        Kind::Text(encoding)
    })
}

/// The text of `bytes`, without a byte order mark; borrowed if it is UTF-8 already, else at most three times as long.
///
/// A mark is removed if it is that of `encoding`; under a UTF-16 label it also decides the byte order
/// (RFC 2781 §4.3). Anything malformed is [`ContentFault::Charset`].
pub(crate) fn to_text<'a>(
    bytes: &'a [u8],
    encoding: &'static Encoding,
) -> Result<Cow<'a, str>, ContentFault> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some((marked, length)) if marked == encoding || is_utf16(encoding) => (marked, length),
        _ => (encoding, 0),
    };
    let unmarked = bytes.get(mark..).unwrap_or_default();
    encoding
        .decode_without_bom_handling_and_without_replacement(unmarked)
        .ok_or(ContentFault::Charset)
}

fn is_utf16(encoding: &'static Encoding) -> bool {
    encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE
}

/// Both tokens of a media type (RFC 9110 §8.3.1).
fn media_type(text: &str) -> Option<(&str, &str)> {
    text.split_once('/')
        .filter(|(main, sub)| is_token(main) && is_token(sub))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(of_token)
}

fn is_json(main: &str, sub: &str) -> bool {
    let suffix = sub.rsplit_once('+').map(|(_, suffix)| suffix);
    (main.eq_ignore_ascii_case("application") && sub.eq_ignore_ascii_case("json"))
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"))
}

/// The encoding of the first `charset` parameter. ASCII is read as UTF-8, which contains it, and not as
/// windows-1252, to which the Encoding Standard maps it and in which no byte is malformed.
fn charset<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Result<&'static Encoding, ContentFault> {
    let label = parameters.find_map(|parameter| {
        let (name, value) = split_pair(parameter);
        value.filter(|_| name.eq_ignore_ascii_case("charset"))
    });
    match label {
        None => Ok(UTF_8),
        Some(label)
            if ["us-ascii", "ascii"]
                .iter()
                .any(|ascii| label.eq_ignore_ascii_case(ascii)) =>
        {
            Ok(UTF_8)
        }
        Some(label) => Encoding::for_label_no_replacement(label.as_bytes()).ok_or(ContentFault::Charset),
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252};

    use super::*;

    fn kind(content_type: &'static str) -> Result<Kind, ContentFault> {
        kind_of(Some(&HeaderValue::from_static(content_type)))
    }

    #[test]
    fn the_content_type_decides_the_kind() {
        let cases = [
            ("application/json", Kind::Json(UTF_8)),
            ("Application/JSON ; Charset=\"UTF-8\"", Kind::Json(UTF_8)),
            ("application/json; charset=utf8", Kind::Json(UTF_8)),
            ("application/json; charset=US-ASCII", Kind::Json(UTF_8)),
            ("application/json; charset=windows-1251", Kind::Json(WINDOWS_1251)),
            ("application/problem+json", Kind::Json(UTF_8)),
            ("model/gltf+JSON; v=1", Kind::Json(UTF_8)),
            ("application/vnd.a+b+json", Kind::Json(UTF_8)),
            ("application/json-patch", Kind::Text(UTF_8)),
            ("application/jsonl", Kind::Text(UTF_8)),
            ("text/json", Kind::Text(UTF_8)),
            ("text/plain", Kind::Text(UTF_8)),
            ("text/plain; charset", Kind::Text(UTF_8)),
            (
                "text/plain; format=flowed; charset=ISO-8859-1",
                Kind::Text(WINDOWS_1252),
            ),
            (
                "text/plain; x=\";charset=utf-16\"; charset=shift_jis",
                Kind::Text(SHIFT_JIS),
            ),
            ("image/png", Kind::Text(UTF_8)),
            ("", Kind::Unknown),
            ("json", Kind::Unknown),
            ("application/", Kind::Unknown),
            ("/json", Kind::Unknown),
            ("application/json/x", Kind::Unknown),
            ("a b/json; charset=nonsense", Kind::Unknown),
        ];
        for (content_type, expected) in cases {
            assert_eq!(kind(content_type), Ok(expected), "{content_type}");
        }
        assert_eq!(kind_of(None), Ok(Kind::Unknown));
    }

    #[test]
    fn a_charset_without_a_known_name_is_a_fault() {
        for label in [
            "text/plain; charset=klingon",
            "application/json; charset=\"\"",
            "a/b; charset=hz-gb-2312",
        ] {
            assert_eq!(kind(label), Err(ContentFault::Charset), "{label}");
        }
    }

    #[test]
    fn text_is_decoded_without_its_byte_order_mark() {
        let cases: [(&[u8], &'static Encoding, &str); 10] = [
            (b"", UTF_8, ""),
            (b"{}", UTF_8, "{}"),
            (b"\xef\xbb\xbf{}", UTF_8, "{}"),
            (b"\xef\xbb\xbf\xef\xbb\xbf", UTF_8, "\u{feff}"),
            (b"\xef\xbb\xbf", WINDOWS_1252, "ï»¿"),
            (b"\x80\xe9", WINDOWS_1252, "€é"),
            (b"\xcf\xf0", WINDOWS_1251, "Пр"),
            (b"h\0i\0", UTF_16LE, "hi"),
            (b"\xfe\xff\0h\0i", UTF_16LE, "hi"),
            (b"\xff\xfeh\0i\0", UTF_16BE, "hi"),
        ];
        for (bytes, encoding, text) in cases {
            assert_eq!(to_text(bytes, encoding).as_deref(), Ok(text), "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_a_fault() {
        let cases: [(&[u8], &'static Encoding); 6] = [
            (b"\xff", UTF_8),
            (b"\xed\xa0\x80", UTF_8),
            (b"cut \xe2\x82", UTF_8),
            (b"\xff\xfeh\0i\0", UTF_8),
            (b"\x81", SHIFT_JIS),
            (b"h\0i", UTF_16LE),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(to_text(bytes, encoding), Err(ContentFault::Charset), "{bytes:?}");
        }
    }

    #[test]
    fn utf_8_is_not_copied() {
        assert!(matches!(
            to_text("grüße".as_bytes(), UTF_8),
            Ok(Cow::Borrowed("grüße"))
        ));
    }
}
