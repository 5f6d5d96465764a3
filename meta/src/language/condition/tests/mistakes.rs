//! Claims about what is no condition: each mistake is told, with its place.

use super::super::Condition;

fn errors(table: &[(&str, &str)]) {
    for (condition, expected) in table {
        let error = Condition::parse(condition).expect_err(condition);
        assert_eq!(error.to_string(), *expected, "{condition}");
        assert_eq!(
            condition[..error.offset].chars().count() + 1,
            error.character,
            "{condition}"
        );
    }
}

#[test]
fn mistakes_of_grammar_are_told_where_they_are() {
    errors(&[
        ("", "expected a value at character 1"),
        ("  ", "expected a value at character 3"),
        ("header.abc ==", "expected a value after \"==\" at character 14"),
        (
            "header.abc == && path",
            "expected a value after \"==\" at character 15",
        ),
        ("header.a &&", "expected a value after \"&&\" at character 12"),
        ("|| header.a", "expected a value at character 1"),
        ("(header.a", "expected `)` after \"header.a\" at character 10"),
        (
            "header.a)",
            "expected `&&`, `||` or the end after \"header.a\" at character 9",
        ),
        ("()", "expected a value after \"(\" at character 2"),
        (
            "header.a header.b",
            "expected `&&`, `||` or the end after \"header.a\" at character 10",
        ),
        (
            "header.a == header.b == 1",
            "expected `&&`, `||` or the end after \"header.b\" at character 22",
        ),
        (
            "header.a == 'é' 1",
            "expected `&&`, `||` or the end after 'é' at character 17",
        ),
        ("header.a = 1", "expected `==` instead of \"=\" at character 10"),
        (
            "header.a =~ 'x'",
            "expected `~` instead of \"=~\" at character 10",
        ),
        (
            "header.a & header.b",
            "expected `&&` instead of \"&\" at character 10",
        ),
        (
            "header.a | header.b",
            "expected `||` instead of \"|\" at character 10",
        ),
        (
            "header.a and header.b",
            "expected `&&` instead of \"and\" at character 10",
        ),
        (
            "header.a OR header.b",
            "expected `||` instead of \"OR\" at character 10",
        ),
        ("not header.a", "expected `!` instead of \"not\" at character 1"),
        (
            "header.a IN ['x']",
            "expected `in` instead of \"IN\" at character 10",
        ),
        (
            "header.a ; 1",
            "expected a value or an operator instead of \";\" at character 10",
        ),
        (
            "é",
            "expected a value or an operator instead of \"é\" at character 1",
        ),
        (
            "header.a == \"é",
            "expected a closing `\"` for the text that starts at character 13",
        ),
        (
            "header.a == 12ab",
            "expected a number like `12` or `-0.5` instead of \"12ab\" at character 13",
        ),
        (
            "header.a == -",
            "expected a number like `12` or `-0.5` instead of \"-\" at character 13",
        ),
        (
            "header.a == 1.",
            "expected a number like `12` or `-0.5` instead of \"1.\" at character 13",
        ),
        (
            "header.a in []",
            "expected text in quotes or a number after \"[\" at character 14",
        ),
        (
            "header.a in [1,]",
            "expected text in quotes or a number after \",\" at character 16",
        ),
        (
            "header.a in [1 2]",
            "expected `,` or `]` after \"1\" at character 16",
        ),
        (
            "header.a in [1",
            "expected `,` or `]` after \"1\" at character 15",
        ),
        (
            "header.a in [header.b]",
            "expected text in quotes or a number after \"[\" at character 14",
        ),
        (
            "header.a in 'x'",
            "expected a list like `[\"a\", \"b\"]` after \"in\" at character 13",
        ),
        (
            "header.a == ['x']",
            "expected a value after \"==\" at character 13",
        ),
        (
            "origin in ['x']",
            "expected a value instead of \"origin\": one of `header`, `cookie`, `query`, `param`, `body`, \
          `node`, `method`, `host`, `path`, `client_ip`, `scheme` at character 1",
        ),
        (
            "path ~ 'é' && headr.x",
            "expected a value instead of \"headr\", did you mean `header` at character 15",
        ),
        (
            "path ~ 'é' && header",
            "expected a name after \"header\", like `header.x-user` at character 21",
        ),
        (
            "header.a == true",
            "expected `\"true\"` instead of \"true\" at character 13",
        ),
    ]);
}

