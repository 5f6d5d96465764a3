//! The grammar of path patterns, sentence by sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn literal(text: &str) -> Segment {
    Segment::Literal(text.into())
}

#[test]
fn a_pattern_is_its_segments() {
    let id = Constraint::compile("[0-9]{3}").unwrap();
    for (text, segments) in [
        ("/", vec![literal("")]),
        ("/api/", vec![literal("api"), literal("")]),
        ("/a//b", vec![literal("a"), literal(""), literal("b")]),
        (
            "/users/{id}",
            vec![literal("users"), Segment::Parameter("id".into())],
        ),
        (
            "/{id:[0-9]{3}}/x",
            vec![Segment::Constrained("id".into(), id), literal("x")],
        ),
        (
            "/f/{rest*}",
            vec![literal("f"), Segment::Tail(Some("rest".into()))],
        ),
        ("/f/*", vec![literal("f"), Segment::Tail(None)]),
        ("/*", vec![Segment::Tail(None)]),
        ("/v1/things:cancel", vec![literal("v1"), literal("things:cancel")]),
        ("/a*b;c=@!$&'()+,", vec![literal("a*b;c=@!$&'()+,")]),
    ] {
        assert_eq!(pattern(text).segments(), segments, "{text}");
    }
}

#[test]
fn literals_take_the_normal_form_of_request_paths() {
    assert_eq!(
        pattern("/%7Euser/a%2fb/caf\u{e9}").segments(),
        [literal("~user"), literal("a%2Fb"), literal("caf%C3%A9")]
    );
}

#[test]
fn a_regex_may_contain_slashes_question_marks_and_escaped_braces() {
    for text in [
        r"/{a:x/y}/z",
        r"/{a:b?#}",
        r"/{a:[\}]+}/x",
        r"/{a:\{}",
        r"/{a:(x{2}|y{3}){1,2}}",
    ] {
        assert!(
            matches!(pattern(text).segments()[0], Segment::Constrained(..)),
            "{text}"
        );
    }
}

#[test]
fn parameters_are_listed_in_order_and_the_tail_is_known() {
    let pattern = pattern("/{b}/{a:x+}/{rest*}");
    assert_eq!(pattern.parameters().collect::<Vec<_>>(), ["b", "a", "rest"]);
    assert!(pattern.is_tail("rest") && !pattern.is_tail("a"));
}

#[test]
fn specificity_orders_exact_literals_constrained_parameter_tail() {
    let order = [
        "/a/b/c", "/a/", "/a/b/*", "/a/{x:y}", "/a/{x}", "/a/*", "/{x:y}/*", "/{x}/{y}", "/{x}", "/{x}/*",
        "/*",
    ];
    for pair in order.windows(2) {
        assert!(
            pattern(pair[0]).specificity() >= pattern(pair[1]).specificity(),
            "{pair:?}"
        );
    }
    assert!(pattern("/a/{x}").specificity() > pattern("/a/*").specificity());
    assert!(pattern("/{x}").specificity() > pattern("/{x}/*").specificity());
}

#[test]
fn wrong_patterns_are_refused_with_their_position() {
    for (text, error) in [
        ("", "a path pattern begins with `/` at character 1"),
        ("api", "a path pattern begins with `/` at character 1"),
        (
            "/é/v{n}",
            "a parameter is a whole segment: braces cannot stand beside other text at character 5",
        ),
        (
            "/{n}v",
            "a parameter is a whole segment: only `/` may follow `}` at character 5",
        ),
        (
            "/{a}{b}",
            "a parameter is a whole segment: only `/` may follow `}` at character 5",
        ),
        (
            "/a}",
            "a parameter is a whole segment: braces cannot stand beside other text at character 3",
        ),
        ("/{a}/{a}", "the name `a` is used twice at character 7"),
        ("/{a}/{a*}", "the name `a` is used twice at character 7"),
        (
            "/{}",
            "a parameter needs a name of letters, digits and `_` at character 3",
        ),
        (
            "/{*}",
            "a parameter needs a name of letters, digits and `_` at character 3",
        ),
        (
            "/{:x}",
            "a parameter needs a name of letters, digits and `_` at character 3",
        ),
        ("/{1a}", "a name begins with a letter or `_` at character 3"),
        (
            "/{a-b}",
            "a name is letters, digits and `_`, then may come `*` or `:regex` at character 4",
        ),
        ("/{a:}", "the regex is missing at character 5"),
        ("/{a:(}", "bad regex: unclosed group at character 5"),
        ("/{a*}/b", "nothing may follow the tail at character 6"),
        ("/*/b", "nothing may follow the tail at character 3"),
        ("/*/", "nothing may follow the tail at character 3"),
        (
            "/api*",
            "`*` stands alone between slashes, as in `/api/*` at character 5",
        ),
        ("/x/{a", "this `{` is not closed at character 4"),
        ("/{a:[0-9]{3}", "this `{` is not closed at character 2"),
        (
            "/a/../b",
            "dot segments never match: request paths are resolved first at character 4",
        ),
        (
            "/%2e",
            "dot segments never match: request paths are resolved first at character 2",
        ),
        (
            "/a?b=1",
            "a path pattern ends before `?` and `#`: match the query with `when` at character 3",
        ),
        (
            "/a#b",
            "a path pattern ends before `?` and `#`: match the query with `when` at character 3",
        ),
        (
            "/a b",
            "spaces and control characters are written as escapes (%20) at character 3",
        ),
    ] {
        assert_eq!(
            text.parse::<PathPattern>().unwrap_err().to_string(),
            error,
            "{text}"
        );
    }
}

#[test]
fn the_offset_counts_bytes_and_the_character_counts_characters() {
    let error = "/é/v{n}".parse::<PathPattern>().unwrap_err();
    assert_eq!((error.offset, error.character), (5, 5));
    let error = "/é{n}".parse::<PathPattern>().unwrap_err();
    assert_eq!((error.offset, error.character), (3, 3));
}

#[test]
fn parameters_segments_and_bytes_are_bounded() {
    let parameters = |count| (0..count).map(|n| format!("/{{p{n}}}")).collect::<String>();
    assert!(parameters(MAX_PARAMETERS).parse::<PathPattern>().is_ok());
    assert!(parameters(MAX_PARAMETERS + 1).parse::<PathPattern>().is_err());
    assert!("/a".repeat(MAX_SEGMENTS).parse::<PathPattern>().is_ok());
    assert!("/a".repeat(MAX_SEGMENTS + 1).parse::<PathPattern>().is_err());
    assert!(format!("/{}", "a".repeat(2047)).parse::<PathPattern>().is_ok());
    assert!(format!("/{}", "é".repeat(1024)).parse::<PathPattern>().is_err());
}

#[test]
fn a_pattern_is_a_string_in_json_and_in_the_schema() {
    let text = "/api/{id:[0-9]+}/%7e";
    let pattern: PathPattern = serde_json::from_value(text.into()).unwrap();
    assert_eq!(serde_json::to_value(&pattern).unwrap(), text);
    assert!(
        serde_json::from_str::<PathPattern>("\"api\"")
            .unwrap_err()
            .to_string()
            .contains("at character 1")
    );
    assert_eq!(schemars::schema_for!(PathPattern).get("type").unwrap(), "string");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "/[a{}*:/.%2eé\\\\\\[\\]?]{0,24}") {
        if let Ok(pattern) = text.parse::<PathPattern>() {
            prop_assert_eq!(pattern.to_string(), text);
        }
    }
}
