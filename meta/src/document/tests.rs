#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::problem::Position;

fn at(line: usize, column: usize) -> Option<Position> {
    Some(Position { line, column })
}

fn ids(document: &Document) -> Vec<String> {
    let name = |object: &RawObject| format!("{}/{}", object.kind, object.id);
    document.objects.iter().map(name).collect()
}

fn broken(document: &Document) -> Vec<String> {
    document
        .broken
        .iter()
        .map(|(kind, id)| format!("{kind}/{id}"))
        .collect()
}

fn messages(document: &Document) -> Vec<String> {
    document.problems.iter().map(ToString::to_string).collect()
}

const SAMPLE: &str = "\
# a comment
servers:
- id: a
  address: 127.0.0.1:1
- { id: \"b\", address: '127.0.0.1:2', weight: 3 }
clusters:
  - id: c
    servers: [a, { id: b, weight: 2 }]
    timeout:
      total: 1s
routes:
";

#[test]
fn a_configuration_is_read_with_the_place_of_every_value() {
    let document = Document::read(SAMPLE);
    assert_eq!(messages(&document), Vec::<String>::new());
    assert!(document.complete);
    assert_eq!(ids(&document), ["servers/a", "servers/b", "clusters/c"]);
    let b = document.find(Kind::Server, "b").unwrap();
    assert_eq!(
        *b.value,
        json!({"id": "b", "address": "127.0.0.1:2", "weight": 3})
    );
    let node = b.node.as_ref().unwrap();
    assert_eq!(node.position(""), at(5, 3));
    assert_eq!(node.position("/weight"), at(5, 46));
    assert_eq!(node.key_position("/weight"), at(5, 38));
    let c = document.find(Kind::Cluster, "c").unwrap().node.clone().unwrap();
    assert_eq!(c.position(""), at(7, 5));
    assert_eq!(c.position("/servers/1/weight"), at(8, 35));
    assert_eq!(c.position("/timeout/total"), at(10, 14));
    assert_eq!(
        c.position("/timeout/nothing"),
        at(10, 7),
        "the mapping that lacks it"
    );
    assert_eq!(c.find("/timeout/nothing"), None);
    assert_eq!(c.find("/timeout/total").unwrap().as_text(), Some("1s"));
}

#[test]
fn a_character_of_a_value_has_its_place_behind_quotes_and_escapes() {
    let text = "plain: abcd\nü: 'it''s d'\ndouble: \"\\u00e9\\n\\x41d\"\neasy: \"abcd\"\nblock: |\n  abcd\nwide: a\n  d\n";
    let node = read_tree(text).unwrap();
    assert_eq!(node.position_in("/plain", 3), at(1, 11));
    assert_eq!(node.find("/ü").unwrap().as_text(), Some("it's d"));
    assert_eq!(node.position_in("/ü", 5), at(2, 11));
    assert_eq!(node.find("/double").unwrap().as_text(), Some("é\nAd"));
    assert_eq!(node.position_in("/double", 3), at(3, 22));
    assert_eq!(node.position_in("/easy", 3), at(4, 11));
    assert_eq!(node.position_in("/block", 3), node.position("/block"));
    assert_eq!(node.position_in("/wide", 2), at(7, 7));
}

#[test]
fn empty_collections_and_an_empty_mapping_are_an_empty_configuration() {
    for text in ["{}", "servers: []\nroutes:\n", "---\n{}\n...\n", "\u{feff}{}"] {
        let document = Document::read(text);
        assert!(
            document.complete && document.objects.is_empty() && document.problems.is_empty(),
            "{text}"
        );
    }
}

#[test]
fn a_text_that_is_no_configuration_says_so_and_claims_nothing() {
    for text in [
        "",
        "\n\n",
        "# only a comment\n",
        "---\n",
        "abc",
        "- a\n- b\n",
        "17",
        "null",
        "<html>: <body>",
        "\0\0\0",
        "@",
        "{",
        "[",
        "\"",
        "%",
        "\t",
        "{}\n---\n{}\n",
        "servers: [\n",
        "*x",
    ] {
        let document = Document::read(text);
        assert!(!document.complete, "{text:?}");
        assert!(document.objects.is_empty(), "{text:?}");
        assert_eq!(document.problems.len(), 1, "{text:?}: {:?}", messages(&document));
    }
    let document = Document::read_bytes(b"servers:\n- id: \xff\n");
    assert_eq!(messages(&document), ["2:7: this is no text: it is not UTF-8"]);
}

#[test]
fn an_unknown_collection_is_named_with_what_was_meant() {
    let document = Document::read("servers: []\nroutse:\n- id: a\n");
    assert_eq!(
        messages(&document),
        [
            "2:1: unknown key \"routse\"; did you mean \"routes\"? allowed: servers, clusters, routes, aggregations"
        ]
    );
    assert!(!document.complete, "routes that were there before may be meant");
}

#[test]
fn an_item_without_an_id_is_reported_and_the_others_are_read() {
    let document = Document::read("servers:\n- address: x\n- 5\n- id: [a]\n- id: b\nclusters: 7\n");
    assert_eq!(ids(&document), ["servers/b"]);
    assert_eq!(
        messages(&document),
        [
            "2:3: servers: \"id\" of this server is missing",
            "3:3: servers: expected a server with an id, found the number 5",
            "4:7: servers: an id is a text, found a list",
            "6:11: clusters: expected a list of clusters, found the number 7",
        ]
    );
    assert!(!document.complete);
}

#[test]
fn what_stands_before_an_error_is_kept_and_the_object_with_the_error_is_named() {
    let document = Document::read(
        "servers:\n- id: a\nroutes:\n- id: one\n  x: 1\n- id: two\n  match: { path: /x\n- id: three\n",
    );
    assert_eq!(ids(&document), ["servers/a", "routes/one"]);
    assert_eq!(broken(&document), ["routes/two"]);
    assert!(!document.complete);
    assert_eq!(document.problems.len(), 1);
    assert_eq!(document.problems[0].id, "two");
    assert_eq!(document.problems[0].position.unwrap().line, 8);
}

#[test]
fn an_object_whose_end_is_uncertain_is_not_taken_as_whole() {
    let document = Document::read("servers:\n  - id: a\n  - id: b\n    address: x\n   weight: 3\n");
    assert_eq!(
        (ids(&document), broken(&document)),
        (vec!["servers/a".into()], vec!["servers/b".into()])
    );
    // The next item is broken, not this one.
    let document = Document::read("servers:\n- id: a\n- id: b\n- @\n");
    assert_eq!(ids(&document), ["servers/a", "servers/b"]);
    assert!(!document.complete);
    // In braces an end is an end.
    let document = Document::read("{ servers: [ { id: a }, { id: b }, ");
    assert_eq!(ids(&document), ["servers/a", "servers/b"]);
    assert!(!document.complete);
}

#[test]
fn a_flaw_of_one_object_breaks_only_that_object() {
    let document = Document::read(
        "servers:\n- id: a\n  x: 1\n  x: 2\n- id: b\n  n: [1, .inf]\n- id: c\n  t: !thing 5\n- id: d\n  n: 99999999999999999999\n- id: e\n",
    );
    assert_eq!(ids(&document), ["servers/e"]);
    assert_eq!(
        broken(&document),
        ["servers/a", "servers/b", "servers/c", "servers/d"]
    );
    assert!(document.complete);
    let messages = messages(&document);
    assert_eq!(
        messages[0],
        "4:3: servers/a: x: the key \"x\" stands here a second time"
    );
    assert!(
        messages[1].starts_with("6:10: servers/b: n[1]: .inf is no number"),
        "{}",
        messages[1]
    );
    assert!(
        messages[2].contains("the tag !thing means nothing here"),
        "{}",
        messages[2]
    );
    assert!(messages[3].contains("too large"), "{}", messages[3]);
}

#[test]
fn a_collection_that_stands_twice_is_a_problem_and_nothing_is_taken_as_gone() {
    let document = Document::read("servers:\n- id: a\nservers:\n- id: b\n");
    assert_eq!(ids(&document), ["servers/a", "servers/b"]);
    assert_eq!(
        messages(&document),
        ["3:1: the key \"servers\" stands here a second time"]
    );
    assert!(!document.complete);
}

#[test]
fn a_key_twice_among_many_is_found() {
    let mut text: String = (0..40).map(|n| format!("k{n}: {n}\n")).collect();
    assert!(read_tree(&text).is_ok());
    text.push_str("k5: 1\n");
    assert_eq!(
        read_tree(&text).unwrap_err().to_string(),
        "41:1: the key \"k5\" stands here a second time"
    );
}

#[test]
fn keys_that_are_no_text_become_text_and_lists_as_keys_are_refused() {
    let node = read_tree("200: a\ntrue: b\n1.0: c\n\"x\": d\n").unwrap();
    let keys: Vec<&str> = node.entries().iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["200", "true", "1.0", "x"]);
    assert!(read_tree("? [a]\n: b\n").is_err());
}

