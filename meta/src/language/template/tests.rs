//! Claims about templates: text, headers, URLs, mistakes.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::super::sample::Sample;
use super::*;

fn render(template: &str, texts: &[(&str, &str)]) -> String {
    Template::parse(template)
        .unwrap_or_else(|error| panic!("{template}: {error}"))
        .render(&Sample::of(texts))
}

fn render_url(template: &str, texts: &[(&str, &str)]) -> String {
    let template = UrlTemplate::parse(template).unwrap_or_else(|error| panic!("{template}: {error}"));
    let mut url = String::new();
    template.render_into(&mut url, &Sample::of(texts));
    url
}

#[test]
fn values_stand_between_text_and_absent_ones_are_empty() {
    let texts = [("query.name", "a & b"), ("cookie.\"x}y\"", "1")];
    for (template, expected) in [
        ("", ""),
        ("hello", "hello"),
        ("hello {query.name}!", "hello a & b!"),
        ("{ query.name }{query.name}", "a & ba & b"),
        ("[{header.none}]", "[]"),
        ("{{{query.name}}} {{}}", "{a & b} {}"),
        ("{cookie.\"x}y\"}", "1"),
    ] {
        assert_eq!(render(template, &texts), expected, "{template}");
    }
}

#[test]
fn a_template_knows_whether_it_is_only_text_or_only_a_value() {
    let literal = |template| Template::parse(template).unwrap().literal().map(str::to_owned);
    assert_eq!(literal("").as_deref(), Some(""));
    assert_eq!(literal("a{{b}}c").as_deref(), Some("a{b}c"));
    assert_eq!(literal("a{path}"), None);
    let only = |template| Template::parse(template).unwrap().only_value().cloned();
    assert_eq!(only("{path}"), Some(Value::Path));
    assert_eq!(only(" {path}"), None);
}

#[test]
fn a_value_can_not_end_a_header() {
    let header = |text: &str| {
        let template = Template::parse("{header.a}").unwrap();
        template
            .render_header_value(&Sample::of(&[("header.a", text)]))
            .as_bytes()
            .to_vec()
    };
    assert_eq!(header("a\r\nSet-Cookie: b\0\u{7f}\tc\n"), b"a  Set-Cookie: b   c");
    assert_eq!(header("é"), "é".as_bytes());
    assert_eq!(header("\r\n"), b"");
}

#[test]
fn mistakes_in_text_are_told_where_they_are() {
    for (template, expected) in [
        (
            "é {param.id",
            "expected a `}` for the brace that opens at character 3",
        ),
        ("é {", "expected a `}` for the brace that opens at character 3"),
        (
            "é {}",
            "expected a value, like `param.id`, after \"{\" (for a brace itself write `{{`) at character 4",
        ),
        (
            "{\"a\": 1}",
            "expected a value, like `param.id`, after \"{\" (for a brace itself write `{{`) at character 2",
        ),
        (
            "é }",
            "expected `}}` for a brace that closes no value at character 3",
        ),
        (
            "é {parm.id}",
            "expected a value instead of \"parm\", did you mean `param` at character 4",
        ),
        (
            "{ header }",
            "expected a name after \"header\", like `header.x-user` at character 9",
        ),
        ("{param.id/x}", "expected `}` after \"param.id\" at character 10"),
    ] {
        assert_eq!(
            Template::parse(template).unwrap_err().to_string(),
            expected,
            "{template}"
        );
        assert!(UrlTemplate::parse(&format!("/{template}")).is_err(), "{template}");
    }
}

#[test]
fn a_value_is_encoded_for_its_place() {
    let texts = [
        ("param.id", "a/b?c#d&e=f %é+"),
        ("param.rest", "x%2Fy/z w?/ü"),
        ("param.dot", "."),
        ("param.dots", ".."),
        ("param.plain", "AZaz09-._~"),
        ("query.v", "1&v=2"),
        ("path", "/a%20b/c\\d"),
        ("query", "a=1&b=%20#x"),
        ("host", "example.com"),
        ("client_ip", "::1"),
    ];
    for (template, expected) in [
        ("/users/{param.id}", "/users/a%2Fb%3Fc%23d%26e%3Df%20%25%C3%A9%2B"),
        (
            "/users?id={param.id}",
            "/users?id=a%2Fb%3Fc%23d%26e%3Df%20%25%C3%A9%2B",
        ),
        ("/{param.plain}", "/AZaz09-._~"),
        ("/users/{param.none}/x?v={query.v}", "/users//x?v=1%26v%3D2"),
        ("/a/{param.dot}/{param.dots}/b", "/a/%2E/%2E%2E/b"),
        ("/a?{param.dots}", "/a?.."),
        ("/files/{param.rest}", "/files/x%2Fy/z%20w%3F/%C3%BC"),
        (
            "/files?name={param.rest}",
            "/files?name=x%2Fy%2Fz%20w%3F%2F%C3%BC",
        ),
        ("/v2{path}", "/v2/a%20b/c%5Cd"),
        ("/v2/{path}", "/v2/a%20b/c%5Cd"),
        ("{path}/", "/a%20b/c%5Cd/"),
        ("/login?next={path}", "/login?next=%2Fa%2520b%2Fc%5Cd"),
        ("/x?{query}&y", "/x?a=1&b=%20%23x&y"),
        (
            "https://{host}{path}?{query}",
            "https://example.com/a%20b/c%5Cd?a=1&b=%20%23x",
        ),
        (
            "https://{host}:8443/{host}/{client_ip}",
            "https://example.com:8443/example.com/%3A%3A1",
        ),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("https://a.b?x", "https://a.b?x"),
        ("/ü/{{x}}/%41/%4", "/%C3%BC/%7Bx%7D/%41/%254"),
    ] {
        assert_eq!(render_url(template, &texts), expected, "{template}");
    }
}