#[test]
fn mistakes_of_type_are_told_where_they_are() {
    errors(&[
        (
            "method == 5",
            "expected text in quotes, as \"method\" is never a number, at character 11",
        ),
        (
            "5 < path",
            "expected text in quotes, as \"path\" is never a number, at character 1",
        ),
        (
            "host in ['a', 5]",
            "expected text in quotes, as \"host\" is never a number, at character 15",
        ),
        (
            "query > 5",
            "expected text in quotes, as \"query\" is never a number, at character 9",
        ),
        (
            "scheme < 'https'",
            "expected `==`, `!=`, `in`, `~` or `!~` with \"scheme\" at character 8",
        ),
        (
            "header.a < path",
            "expected `==`, `!=`, `in`, `~` or `!~` with \"path\" at character 10",
        ),
        (
            "header.a >= '2'",
            "expected `2` without quotes, to compare numbers at character 13",
        ),
        (
            "'a' == 5",
            "expected a value, like `header.x-user`, on one side of the comparison at character 1",
        ),
        (
            "path && 'a' == 'a'",
            "expected a value, like `header.x-user`, on one side of the comparison at character 9",
        ),
        (
            "'a'",
            "expected a comparison with a value, like `== header.x-user` at character 4",
        ),
        (
            "'a' in ['a']",
            "expected a value, like `header.x-user`, before \"in\" at character 1",
        ),
        (
            "'a' ~ 'a'",
            "expected a value, like `header.x-user`, before \"~\" at character 1",
        ),
        (
            "header.a ~ 5",
            "expected a regular expression in quotes after \"~\" at character 12",
        ),
        (
            "header.a !~ header.b",
            "expected a regular expression in quotes after \"!~\" at character 13",
        ),
        (
            "header.a ~ '(x'",
            "expected a valid regular expression (unclosed group) at character 12",
        ),
        (
            r#"header.a ~ "\\w{900}{900}""#,
            "expected a valid regular expression (Compiled regex exceeds size limit of 1048576 bytes) at character 12",
        ),
        (
            "client_ip",
            "expected `==`, `!=` or `in` with \"client_ip\" at character 10",
        ),
        (
            "client_ip < '10.0.0.0'",
            "expected `==`, `!=` or `in` with \"client_ip\" at character 11",
        ),
        (
            "client_ip ~ '10'",
            "expected `==`, `!=` or `in` with \"client_ip\" at character 11",
        ),
        (
            "client_ip == 5",
            "expected an address or a network in quotes, like `\"10.0.0.0/8\"`, at character 14",
        ),
        (
            "client_ip in ['10.0.0.0/8', '10.0.0.0/33']",
            "expected an address or a network in quotes, like `\"10.0.0.0/8\"`, at character 29",
        ),
        (
            "header.a == client_ip",
            "expected \"client_ip\" to be compared with an address in quotes at character 10",
        ),
    ]);
}

#[test]
fn nesting_ends_at_64() {
    let nested =
        |depth: usize, open: &str, close: &str| format!("{}path{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("!", "")] {
        assert!(Condition::parse(&nested(64, open, close)).is_ok());
        let error = Condition::parse(&nested(65, open, close)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected at most 64 `(` and `!` inside each other at character 65"
        );
    }
    assert!(
        Condition::parse(&vec!["(path)"; 200].join("||")).is_ok(),
        "side by side is not nested"
    );
}

#[test]
fn length_ends_at_4096_bytes() {
    let long = |length: usize| format!("{:length$}", "path");
    assert!(Condition::parse(&long(4096)).is_ok());
    let error = Condition::parse(&long(4097)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a condition of at most 4096 bytes to end at character 4097"
    );
    let accents = Condition::parse(&"é".repeat(3000)).unwrap_err();
    assert_eq!((accents.offset, accents.character), (4096, 2049));
}
