//! Lists in header fields: split outside of quoted strings only (RFC 9110 §5.6.1, §5.6.4).

use std::borrow::Cow;

/// The parts of `text` between `separator`s outside of quoted strings, trimmed, without the empty ones.
///
/// From a quote on that is never closed, quotes are plain characters: it cannot hide what stands behind it.
pub(crate) fn split_list(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut parts = Parts {
        rest: text,
        separator,
        quotes: true,
    };
    std::iter::from_fn(move || parts.next())
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// `name=value` taken apart: the trimmed name, and the value without its quotes if there is one.
pub(crate) fn split_pair(text: &str) -> (&str, Option<Cow<'_, str>>) {
    match text.split_once('=') {
        Some((name, value)) => (name.trim(), Some(unquote(value.trim()))),
        None => (text.trim(), None),
    }
}

struct Parts<'a> {
    rest: &'a str,
    separator: u8,
    quotes: bool,
}

impl<'a> Parts<'a> {
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (part, rest) = self.rest.split_at_checked(self.end()).unwrap_or((self.rest, ""));
        self.rest = rest.get(1..).unwrap_or("");
        Some(part)
    }

    /// Where the first part ends. The separator is ASCII, so this is a border of characters.
    fn end(&mut self) -> usize {
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte == self.separator {
                return at;
            }
            if byte == b'"' && self.quotes {
                match closing_quote(bytes, at) {
                    Some(close) => at = close,
                    // Once only: looking again at each later quote would be quadratic.
                    None => self.quotes = false,
                }
            }
            at += 1;
        }
        bytes.len()
    }
}

/// Where the quoted string ends that is opened at `open`; a backslash takes the next byte along.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn unquote(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' {
            characters.next()
        } else {
            Some(character)
        });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_split_outside_of_quoted_strings() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            (" , ,", &[]),
            ("a, b ,c", &["a", "b", "c"]),
            (r#"a="x,y", b"#, &[r#"a="x,y""#, "b"]),
            (r#"a="x\",y", b"#, &[r#"a="x\",y""#, "b"]),
            (r#"a="x, b"#, &[r#"a="x"#, "b"]),
            (r#"a="x\", b, c"#, &[r#"a="x\""#, "b", "c"]),
            (r#"a="", b"#, &[r#"a="""#, "b"]),
            ("é, ü", &["é", "ü"]),
        ];
        for (text, parts) in cases {
            assert_eq!(split_list(text, b',').collect::<Vec<_>>(), parts, "{text}");
        }
    }

    #[test]
    fn a_pair_is_taken_apart_and_its_value_unquoted() {
        let cases = [
            ("a", ("a", None)),
            (" a = b ", ("a", Some("b"))),
            ("a=", ("a", Some(""))),
            (r#"a="b c""#, ("a", Some("b c"))),
            (r#"a="b\"\\c""#, ("a", Some(r#"b"\c"#))),
            (r#"a=""#, ("a", Some(r#"""#))),
            ("a=b=c", ("a", Some("b=c"))),
        ];
        for (text, (name, value)) in cases {
            let (found_name, found_value) = split_pair(text);
            assert_eq!((found_name, found_value.as_deref()), (name, value), "{text}");
        }
    }

    proptest! {
        #[test]
        fn without_quotes_it_is_a_plain_split(text in "[a-c=, é]{0,20}") {
            let plain = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            prop_assert!(split_list(&text, b',').eq(plain));
        }

        #[test]
        fn any_text_is_split_without_panic(text in r#"[a,é"\\=]{0,20}"#) {
            split_list(&text, b',').for_each(|part| drop(split_pair(part)));
        }
    }
}
