//! What is between the quotes of a JSON string (RFC 8259 §7): skipped, decoded, written.

use std::borrow::Cow;
use std::iter;

/// How much of the beginning of `text` stands for itself: up to a quote, a backslash or a control character.
pub(super) fn plain_length(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let in_tail = tail
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    words.len() * 8 + in_tail.unwrap_or(tail.len())
}

/// Sets the highest bit of the first byte of `word` that is a quote, a backslash or below 0x20, and of none before.
///
/// Subtracting from all eight bytes at once, a byte borrows only if it is itself below what is subtracted, so the
/// lowest bit set is always right. Those above it need not be. ("Bit Twiddling Hacks", `hasless` and `haszero`.)
fn special_bytes(word: u64) -> u64 {
    let quote = (word ^ each(b'"')).wrapping_sub(each(1));
    let backslash = (word ^ each(b'\\')).wrapping_sub(each(1));
    let control = word.wrapping_sub(each(0x20));
    (quote | backslash | control) & !word & each(0x80)
}

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The length of the string at the start of `text`, quotes included. The text is valid.
pub(super) fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += plain_length(rest);
        match text.get(at) {
            Some(b'\\') => at += 2,
            _ => return text.len().min(at + 1),
        }
    }
}

/// The characters that `inside`, a valid string without its quotes, stands for. Half of a surrogate pair without the
/// other half is no character and becomes U+FFFD.
pub(super) fn decode(inside: &[u8]) -> Cow<'_, str> {
    let spelled = String::from_utf8_lossy(inside);
    match spelled.contains('\\') {
        true => Cow::Owned(resolve_escapes(&spelled)),
        false => spelled,
    }
}

fn resolve_escapes(spelled: &str) -> String {
    let mut text = String::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some(at) = rest.find('\\') {
        let (plain, escapes) = rest.split_at(at);
        text.push_str(plain);
        rest = resolve_escape(escapes, &mut text);
    }
    text.push_str(rest);
    text
}

/// Resolves the escape that `escapes` starts with, and with a `\u` all that follow it, because two may be one
/// character. Returns what is left.
fn resolve_escape<'a>(escapes: &'a str, text: &mut String) -> &'a str {
    if let Some(rest) = escapes.strip_prefix('\\').filter(|rest| !rest.starts_with('u')) {
        let mut characters = rest.chars();
        text.extend(characters.next().map(meaning));
        return characters.as_str();
    }
    let mut rest = escapes;
    let units = iter::from_fn(|| {
        let (unit, after) = split_unit(rest)?;
        rest = after;
        Some(unit)
    });
    text.extend(char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
    rest
}

/// The UTF-16 unit of the `\uXXXX` that `text` starts with, and what follows it.
fn split_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// The character that the letter after a backslash means.
fn meaning(letter: char) -> char {
    match letter {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        itself => itself,
    }
}

/// Appends `text` as a JSON string: quotes around it, `"`, `\` and control characters escaped, all else as it is.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((plain, special)) = rest.split_at_checked(plain_length(rest)) {
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        push_escape(out, *byte);
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes [`push_string`] appends.
pub(super) fn pushed_length(text: &str) -> usize {
    let length = |byte| match byte {
        0..0x20 if letter(byte).is_none() => 6,
        0..0x20 | b'"' | b'\\' => 2,
        _ => 1,
    };
    2 + text.bytes().map(length).sum::<usize>()
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match letter(byte) {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
    }
}

/// What follows the backslash in the short escape of `byte`, if it has one.
fn letter(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        8 => Some(b'b'),
        0xc => Some(b'f'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    }
}