#[test]
fn tags_of_the_core_schema_decide_and_others_are_refused() {
    let node = read_tree("a: !!str 5\nb: !!int 5\nc: !!float 5\nd: ! 5\ne: !!map {}\nf: !!seq []\n").unwrap();
    assert_eq!(
        node.to_value(),
        json!({"a": "5", "b": 5, "c": 5, "d": "5", "e": {}, "f": []})
    );
    for text in [
        "a: !x 5",
        "a: !!int x",
        "a: !!binary eA==",
        "a: !!set {}",
        "a: !!str []",
    ] {
        assert!(read_tree(text).is_err(), "{text}");
    }
}

#[test]
fn aliases_repeat_values_within_bounds() {
    let node = read_tree("a: &x { n: [1] }\nb: *x\nc: &t k\n*t : *t\n").unwrap();
    assert_eq!(
        node.to_value(),
        json!({"a": {"n": [1]}, "b": {"n": [1]}, "c": "k", "k": "k"})
    );
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let last = format!("*a{}", n - 1);
        laughs.push_str(&format!("a{n}: &a{n} [{}]\n", [last.as_str(); 10].join(", ")));
    }
    assert!(read_tree(&laughs).unwrap_err().message.contains("repeat more"));
    let mut deep = String::from("a0: &a0 [x]\n");
    for n in 1..100 {
        deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(read_tree(&deep).unwrap_err().message.contains("deep"));
    assert!(
        read_tree("a: &a [*a]").is_err(),
        "an alias within what it stands for"
    );
    assert!(read_tree("a: *b").is_err());
}