#[test]
fn an_absent_query_leaves_no_question_mark() {
    assert_eq!(render_url("{path}?{query}", &[("path", "/a")]), "/a");
    assert_eq!(render_url("/a?b=1&{query}", &[("query", "")]), "/a?b=1");
    assert_eq!(render_url("/a?{query}&b=1", &[]), "/a?&b=1");
    assert_eq!(render_url("/a?{query}", &[("query", "b&")]), "/a?b&");
}

#[test]
fn a_value_can_not_become_the_host() {
    for (template, texts, expected) in [
        ("/{param.rest}", ("param.rest", "/evil.com"), "/.//evil.com"),
        ("{path}", ("path", "//evil.com/x"), "/.//evil.com/x"),
        (
            "/{header.none}/{param.a}",
            ("param.a", "evil.com"),
            "/.//evil.com",
        ),
        ("/{param.a}", ("param.a", "/evil.com"), "/%2Fevil.com"),
        ("/{param.a}", ("param.a", "\\evil.com"), "/%5Cevil.com"),
        ("{path}", ("path", "*"), "/*"),
        (
            "https://{host}/",
            ("host", "good.com@evil.com"),
            "https://invalid/",
        ),
        ("https://{host}/", ("host", "evil.com/a"), "https://invalid/"),
        ("https://{host}/", ("host", "a\r\nb"), "https://invalid/"),
        ("https://{host}/", ("host", ""), "https://invalid/"),
        ("https://{host}/", ("path", "/"), "https://invalid/"),
        ("https://{host}/", ("host", "[::1]:8080"), "https://[::1]:8080/"),
        (
            "https://{host}{path}",
            ("path", ".evil.com"),
            "https://invalid/.evil.com",
        ),
    ] {
        assert_eq!(render_url(template, &[texts]), expected, "{template}");
    }
}

#[test]
fn rendering_appends_to_what_is_there() {
    let mut out = String::from("//a?");
    UrlTemplate::parse("{path}")
        .unwrap()
        .render_into(&mut out, &Sample::of(&[("path", "/b")]));
    assert_eq!(out, "//a?/b");
}

#[test]
fn a_url_template_knows_its_shape() {
    for (template, absolute, has_query) in [
        ("/a", false, false),
        ("/a?", false, true),
        ("{path}", false, false),
        ("/a/{query.v}", false, false),
        ("/a?v={query.v}", false, true),
        ("https://{host}{path}", true, false),
        ("http://a.b?{query}", true, true),
    ] {
        let parsed = UrlTemplate::parse(template).unwrap();
        assert_eq!(
            (parsed.is_absolute(), parsed.has_query()),
            (absolute, has_query),
            "{template}"
        );
    }
}

#[test]
fn mistakes_in_a_url_are_told_where_they_are() {
    for (template, expected) in [
        ("", "expected `/`, `http://` or `https://` at character 1"),
        ("users", "expected `/`, `http://` or `https://` at character 1"),
        (
            "{param.id}/x",
            "expected `/`, `http://` or `https://` at character 1",
        ),
        ("ftp://x/", "expected `/`, `http://` or `https://` at character 1"),
        (
            "//evil.com",
            "expected a path after \"/\" (\"//\" would name a host) at character 2",
        ),
        (
            "/é#x",
            "expected no fragment: \"#\" never reaches a server at character 3",
        ),
        (
            "/é b",
            "expected no space and no control character: write it encoded, like `%20`, at character 3",
        ),
        (
            "/a\n",
            "expected no space and no control character: write it encoded, like `%20`, at character 3",
        ),
        (
            "/é/{query}",
            "expected a `?` somewhere before `{query}` at character 5",
        ),
        (
            "https://{param.id}/",
            "expected only `{host}` before the path, not \"param.id\" at character 10",
        ),
        (
            "https://a.{header.b}/",
            "expected only `{host}` before the path, not \"header.b\" at character 12",
        ),
        ("https://", "expected a host after \"https://\" at character 9"),
        ("https:///x", "expected a host after \"https://\" at character 9"),
        (
            "https://{path}",
            "expected a host after \"https://\" at character 10",
        ),
        (
            "http://u@h/",
            "expected a host and perhaps a port, like `example.com:8443`, at character 9",
        ),
        (
            "/{{{param.id}}}/{",
            "expected a `}` for the brace that opens at character 17",
        ),
    ] {
        assert_eq!(
            UrlTemplate::parse(template).unwrap_err().to_string(),
            expected,
            "{template}"
        );
    }
}

