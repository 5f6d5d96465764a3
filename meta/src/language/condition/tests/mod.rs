//! Claims about conditions: what they mean, and that reading one never fails badly.

#![allow(clippy::unwrap_used, clippy::panic)]

mod mistakes;

use proptest::prelude::*;

use super::super::sample::Sample;
use super::*;

fn holds(condition: &str, request: &Sample) -> bool {
    Condition::parse(condition)
        .unwrap_or_else(|error| panic!("{condition}: {error}"))
        .holds(request)
}

/// Asserts each condition's outcome for one request.
fn outcomes(request: &Sample, table: &[(&str, bool)]) {
    for (condition, expected) in table {
        assert_eq!(holds(condition, request), *expected, "{condition}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_tighter_than_both() {
    let request = Sample::of(&[("header.a", "1")]);
    outcomes(
        &request,
        &[
            ("header.a || header.b && header.c", true),
            ("(header.a || header.b) && header.c", false),
            ("header.b && header.c || header.a", true),
            ("header.b && (header.c || header.a)", false),
            ("!header.b && header.a", true),
            ("!(header.b && header.a)", true),
            ("!!header.a", true),
            ("!header.a == 1", false),
            ("!header.a == 2", true),
            ("((header.a))", true),
        ],
    );
}

#[test]
fn space_between_words_is_free() {
    let request = Sample::of(&[("header.x-version", "3"), ("cookie.g", "b")]);
    outcomes(
        &request,
        &[
            ("header.x-version>=2&&cookie.g=='b'", true),
            ("\n  header.x-version >= 2\n  &&\tcookie.g == \"b\"\n", true),
            ("header.x-version in[1,2,3]", true),
            ("header.x-version<=-2||!cookie.g", false),
        ],
    );
}

#[test]
fn an_operator_inside_a_name_is_part_of_the_name() {
    let request = Sample::of(&[
        ("header.origin", "https://a"),
        ("query.in", "in"),
        ("cookie.not-in", "1"),
        ("param.and", "x"),
        ("cookie.\"a && b\"", "1"),
        ("header.x-in-y", "in"),
    ]);
    outcomes(
        &request,
        &[
            ("header.origin", true),
            ("header.origin == \"https://a\"", true),
            ("header.origin in [\"https://a\", \"https://b\"]", true),
            ("query.in in ['in']", true),
            ("query.in == header.x-in-y", true),
            ("cookie.not-in == 1 && param.and == \"x\"", true),
            ("cookie.\"a && b\" == 1", true),
            ("header.origin == \"a in b && c\"", false),
        ],
    );
}

#[test]
fn a_value_alone_means_there_and_not_empty() {
    let request = Sample::of(&[
        ("header.a", "x"),
        ("header.empty", ""),
        ("method", "GET"),
        ("query", ""),
    ]);
    outcomes(
        &request,
        &[
            ("header.a", true),
            ("header.empty", false),
            ("header.b", false),
            ("!header.b", true),
            ("method", true),
            ("query", false),
        ],
    );
}

#[test]
fn compared_with_a_number_a_value_counts_as_one() {
    let request = Sample::of(&[
        ("header.v", "10"),
        ("header.f", "2.50"),
        ("header.n", "-3"),
        ("header.big", "9007199254740993"),
        ("header.huge", "123456789012345678901234567890123456789012"),
        ("header.text", "ten"),
        ("header.empty", ""),
    ]);
    outcomes(
        &request,
        &[
            ("header.v > 9", true),
            ("header.v >= 10.0", true),
            ("header.v == 10", true),
            ("header.v == 1e1", true),
            ("header.v != 10", false),
            ("header.f > 2.4 && header.f < 2.6 && header.f == 2.5", true),
            ("header.n < -2.5", true),
            ("header.n <= -3", true),
            ("2 < header.v && 11 > header.v && 10 == header.v", true),
            ("10 < header.v", false),
            ("header.big == 9007199254740992", false),
            ("header.big > 9007199254740992", true),
            ("header.huge > 123456789012345678901234567890123456789011", true),
            ("header.text > 1", false),
            ("header.text < 1", false),
            ("header.text == 1", false),
            ("header.text != 1", true),
            ("header.empty == 0", false),
        ],
    );
}

#[test]
fn compared_with_quoted_text_a_value_is_text() {
    let request = Sample::of(&[
        ("header.v", "10"),
        ("header.date", "2026-05-01"),
        ("method", "GET"),
        ("header.q", "a\"b\\d"),
    ]);
    outcomes(
        &request,
        &[
            ("header.v == \"10\"", true),
            ("header.v == \"10.0\"", false),
            ("header.v != '10.0'", true),
            ("header.date < \"2026-06\" && header.date >= '2026-05'", true),
            ("\"2026-06\" > header.date", true),
            ("method == \"GET\"", true),
            ("method == \"get\"", false),
            (r#"header.q == "a\"b\d""#, true),
            (r#"header.q == 'a"b\\d'"#, true),
        ],
    );
}

#[test]
fn two_values_are_compared_as_numbers_if_both_are() {
    let request = Sample::of(&[
        ("header.a", "10"),
        ("header.b", "9.0"),
        ("header.c", "9"),
        ("header.t", "x9"),
        ("host", "9"),
    ]);
    outcomes(
        &request,
        &[
            ("header.a > header.b", true),
            ("header.b == header.c", true),
            ("header.a > header.t", false),
            ("header.t > header.a", true),
            ("header.c == host", true),
            ("header.c != header.c", false),
        ],
    );
}

#[test]
fn an_absent_value_is_different_from_everything_and_nothing_else() {
    let request = Sample::of(&[("header.here", "1")]);
    for (operator, expected) in [
        ("==", false),
        ("!=", true),
        ("<", false),
        ("<=", false),
        (">", false),
        (">=", false),
    ] {
        for condition in [
            format!("header.a {operator} 1"),
            format!("1 {operator} header.a"),
            format!("header.a {operator} \"text\""),
            format!("header.a {operator} header.here"),
            format!("header.here {operator} header.a"),
            format!("header.a {operator} header.b"),
        ] {
            assert_eq!(holds(&condition, &request), expected, "{condition}");
        }
    }
    outcomes(
        &request,
        &[
            ("header.a in ['', 1]", false),
            ("header.a ~ ''", false),
            ("header.a !~ ''", true),
        ],
    );
}

#[test]
fn membership_compares_text_as_text_and_numbers_as_numbers() {
    let request = Sample::of(&[("query.a", "3.0"), ("query.b", "b"), ("method", "PUT")]);
    outcomes(
        &request,
        &[
            ("query.a in [\"a\", \"b\", 3]", true),
            ("query.a in [\"a\", \"b\", \"3\"]", false),
            ("query.b in [\"a\", \"b\", 3]", true),
            ("query.b in [1, 2]", false),
            ("method in ['PUT', 'POST']", true),
            ("!(method in ['PUT', 'POST'])", false),
        ],
    );
}

#[test]
fn a_regex_looks_anywhere_unless_anchored() {
    let request = Sample::of(&[("path", "/a/123"), ("query.beta", "11")]);
    outcomes(
        &request,
        &[
            (r#"path ~ "\d+$""#, true),
            (r#"path ~ "^\d""#, false),
            (r#"path !~ "^\d""#, true),
            (r#"query.beta ~ "^1$""#, false),
            (r#"query.beta ~ "1""#, true),
        ],
    );
}

#[test]
fn the_client_is_in_a_network_also_when_its_address_is_mapped_into_ipv6() {
    for (client, condition, expected) in [
        ("10.1.2.3", "client_ip in [\"10.0.0.0/8\"]", true),
        ("::ffff:10.1.2.3", "client_ip in [\"10.0.0.0/8\"]", true),
        ("10.1.2.3", "client_ip in [\"::ffff:10.0.0.0/104\"]", true),
        (
            "11.1.2.3",
            "client_ip in [\"10.0.0.0/8\", '192.168.0.1', \"::/0\"]",
            false,
        ),
        (
            "192.168.0.1",
            "client_ip in [\"10.0.0.0/8\", '192.168.0.1']",
            true,
        ),
        ("10.1.2.3", "client_ip == \"10.1.2.3\"", true),
        ("10.1.2.3", "client_ip != \"10.1.2.3\"", false),
        ("10.1.2.4", "\"10.1.2.3\" != client_ip", true),
        ("10.9.9.9", "client_ip == \"10.1.2.3/8\"", true),
        ("2001:db8::1", "client_ip in [\"2001:db8::/32\"]", true),
        ("2001:db9::1", "!(client_ip in [\"2001:db8::/32\"])", true),
    ] {
        assert_eq!(
            holds(condition, &Sample::from(client)),
            expected,
            "{client}: {condition}"
        );
    }
}

#[test]
fn terms_and_values_are_counted_where_they_stand() {
    let condition =
        Condition::parse("'é' == param.id && (node.a.b || !body.x < 1) || client_ip in ['::1']").unwrap();
    assert_eq!(condition.terms(), 4);
    let values: Vec<_> = condition
        .values()
        .map(|(at, value)| (at, value.to_string()))
        .collect();
    let expected = [
        (8, "param.id"),
        (21, "node.a.b"),
        (34, "body.x"),
        (49, "client_ip"),
    ];
    assert_eq!(values, expected.map(|(at, value)| (at, value.to_owned())));
}

#[test]
fn any_kind_of_request_can_be_asked() {
    let request: &dyn Values = &Sample::of(&[("path", "/")]);
    assert!(Condition::parse("path == '/'").unwrap().holds(request));
}

#[test]
fn a_condition_is_a_string_outside() {
    let text = r#""header.a  ==  1""#;
    let condition: Condition = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&condition).unwrap(), text);
    assert_eq!(condition, Condition::parse("header.a  ==  1").unwrap());
    assert_ne!(condition, Condition::parse("header.a == 1").unwrap());
    assert_eq!(format!("{condition:?}"), r#"Condition("header.a  ==  1")"#);
    let error = serde_json::from_str::<Condition>(r#""header.a ==""#).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected a value after \"==\" at character 12"),
        "{error}"
    );
}

#[test]
fn the_examples_of_the_schema_are_conditions() {
    let schema = schemars::schema_for!(Condition);
    assert_eq!(schema.get("type").unwrap(), "string");
    for example in schema.get("examples").unwrap().as_array().unwrap() {
        assert!(Condition::parse(example.as_str().unwrap()).is_ok(), "{example}");
    }
}

/// A condition with the outcome it must have for [`request`], built side by side.
fn known() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("header.yes", true)),
        Just(("header.no", false)),
        Just(("header.yes==1", true)),
        Just(("header.yes in [ 2,'in' ]", false)),
        Just(("header.yes != \"&& ||\"", true)),
        Just(("2 <= header.yes", false)),
        Just(("header.no !~ '[)(]'", true)),
    ];
    leaf.prop_map(|(text, outcome)| (text.to_owned(), outcome))
        .prop_recursive(5, 30, 3, |inner| {
            prop_oneof![
                inner
                    .clone()
                    .prop_map(|(text, outcome)| (format!("!({text})"), !outcome)),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| (format!("({})&&({})", a.0, b.0), a.1 && b.1)),
                (inner.clone(), inner).prop_map(|(a, b)| (format!("({} || {})", a.0, b.0), a.1 || b.1)),
            ]
        })
}

/// Text made of the words of the language, in any order.
fn likely() -> impl Strategy<Value = String> {
    let words = [
        "header.a",
        "body.0",
        "client_ip",
        "path",
        "in",
        "==",
        "!=",
        "<",
        "~",
        "!~",
        "!",
        "&&",
        "||",
        "(",
        ")",
        "[",
        "]",
        ",",
        "'1'",
        "\"10.0.0.0/8\"",
        "1",
        "-2.5",
        " ",
        ".",
        "\"",
        "\\",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..16)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn a_condition_means_what_its_parts_mean((text, outcome) in known()) {
        let request = Sample::of(&[("header.yes", "1")]);
        let condition = Condition::parse(&text).unwrap();
        prop_assert_eq!(condition.holds(&request), outcome);
        let again = Condition::parse(&condition.to_string()).unwrap();
        prop_assert_eq!(&again, &condition);
        prop_assert_eq!(again.holds(&request), outcome);
        prop_assert_eq!(again.terms(), condition.terms());
    }

    #[test]
    fn reading_and_evaluating_never_panic(any: String, likely in likely(), found: String) {
        for text in [any, likely] {
            match Condition::parse(&text) {
                Ok(condition) => {
                    condition.holds(&Sample::of(&[("header.a", &found), ("body.0", &found), ("path", &found)]));
                    prop_assert!(condition.terms() > 0);
                }
                Err(error) => {
                    let ending = format!(" at character {}", text[..error.offset].chars().count() + 1);
                    prop_assert!(error.to_string().ends_with(&ending));
                }
            }
        }
    }
}
