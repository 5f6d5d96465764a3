//! Looking into a text: paths, kinds, texts, and strings written.

use bytes::Bytes;

use crate::aggregate::json::{Json, Kind, push_string};
use meta::language::Step;

fn parse(text: &'static str) -> Json {
    Json::parse(Bytes::from_static(text.as_bytes())).unwrap()
}

/// `a/0`: digits are an index.
fn path(text: &str) -> Vec<Step> {
    let step = |name: &str| {
        name.parse()
            .map_or_else(|_| Step::Member(name.into()), Step::Index)
    };
    text.split('/')
        .filter(|name| !name.is_empty())
        .map(step)
        .collect()
}

#[test]
fn a_path_leads_to_the_spelling_of_its_part() {
    #[rustfmt::skip]
    let cases = [
        ("1e400", "", Some("1e400")),
        (r#"{"a":0.10}"#, "a", Some("0.10")),
        (r#"{"a":0.10}"#, "b", None),
        (r#"{ "a" : { "b" : [ 1 , { "c" : "d" } ] } , "e":2}"#, "a/b/1/c", Some(r#""d""#)),
        (r#"{ "a" : { "b" : [ 1 , { "c" : "d" } ] } , "e":2}"#, "a/b/1", Some(r#"{ "c" : "d" }"#)),
        (r#"{"b":{"a":1},"a":2}"#, "a", Some("2")),
        (r#"{"a":1,"b":0,"a":2}"#, "a", Some("2")),
        (r#"{"a":1,"\u0061":2}"#, "a", Some("2")),
        (r#"{"\u0061":1,"a":2,"b":3}"#, "a", Some("2")),
        (r#"{"a":{"b":1},"a":{}}"#, "a/b", None),
        (r#"{"\\n":1}"#, r"\n", Some("1")),
        (r#"{"\n":1}"#, r"\n", None),
        (r#"{"\n":1}"#, "\n", Some("1")),
        (r#"{"a\"":"x\\","b":"]}"}"#, "b", Some(r#""]}""#)),
        (r#"{"0":"zero","10":"ten"}"#, "10", Some(r#""ten""#)),
        (r#"{"010":"eight"}"#, "10", None),
        (r#"[10,[20,21],30]"#, "1/1", Some("21")),
        ("[10,20,30]", "3", None),
        ("[ ]", "0", None),
        ("[[]]", "0/0", None),
        (r#"[{"a":1}]"#, "a", None),
        (r#"[["a",1]]"#, "a", None),
        (r#""text""#, "0", None),
        (r#""text""#, "text", None),
        ("null", "a", None),
        ("17", "0", None),
        (r#"{"a":null}"#, "a", Some("null")),
        (r#"{"a":null}"#, "a/b", None),
    ];
    for (text, to, part) in cases {
        let json = parse(text);
        let found = json
            .find(&path(to))
            .map(|part| str::from_utf8(part.as_bytes()).unwrap());
        assert_eq!(found, part, "{to} in {text}");
    }
    let empty_name = [Step::Member("".into())];
    assert_eq!(parse(r#"{"":1}"#).find(&empty_name).unwrap().as_bytes(), b"1");
}

#[test]
fn an_index_beyond_all_is_not_there() {
    assert_eq!(parse("[1]").find(&[Step::Index(usize::MAX)]), None);
}

#[test]
fn text_is_the_characters_of_a_string_and_the_spelling_of_all_else() {
    #[rustfmt::skip]
    let cases = [
        ("null", Kind::Null, None),
        ("true", Kind::Bool, Some("true")),
        ("false", Kind::Bool, Some("false")),
        ("-0.10e+1", Kind::Number, Some("-0.10e+1")),
        ("12345678901234567890", Kind::Number, Some("12345678901234567890")),
        ("[ 1, null ]", Kind::Array, Some("[ 1, null ]")),
        (r#"{"a": "b\n"}"#, Kind::Object, Some(r#"{"a": "b\n"}"#)),
        (r#""""#, Kind::String, Some("")),
        ("\"é 🦀\"", Kind::String, Some("é 🦀")),
        (r#""\"\\\/\b\f\n\r\t""#, Kind::String, Some("\"\\/\u{8}\u{c}\n\r\t")),
        (r#""a\u0041\u00E9z""#, Kind::String, Some("aAéz")),
        (r#""\\u0041""#, Kind::String, Some("\\u0041")),
        (r#""\ud83e\udd80!""#, Kind::String, Some("🦀!")),
        (r#""\ud83e""#, Kind::String, Some("\u{fffd}")),
        (r#""\udd80\ud83e""#, Kind::String, Some("\u{fffd}\u{fffd}")),
        (r#""\ud83e\ud83e\udd80""#, Kind::String, Some("\u{fffd}🦀")),
        (r#""\ud83e\u0041""#, Kind::String, Some("\u{fffd}A")),
        (r#""\ud83e\n\udd80""#, Kind::String, Some("\u{fffd}\n\u{fffd}")),
        (r#""\ud83e-\udd80""#, Kind::String, Some("\u{fffd}-\u{fffd}")),
    ];
    for (text, kind, expected) in cases {
        let json = parse(text);
        assert_eq!(json.raw().kind(), kind, "{text}");
        assert_eq!(json.raw().text().as_deref(), expected, "{text}");
        assert_eq!(json.raw().is_null(), kind == Kind::Null, "{text}");
    }
}

#[test]
fn members_and_items_come_in_their_order_duplicates_included() {
    let json = parse(r#"{ "b" : [1 ,2] , "\u0061":{"x":"}"} ,"b":"\"" }"#);
    let members: Vec<_> = json
        .raw()
        .members()
        .map(|(key, value)| [key.as_bytes(), value.as_bytes()])
        .collect();
    let expected: [[&[u8]; 2]; 3] = [
        [b"\"b\"", b"[1 ,2]"],
        [br#""\u0061""#, br#"{"x":"}"}"#],
        [b"\"b\"", br#""\"""#],
    ];
    assert_eq!(members, expected);
    let json = parse(r#"[ 1.0 ,"]", [ [] ] ,{"a":[]},null ]"#);
    let items: Vec<_> = json.raw().items().map(|item| item.as_bytes()).collect();
    let expected: [&[u8]; 5] = [b"1.0", b"\"]\"", b"[ [] ]", br#"{"a":[]}"#, b"null"];
    assert_eq!(items, expected);
}

#[test]
fn only_objects_have_members_and_only_arrays_items() {
    for text in ["null", "true", "12", r#""a,b""#, "[]", "[1,2]"] {
        assert_eq!(parse(text).raw().members().count(), 0, "{text}");
    }
    for text in ["null", "true", "12", r#""a,b""#, "{}", r#"{"a":1}"#] {
        assert_eq!(parse(text).raw().items().count(), 0, "{text}");
    }
}

#[test]
fn only_a_string_with_escapes_is_copied_to_be_read() {
    let is_borrowed = |text| matches!(parse(text).raw().text(), Some(std::borrow::Cow::Borrowed(_)));
    assert!(is_borrowed("\"é\"") && is_borrowed("[1]") && !is_borrowed(r#""\n""#));
}

#[test]
fn a_string_is_written_with_the_escapes_it_needs() {
    let mut out = Vec::new();
    push_string(&mut out, "a\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}é\u{2028}🦀");
    let expected = "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}é\u{2028}🦀\"";
    assert_eq!(str::from_utf8(&out), Ok(expected));
}

#[test]
fn null_is_null() {
    assert_eq!(Json::null(), parse("null"));
}
