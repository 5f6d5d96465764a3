//! Percent-encoding (RFC 3986 section 2) for each place of a URL.

/// What is written of a percent sign that two hexadecimal digits follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Triplets {
    /// The text is not encoded yet: a percent sign is one.
    Encode,
    /// The text is encoded already.
    Keep,
}

/// One decoded value, as a part of a segment or of a query: only unreserved characters stay.
pub(super) fn push_value(out: &mut String, text: &str) {
    push(out, text, is_unreserved, Triplets::Encode);
}

/// One decoded value in a path. `.` and `..` would name another segment, so their dots are encoded.
pub(super) fn push_in_segment(out: &mut String, text: &str) {
    match text {
        "." => out.push_str("%2E"),
        ".." => out.push_str("%2E%2E"),
        _ => push_value(out, text),
    }
}

/// Encoded segments with the slashes between them; what is not legal in a path is encoded.
pub(super) fn push_segments(out: &mut String, text: &str) {
    for (position, segment) in text.split('/').enumerate() {
        if position > 0 {
            out.push('/');
        }
        match segment {
            "." | ".." => push_in_segment(out, segment),
            _ => push(out, segment, is_segment_character, Triplets::Keep),
        }
    }
}

/// An encoded path, as it is; what is not legal in a path is encoded.
pub(super) fn push_path(out: &mut String, text: &str) {
    push(
        out,
        text,
        |byte| is_segment_character(byte) || byte == b'/',
        Triplets::Keep,
    );
}

/// An encoded path with an encoded query, or either; what is not legal in a query is encoded.
pub(super) fn push_path_and_query(out: &mut String, text: &str) {
    push(
        out,
        text,
        |byte| is_segment_character(byte) || byte == b'/' || byte == b'?',
        Triplets::Keep,
    );
}

/// An encoded text as one value of a query: its escapes stay, and only unreserved characters beside them.
pub(super) fn push_encoded_value(out: &mut String, text: &str) {
    push(out, text, is_unreserved, Triplets::Keep);
}

fn push(out: &mut String, text: &str, legal: impl Fn(u8) -> bool, triplets: Triplets) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let kept = triplets == Triplets::Keep && is_triplet(&bytes[at..]);
        if legal(byte) || kept {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

fn is_triplet(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `pchar` of RFC 3986 without its escapes.
fn is_segment_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}