#[test]
fn depth_is_bounded_without_a_deep_stack() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let nested = |depth: usize| format!("{}x{}", open.repeat(depth), close.repeat(depth));
        assert!(read_tree(&nested(MAX_DEPTH)).is_ok(), "{open}");
        assert!(read_tree(&nested(MAX_DEPTH + 1)).is_err(), "{open}");
        assert!(read_tree(&nested(100_000)).is_err(), "{open}");
    }
}

#[test]
fn several_documents_in_one_text_are_refused_with_the_place_of_the_second() {
    let document = Document::read("servers: []\n---\nservers: []\n");
    assert_eq!(
        messages(&document),
        ["2:1: a second document begins here; a file holds only one"]
    );
    assert!(!document.complete);
}

#[test]
fn objects_are_written_to_be_read() {
    let document = Document::read(
        "routes:\n- to: [{weight: 9, cluster: u}, {cluster: v}]\n  id: r\n  body: \"a\\nb\\n\"\n  when: 'path == \"/x\"'\n  match: {path: '/a/{id}', hosts: ['*.x.org', yes-no]}\n  flag: 'yes'\n  version: '1.0'\n",
    );
    let text = document.to_yaml();
    assert_eq!(
        text,
        "servers: []\nclusters: []\nroutes:\n- id: r\n  to:\n  - { weight: 9, cluster: u }\n  - { cluster: v }\n  body: |\n    a\n    b\n  when: \"path == \\\"/x\\\"\"\n  match: { path: \"/a/{id}\", hosts: [\"*.x.org\", yes-no] }\n  flag: \"yes\"\n  version: \"1.0\"\naggregations: []\n"
    );
    assert_eq!(Document::read(&text).to_yaml(), text);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,12}",
        any::<String>(),
        proptest::collection::vec(
            prop::sample::select(vec![
                "yes",
                "no",
                "~",
                "null",
                "true",
                "1e3",
                "0x1f",
                "0o7",
                ".inf",
                "- ",
                "- a",
                ": ",
                ":",
                " #",
                "#",
                "\n",
                "\n\n",
                " ",
                "\t",
                "\r",
                "\0",
                "\u{7f}",
                "\u{85}",
                "\u{2028}",
                "\u{feff}",
                "é",
                "𝄞",
                "'",
                "\"",
                "\\",
                "{",
                "}",
                "[",
                "]",
                ",",
                "&a",
                "*a",
                "!t",
                "|",
                ">",
                "%",
                "@",
                "`",
                "?",
                "---",
                "...",
                "=",
                "<<",
                "2026-01-01",
                "12:30",
                "-1",
                "+1",
                ".",
                "a",
                "b",
            ]),
            0..6
        )
        .prop_map(|parts| parts.concat()),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any_text(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_is_written_is_read_as_it_was(value in any_value()) {
        let text = write_value(&value);
        let read = read_tree(&text);
        prop_assert_eq!(read.as_ref().map(Node::to_value), Ok(value.clone()), "{}", text);
        // Values are equal whatever the order of their keys; their JSON is not.
        prop_assert_eq!(read.unwrap().to_value().to_string(), value.to_string(), "{}", text);
    }

    #[test]
    fn json_is_read_as_yaml(value in any_value()) {
        let text = value.to_string();
        prop_assert_eq!(read_tree(&text).map(|node| node.to_value()), Ok(value), "{}", text);
    }

    #[test]
    fn any_text_can_be_read_without_harm(parts in proptest::collection::vec(any_text(), 0..20)) {
        let text = parts.concat();
        let document = Document::read(&text);
        prop_assert!(document.complete || !document.problems.is_empty());
    }

    #[test]
    fn a_text_cut_anywhere_gives_only_objects_that_it_holds(cut in 0usize..400, broken in any_text()) {
        let whole: String = (0..20).map(|n| format!("- id: r{n}\n  match: {{ path: \"/p{n}\" }}\n")).collect();
        let whole = format!("routes:\n{whole}");
        let text = format!("{}{broken}", &whole[..cut.min(whole.len())]);
        let document = Document::read(&text);
        for object in document.objects.iter().rev().skip(1) {
            prop_assert!(Document::read(&whole).objects.iter().any(|other| other.value == object.value), "{text}");
        }
    }
}

