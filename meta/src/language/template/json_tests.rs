//! Claims about JSON templates: their pieces, how they read and write, and where mistakes are.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::decode;

fn template(json: &Json) -> JsonTemplate {
    decode(json).unwrap_or_else(|flaws| panic!("{json}: {flaws:?}"))
}

/// The pieces: text as it is, `<value>`, `"template"`.
fn pieces(json: &Json) -> Vec<String> {
    let piece = |part: &JsonPart| match part {
        JsonPart::Text(text) => text.to_string(),
        JsonPart::Value(value) => format!("<{value}>"),
        JsonPart::Quoted(template) => format!("{template:?}"),
    };
    template(json).parts().iter().map(piece).collect()
}

#[test]
fn a_template_is_text_values_and_texts_with_values_in_the_order_written() {
    let cases: &[(Json, &[&str])] = &[
        (json!(null), &["null"]),
        (json!([]), &["[]"]),
        (json!({}), &["{}"]),
        (
            json!([1, -2, 1.5, true, null, "a\"b"]),
            &[r#"[1,-2,1.5,true,null,"a\"b"]"#],
        ),
        (json!("{node.user}"), &["<node.user>"]),
        (json!("{ node.user }"), &["<node.user>"]),
        (json!("{{node.user}}"), &[r#""{node.user}""#]),
        (
            json!("dear {node.user.name}"),
            &[r#"Template("dear {node.user.name}")"#],
        ),
        (json!("{path}{path}"), &[r#"Template("{path}{path}")"#]),
        (
            json!({ "user": "{node.user}", "at": ["{path}", "x"], "to": "a {host}", "": {} }),
            &[
                r#"{"user":"#,
                "<node.user>",
                r#","at":["#,
                "<path>",
                r#","x"],"to":"#,
                r#"Template("a {host}")"#,
                r#","":{}}"#,
            ],
        ),
        // Keys are no templates.
        (json!({ "{path}": 1 }), &[r#"{"{path}":1}"#]),
    ];
    for (json, expected) in cases {
        assert_eq!(pieces(json), *expected, "{json}");
    }
}

#[test]
fn only_a_text_alone_is_a_text() {
    assert_eq!(
        template(&json!("a {path}")).as_text().unwrap().to_string(),
        "a {path}"
    );
    assert_eq!(template(&json!("a")).as_text().unwrap().literal(), Some("a"));
    for json in [json!(1), json!(["a"]), json!({ "a": "a" })] {
        assert!(template(&json).as_text().is_none(), "{json}");
    }
}

#[test]
fn every_value_is_told_with_the_place_of_its_text() {
    let json = json!({ "a/b": ["{path}", { "~": "é {param.id}{host}" }], "c": "{node.user}" });
    let mut found = Vec::new();
    template(&json).for_each_value("/response", |reading| {
        let Reading {
            pointer,
            text,
            offset,
            value,
        } = reading;
        found.push(format!("{pointer} {text} {offset} {value}"));
    });
    assert_eq!(
        found,
        [
            "/response/a~1b/0 {path} 1 path",
            "/response/a~1b/1/~0 é {param.id}{host} 4 param.id",
            "/response/a~1b/1/~0 é {param.id}{host} 14 host",
            "/response/c {node.user} 1 node.user",
        ]
    );
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let json = json!({ "a": ["{node.user", "x"], "b": { "c/d": "ab {nod.user}" }, "e": "}" });
    let flaws = decode::<JsonTemplate>(&json).unwrap_err();
    let found: Vec<(&str, Option<usize>, &str)> = flaws
        .iter()
        .map(|flaw| (&*flaw.pointer, flaw.offset, &*flaw.message))
        .collect();
    assert_eq!(
        found,
        [
            (
                "/a/0",
                Some(0),
                "expected a `}` for the brace that opens at character 1"
            ),
            (
                "/b/c~1d",
                Some(4),
                "expected a value instead of \"nod\", did you mean `node` at character 5"
            ),
            (
                "/e",
                Some(0),
                "expected `}}` for a brace that closes no value at character 1"
            ),
        ]
    );
}

#[test]
fn the_order_of_keys_is_kept() {
    let text = r#"{"z":1,"a":{"y":"{path}","b":2},"m":[{"d":1,"c":2}]}"#;
    let template: JsonTemplate = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&template).unwrap(), text);
    let other: JsonTemplate =
        serde_json::from_str(r#"{"a":{"y":"{path}","b":2},"z":1,"m":[{"d":1,"c":2}]}"#).unwrap();
    assert_ne!(template, other);
}

fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        "[ -z|~é\"\\\\\n]{0,8}",
        prop::sample::select(vec!["{path}", "a {header.x} b", "{{", "{node.user.\"x y\".0}"])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.clone().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            proptest::collection::vec((text.clone(), inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_it_was(json in any_json()) {
        let template = template(&json);
        let written = serde_json::to_value(&template).unwrap();
        prop_assert_eq!(written.to_string(), json.to_string());
        prop_assert_eq!(decode::<JsonTemplate>(&written).unwrap(), template);
    }

    #[test]
    fn whatever_the_values_are_the_pieces_make_one_json(json in any_json(), filling in any_json(), text: String) {
        let template = template(&json);
        let mut out = String::new();
        for part in template.parts() {
            match part {
                JsonPart::Text(text) => out.push_str(text),
                JsonPart::Value(_) => out.push_str(&filling.to_string()),
                JsonPart::Quoted(_) => out.push_str(&Json::from(&*text).to_string()),
            }
        }
        prop_assert!(serde_json::from_str::<Json>(&out).is_ok(), "{} from {}", out, json);
    }
}
