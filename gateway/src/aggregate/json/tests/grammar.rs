//! RFC 8259, production by production: what is accepted as it is, and what is refused where.

use bytes::Bytes;

use super::{assert_is_seed, replay};
use crate::aggregate::json::Fault::{self, *};
use crate::aggregate::json::{Json, JsonFault, MAX_DEPTH, fuzz};

/// Texts with nothing around the value: they come out as they went in.
#[rustfmt::skip]
const VALID: &[(&str, &str)] = &[
    ("null", "null"),
    ("true", "true"),
    ("false", "false"),
    ("zero", "0"),
    ("zero-negative", "-0"),
    ("integer", "12345678901234567890"),
    ("integer-negative", "-17"),
    ("integer-long", "1234567890123456789012345678901234567890"),
    ("fraction", "0.10"),
    ("fraction-negative", "-0.0"),
    ("fraction-zeros", "1.000"),
    ("exponent", "1e2"),
    ("exponent-capital-plus", "1E+2"),
    ("exponent-minus", "1.5e-2"),
    ("exponent-leading-zeros", "1e007"),
    ("exponent-of-zero", "0e0"),
    ("exponent-beyond-double", "1e400"),
    ("string-empty", r#""""#),
    ("string", r#""text""#),
    ("string-word-long", r#""12345678""#),
    ("string-longer-than-a-word", r#""1234567890abcdef!""#),
    ("string-brackets", r#""}]{[,:""#),
    ("string-delete", "\"\u{7f}\""),
    ("string-not-ascii", "\"é ж 株 🦀\""),
    ("string-not-a-character", "\"\u{ffff}\u{10ffff}\""),
    ("string-line-separator", "\"\u{2028}\""),
    ("string-byte-order-mark", "\"\u{feff}\""),
    ("escapes-short", r#""\"\\\/\b\f\n\r\t""#),
    ("escape-first", r#""\\n""#),
    ("escape-last", r#""1234567\\""#),
    ("escape-unicode", r#""\u0041\u00e9\uD83e\uDD80""#),
    ("escape-zero", r#""\u0000""#),
    ("surrogate-high-alone", r#""\ud800""#),
    ("surrogate-low-alone", r#""\udc00""#),
    ("surrogates-swapped", r#""\udc00\ud800""#),
    ("surrogate-high-twice", r#""\ud83e\ud83e\udd80""#),
    ("surrogate-cut-short", r#""\ud83e\n\udd80""#),
    ("array-empty", "[]"),
    ("array-empty-spaced", "[ \t\r\n]"),
    ("array", r#"[null,true,0,"a",[],{}]"#),
    ("array-spaced", "[ 1 , 2\n,\t3\r]"),
    ("object-empty", "{}"),
    ("object-empty-spaced", "{ \t\r\n}"),
    ("object", r#"{"a":1,"b":[2],"c":{"d":"e"}}"#),
    ("object-spaced", "{ \"a\" : 1 ,\n\t\"b\"\r:2 }"),
    ("object-name-empty", r#"{"":0}"#),
    ("object-name-escaped", r#"{"\u0061\n":0}"#),
    ("object-name-twice", r#"{"a":1,"a":2}"#),
    ("object-names-one-meaning", r#"{"a":1,"\u0061":2}"#),
    ("object-names-digits", r#"{"0":"zero","1":"one"}"#),
    ("nested", r#"[{"a":[{"b":[[]]}]},[[{}]]]"#),
];

/// What is around a value goes.
const AROUND: &[(&str, &str, &str)] = &[
    ("around-spaces", " \t\r\n{} \t\r\n", "{}"),
    ("around-number", "\n1\n", "1"),
    ("around-byte-order-mark", "\u{feff}[1]", "[1]"),
    ("around-byte-order-mark-spaces", "\u{feff} [1] ", "[1]"),
];

#[rustfmt::skip]
const INVALID: &[(&str, &[u8], usize, Fault)] = &[
    ("empty", b"", 0, Ends),
    ("only-whitespace", b" \n\t\r", 4, Ends),
    ("only-byte-order-mark", b"\xef\xbb\xbf", 3, Ends),
    ("byte-order-mark-twice", b"\xef\xbb\xbf\xef\xbb\xbf1", 3, NoValue),
    ("byte-order-mark-late", b" \xef\xbb\xbf1", 1, NoValue),
    ("byte-order-mark-utf-16", b"\xff\xfe1\x00", 0, NotUtf8),
    ("two-values", b"1 2", 2, Surplus),
    ("two-objects", b"{}{}", 2, Surplus),
    ("two-lines", b"{}\n{}", 3, Surplus),
    ("comma-after", b"1,", 1, Surplus),
    ("comma-alone", b",", 0, NoValue),
    ("nul-after", b"1\0", 1, Surplus),
    ("nul-alone", b"\0", 0, NoValue),
    ("nul-in-array", b"[\0]", 1, NoValue),
    ("form-feed", b"\x0c1", 0, NoValue),
    ("no-break-space", b"\xc2\xa01", 0, NoValue),
    ("comment", b"/*a*/1", 0, NoValue),
    ("literal-cut", b"nul", 0, NoValue),
    ("literal-capital", b"True", 0, NoValue),
    ("literal-longer", b"nulll", 4, Surplus),
    ("literal-other", b"NaN", 0, NoValue),
    ("literal-infinity", b"-Infinity", 1, NoDigit),
    ("literal-undefined", b"undefined", 0, NoValue),
    ("number-minus", b"-", 1, Ends),
    ("number-minus-text", b"-a", 1, NoDigit),
    ("number-minus-twice", b"--1", 1, NoDigit),
    ("number-plus", b"+1", 0, NoValue),
    ("number-leading-zero", b"01", 1, Surplus),
    ("number-leading-zero-in-array", b"[-01]", 3, NoComma),
    ("number-hexadecimal", b"0x1", 1, Surplus),
    ("number-point-last", b"1.", 2, Ends),
    ("number-point-last-in-array", b"[1.]", 3, NoDigit),
    ("number-point-first", b".5", 0, NoValue),
    ("number-point-exponent", b"1.e1", 2, NoDigit),
    ("number-points", b"1.2.3", 3, Surplus),
    ("number-exponent-cut", b"1e", 2, Ends),
    ("number-exponent-sign-cut", b"1e+", 3, Ends),
    ("number-exponent-signs", b"1e+-1", 3, NoDigit),
    ("number-exponent-fraction", b"1e1.5", 3, Surplus),
    ("number-space", b"- 1", 1, NoDigit),
    ("number-digit-other-script", "\u{661}".as_bytes(), 0, NoValue),
    ("string-cut", b"\"", 1, Ends),
    ("string-cut-long", b"\"1234567890", 11, Ends),
    ("string-single-quotes", b"'a'", 0, NoValue),
    ("string-quote-extra", b"\"a\"\"", 3, Surplus),
    ("string-nul", b"\"a\0\"", 2, ControlCharacter),
    ("string-newline", b"\"a\n\"", 2, ControlCharacter),
    ("string-tab-in-word", b"\"1234\t678\"", 5, ControlCharacter),
    ("string-control-1f", b"\"123456789012345\x1f\"", 16, ControlCharacter),
    ("escape-cut", br#""\"#, 1, BadEscape),
    ("escape-of-the-quote", br#""\""#, 3, Ends),
    ("escape-unknown", br#""\a""#, 1, BadEscape),
    ("escape-hexadecimal", br#""\x41""#, 1, BadEscape),
    ("escape-single-quote", br#""\'""#, 1, BadEscape),
    ("escape-newline", b"\"\\\n\"", 1, BadEscape),
    ("escape-unicode-capital", br#""\U0041""#, 1, BadEscape),
    ("escape-unicode-short", br#""\u004""#, 1, BadEscape),
    ("escape-unicode-cut", br#""\u00"#, 1, BadEscape),
    ("escape-unicode-other-digit", br#""\u004g""#, 1, BadEscape),
    ("escape-unicode-sign", br#""\u+041""#, 1, BadEscape),
    ("array-cut", b"[", 1, Ends),
    ("array-cut-after-value", b"[1", 2, Ends),
    ("array-cut-after-comma", b"[1,", 3, Ends),
    ("array-comma-last", b"[1,]", 3, NoValue),
    ("array-comma-first", b"[,1]", 1, NoValue),
    ("array-commas", b"[1,,2]", 3, NoValue),
    ("array-no-comma", b"[1 2]", 3, NoComma),
    ("array-colon", b"[1:2]", 2, NoComma),
    ("array-closed-as-object", b"[1}", 2, NoComma),
    ("array-empty-closed-as-object", b"[}", 1, NoValue),
    ("array-closed-twice", b"[]]", 2, Surplus),
    ("array-only-closed", b"]", 0, NoValue),
    ("object-cut", b"{", 1, Ends),
    ("object-cut-after-name", br#"{"a""#, 4, Ends),
    ("object-cut-after-colon", br#"{"a":"#, 5, Ends),
    ("object-cut-after-value", br#"{"a":1"#, 6, Ends),
    ("object-comma-last", br#"{"a":1,}"#, 7, NoName),
    ("object-comma-first", br#"{,"a":1}"#, 1, NoName),
    ("object-no-value", br#"{"a":}"#, 5, NoValue),
    ("object-no-colon", br#"{"a" 1}"#, 5, NoColon),
    ("object-comma-for-colon", br#"{"a",1}"#, 4, NoColon),
    ("object-colons", br#"{"a"::1}"#, 5, NoValue),
    ("object-only-name", br#"{"a"}"#, 4, NoColon),
    ("object-name-bare", b"{a:1}", 1, NoName),
    ("object-name-number", b"{1:1}", 1, NoName),
    ("object-name-null", b"{null:1}", 1, NoName),
    ("object-no-comma", br#"{"a":1 "b":2}"#, 7, NoComma),
    ("object-closed-as-array", br#"{"a":1]"#, 6, NoComma),
    ("object-empty-closed-as-array", b"{]", 1, NoName),
    ("object-closed-by-outer", br#"[{"a":1]}"#, 7, NoComma),
    ("utf-8-outside", b"[\xff]", 1, NotUtf8),
    ("utf-8-after", b"1\xff", 1, NotUtf8),
    ("utf-8-stray", b"\"a\x80\"", 2, NotUtf8),
    ("utf-8-cut", b"\"\xc3\"", 1, NotUtf8),
    ("utf-8-cut-at-end", b"\"\xe2\x82", 1, NotUtf8),
    ("utf-8-overlong", b"\"\xc0\xaf\"", 1, NotUtf8),
    ("utf-8-surrogate", b"\"\xed\xa0\x80\"", 1, NotUtf8),
    ("utf-8-too-large", b"\"\xf4\x90\x80\x80\"", 1, NotUtf8),
    ("utf-8-in-name", b"{\"\xff\":1}", 2, NotUtf8),
    ("gzip", b"\x1f\x8b\x08\0", 1, NotUtf8),
    ("html", b"<html></html>", 0, NoValue),
];

/// Texts with so many brackets in each other.
fn nested(depth: u32) -> [(&'static str, String); 3] {
    let around = |open: &str, value: &str, close: &str, times: u32| {
        let times = times as usize;
        format!("{}{value}{}", open.repeat(times), close.repeat(times))
    };
    let innermost = if depth.is_multiple_of(2) { "0" } else { "[]" };
    [
        ("arrays", around("[", "", "]", depth)),
        ("objects", around(r#"{"a":"#, "0", "}", depth)),
        ("mixed", around(r#"{"a":["#, innermost, "]}", depth / 2)),
    ]
}

fn parse(text: &[u8]) -> Result<Json, JsonFault> {
    Json::parse(Bytes::copy_from_slice(text))
}

#[test]
fn a_valid_text_comes_out_as_it_went_in() {
    let same = VALID.iter().map(|(name, text)| (name, text, text));
    let around = AROUND.iter().map(|(name, text, value)| (name, text, value));
    for (name, text, value) in same.chain(around) {
        let json = parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(json.as_bytes(), value.as_bytes(), "{name}");
    }
}

#[test]
fn an_invalid_text_is_refused_where_its_fault_is() {
    for (name, text, at, what) in INVALID {
        assert_eq!(parse(text), Err(JsonFault { at: *at, what: *what }), "{name}");
    }
}

#[test]
fn a_text_cut_anywhere_is_refused() {
    let numbers_may_end_earlier =
        |text: &str| text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    for (name, text) in VALID.iter().filter(|(_, text)| !numbers_may_end_earlier(text)) {
        for end in 0..text.len() {
            assert!(parse(&text.as_bytes()[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn nesting_ends_at_its_limit() {
    for (what, text) in nested(MAX_DEPTH) {
        assert_eq!(
            parse(text.as_bytes()).map(|json| json.as_bytes().len()),
            Ok(text.len()),
            "{what}"
        );
    }
    for (what, text) in nested(MAX_DEPTH + 1) {
        let fault = parse(text.as_bytes()).unwrap_err();
        assert_eq!(fault.what, TooDeep, "{what}");
        assert_eq!(
            text.as_bytes()[..fault.at]
                .iter()
                .filter(|byte| b"[{".contains(byte))
                .count(),
            128,
            "{what}"
        );
    }
}

#[test]
fn many_values_side_by_side_are_not_deep() {
    let text = format!("[{}[]]", r#"[{"a":[]}],"#.repeat(10_000));
    assert!(parse(text.as_bytes()).is_ok());
}

/// The eight bytes looked at together must not tell on each other.
#[test]
fn every_byte_is_judged_alike_at_every_place_in_a_string() {
    for (byte, place) in (0..=0x7f_u8).flat_map(|byte| (0..20).map(move |place| (byte, place))) {
        let mut text = *b"\"....................\"";
        text[1 + place] = byte;
        let refused = |at, what| Err(JsonFault { at, what });
        let expected = match byte {
            0..0x20 => refused(1 + place, ControlCharacter),
            b'"' => refused(2 + place, Surplus),
            b'\\' if place == 19 => refused(22, Ends),
            b'\\' => refused(1 + place, BadEscape),
            _ => Ok(Json(Bytes::copy_from_slice(&text))),
        };
        assert_eq!(parse(&text), expected, "{byte:#x} at {place}");
    }
}

#[test]
fn only_the_escapes_of_the_rfc_are_accepted() {
    for byte in 0..=0x7f {
        let is_short = br#""\/bfnrt"#.contains(&byte);
        assert_eq!(parse(&[b'"', b'\\', byte, b'"']).is_ok(), is_short, "{byte:#x}");
        for place in 3..7 {
            let mut text = *br#""\uaF09""#;
            text[place] = byte;
            assert_eq!(
                parse(&text).is_ok(),
                byte.is_ascii_hexdigit(),
                "{byte:#x} at {place}"
            );
        }
    }
}

#[test]
fn a_fault_says_where_it_is() {
    let fault = parse(br#"{"a":1,}"#).unwrap_err();
    assert_eq!(fault.to_string(), "byte 7: a member name in quotes is expected");
}

#[test]
fn the_bytes_are_shared_with_those_parsed() {
    let bytes = Bytes::from_static(b" [1] ");
    let json = Json::parse(bytes.clone()).unwrap();
    assert_eq!(json.clone().into_bytes().as_ptr(), bytes[1..].as_ptr());
}

#[test]
fn the_corpus_of_json_holds_the_tables_and_keeps_the_property() {
    VALID
        .iter()
        .for_each(|(name, text)| assert_is_seed("json", name, text.as_bytes()));
    AROUND
        .iter()
        .for_each(|(name, text, _)| assert_is_seed("json", name, text.as_bytes()));
    INVALID
        .iter()
        .for_each(|(name, text, ..)| assert_is_seed("json", name, text));
    for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
        for (what, text) in nested(depth) {
            assert_is_seed("json", &format!("nested-{what}-{depth}"), text.as_bytes());
        }
    }
    replay("json", fuzz::parse_agrees);
}