#[test]
fn a_very_long_key_is_written_so_that_it_can_be_read() {
    for length in [99, 101, 249, 250, 251, 1023, 1024, 1025, 5000] {
        let value = json!({ "k".repeat(length): { "é ".repeat(length): [{ "\"".repeat(length): 1 }] } });
        assert_eq!(
            read_tree(&write_value(&value)).unwrap().to_value(),
            value,
            "{length}"
        );
    }
}

#[test]
fn five_thousand_routes_are_read_in_a_moment() {
    let route = |n: usize| {
        format!(
            "- id: route-{n}\n  match:\n    hosts: [api{n}.example.com, \"*.example.org\"]\n    methods: [GET, POST]\n    path: /api/v{n}/users/{{id}}\n    when: header.x-version >= 2 && cookie.group == \"b\"\n  to:\n  - {{ cluster: users-{n}, weight: 90 }}\n  - {{ cluster: users-v2, weight: 10 }}\n  rewrite: /users/{{param.id}}?v={{query.v}}\n  limit: {{ requests_per_second: 100, burst: 20, key: client_ip }}\n"
        )
    };
    let text: String = std::iter::once("routes:\n".into())
        .chain((0..5000).map(route))
        .collect();
    let since = std::time::Instant::now();
    let document = Document::read(&text);
    let read = since.elapsed();
    assert!(document.complete && document.objects.len() == 5000);
    let since = std::time::Instant::now();
    let written = document.to_yaml();
    let write = since.elapsed();
    let edited = text.replace("/api/v2500/", "/api/edited/");
    let since = std::time::Instant::now();
    let again = document.reread(&text, &edited);
    let reread = since.elapsed();
    assert_ne!(again.objects[2500].value, document.objects[2500].value);
    eprintln!(
        "{} bytes: read {read:?}, reread {reread:?}, written {write:?}",
        text.len()
    );
    assert_eq!(Document::read(&written).to_yaml(), written);
    // A bound against a quadratic step, not a measurement: it holds without optimisation on a busy machine.
    assert!(
        read < std::time::Duration::from_secs(5) && reread < read / 2,
        "{read:?} {reread:?}"
    );
}