#[test]
fn values_are_listed_where_they_stand() {
    let template = UrlTemplate::parse("/é/{ param.id }{{?v={query.v}").unwrap();
    let values: Vec<_> = template
        .values()
        .map(|(at, value)| (at, value.to_string()))
        .collect();
    assert_eq!(values, [(6, "param.id".to_owned()), (22, "query.v".to_owned())]);
    let template = Template::parse("é{ param.id }").unwrap();
    assert_eq!(
        template.values().collect::<Vec<_>>(),
        [(4, &Value::Param("id".into()))]
    );
}

#[test]
fn templates_are_strings_outside() {
    let text = r#""/users/{param.id}""#;
    assert_eq!(
        serde_json::to_string(&serde_json::from_str::<Template>(text).unwrap()).unwrap(),
        text
    );
    let url: UrlTemplate = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&url).unwrap(), text);
    assert_eq!(format!("{url:?}"), r#"UrlTemplate("/users/{param.id}")"#);
    assert_eq!(url, UrlTemplate::parse("/users/{param.id}").unwrap());
    let error = serde_json::from_str::<UrlTemplate>(r#""/users/{param}""#).unwrap_err();
    assert!(error.to_string().contains("at character 14"), "{error}");
    let example = schemars::schema_for!(UrlTemplate).get("examples").unwrap()[0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(UrlTemplate::parse(&example).is_ok());
}

/// Text that is likely to break out of its place.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![".*", "[/?&#%.=:@\\\\ \r\n2Ee]{0,12}", "\\.{1,3}"]
}

/// Path segments, a query, and whether there is one, without path-shaped values.
fn shape() -> impl Strategy<Value = String> {
    let segment = proptest::sample::select(vec![
        "a",
        "{param.a}",
        "x{param.a}",
        "{header.b}-{param.a}",
        "{query.c}",
        "{host}",
    ]);
    let parameter = proptest::sample::select(vec!["a=1", "{param.a}={query.c}", "v={path}", "{header.b}"]);
    let path = proptest::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    let query = proptest::option::of(proptest::collection::vec(parameter, 1..4).prop_map(|p| p.join("&")));
    let start = proptest::sample::select(vec!["/first/", "https://{host}/", "http://a.b:80/"]);
    (start, path, query).prop_map(|(start, path, query)| match query {
        Some(query) => format!("{start}{path}?{query}"),
        None => format!("{start}{path}"),
    })
}

/// How many segments and how many parameters, and whether there is a fragment.
fn count(url: &str) -> (usize, usize, bool) {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    (
        path.split('/').count(),
        query.split(['&', ';']).count(),
        url.contains('#'),
    )
}

proptest! {
    #[test]
    fn a_value_never_adds_a_segment_or_a_parameter(template in shape(), a in hostile(), b in hostile(), c in hostile()) {
        let texts = [("param.a", &*a), ("header.b", &*b), ("query.c", &*c), ("path", &*a), ("host", &*b)];
        let url = render_url(&template, &texts);
        prop_assert_eq!(count(&url), count(&template), "{} from {}", url, template);
        prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
        let path = url.split('?').next().unwrap();
        let authority = if url.starts_with('/') { 0 } else { 3 };
        prop_assert!(path.split('/').skip(authority).all(|segment| segment != "." && segment != ".."), "{}", url);
        prop_assert!(http::Uri::try_from(&url).is_ok() || template.contains("//{host}"), "{}", url);
    }

    #[test]
    fn a_tail_never_adds_a_query_or_a_host(tail in hostile(), path in hostile()) {
        for template in ["/{param.rest}", "{path}", "/x{path}/{param.rest}"] {
            let url = render_url(template, &[("param.rest", &tail), ("path", &path)]);
            prop_assert!(url.starts_with('/') && !url.starts_with("//"), "{}", url);
            prop_assert!(!url.contains(['?', '#', '\\']) && url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
        }
    }

    #[test]
    fn a_header_value_is_always_legal(text: String) {
        let template = Template::parse("a{header.b}").unwrap();
        let header = template.render_header_value(&Sample::of(&[("header.b", &text)]));
        prop_assert!(header.as_bytes().starts_with(b"a"));
        prop_assert!(header.as_bytes().iter().all(|byte| *byte >= 32 && *byte != 127));
    }

    #[test]
    fn reading_never_panics_and_what_is_shown_reads_back(any: String, likely in "(/|https://)?([{}/?. é]|\\{(host|path|param\\.a)\\}){0,8}") {
        for text in [any, likely] {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
            }
            if let Ok(template) = UrlTemplate::parse(&text) {
                prop_assert_eq!(UrlTemplate::parse(&template.to_string()).unwrap(), template);
                let _ = render_url(&text, &[]);
            }
        }
    }

    #[test]
    fn text_without_values_is_rendered_as_written(text: String) {
        let escaped = text.replace('{', "{{").replace('}', "}}");
        let template = Template::parse(&escaped).unwrap();
        prop_assert_eq!(template.literal(), Some(&*text));
        prop_assert_eq!(render(&escaped, &[]), text);
    }
}
