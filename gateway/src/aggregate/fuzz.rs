//! The property reshaping has to keep, as a plain function: the fuzz target calls it, and so does an ordinary test over the target's
//! corpus.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use bytes::Bytes;
use meta::{
    language::{JsonTemplate, Step, Template, Value, Values},
    pattern::MergeSlashes,
};
use pingora_http::RequestHeader;
use serde::Deserialize;
use serde_json::Value as Judge;

use super::{inputs::Inputs, json::Json};
use crate::edge::Request;

/// Between the template and the client's body in an input; it is in no UTF-8 text.
pub const SEPARATOR: u8 = 0xff;

/// A template and a client's body: whatever they are, what is made of them is one JSON text, with the body's values where the template
/// has them. `serde_json` judges. Returns whether there was anything to judge.
pub fn reshape_keeps_values(input: &[u8]) -> bool {
    let mut parts = input.splitn(2, |byte| *byte == SEPARATOR);
    let template = parts.next().unwrap_or_default();
    let body = Bytes::copy_from_slice(parts.next().unwrap_or(b"null"));
    let Ok(written) = serde_json::from_slice::<Judge>(template) else {
        return false;
    };
    let (Ok(template), Ok(body)) = (JsonTemplate::deserialize(&written), Json::parse(body)) else {
        return false;
    };
    let rendered = render(&template, &body);
    let rendered = Json::parse(rendered.into());
    let Ok(rendered) = rendered else {
        // A value may be as deep as is allowed, and stand deeper.
        assert_eq!(
            rendered.map_err(|fault| fault.what).err(),
            Some(super::json::Fault::TooDeep)
        );
        return true;
    };
    let judged = serde_json::from_slice::<Judge>(body.as_bytes());
    let found = serde_json::from_slice::<Judge>(rendered.as_bytes());
    if let (Ok(body), Ok(found)) = (judged, found) {
        agrees(&written, &body, &found);
    }
    true
}

fn render(template: &JsonTemplate, body: &Json) -> Vec<u8> {
    let Ok(head) = RequestHeader::build("GET", b"/", None) else {
        return Vec::new();
    };
    let request = Request::new(&head, IpAddr::V4(Ipv4Addr::LOCALHOST), MergeSlashes::No);
    let inputs = Inputs {
        request: &request,
        body: Some(body),
        nodes: &[],
        answers: &[],
    };
    inputs.render(template)
}

/// Whether `found` is what the template `written` makes of `body`.
fn agrees(written: &Judge, body: &Judge, found: &Judge) {
    match written {
        Judge::String(text) => text_agrees(text, body, found),
        Judge::Array(items) => {
            let all = found.as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(items.len(), all.len());
            let pairs = items.iter().zip(all);
            pairs.for_each(|(item, found)| agrees(item, body, found));
        }
        Judge::Object(members) => {
            assert_eq!(Some(members.len()), found.as_object().map(|all| all.len()));
            for (name, member) in members {
                agrees(member, body, &found[name.as_str()]);
            }
        }
        scalar => assert_eq!(scalar, found),
    }
}

fn text_agrees(text: &str, body: &Judge, found: &Judge) {
    let Ok(template) = Template::parse(text) else {
        return;
    };
    match template.only_value() {
        Some(Value::Body(path)) => {
            assert_eq!(lookup(body, path).unwrap_or(&Judge::Null), found);
        }
        // Of the request there is little here.
        Some(_) => assert!(found.is_null() || found.is_string()),
        None => {
            let spelled = template.values().all(|(_, value)| match value {
                Value::Body(path) => !matches!(
                    lookup(body, path),
                    Some(Judge::Number(_) | Judge::Array(_) | Judge::Object(_))
                ),
                _ => false,
            });
            assert!(found.is_string());
            if spelled {
                assert_eq!(Some(&*template.render(&OfBody(body))), found.as_str());
            }
        }
    }
}

fn lookup<'b>(body: &'b Judge, path: &[Step]) -> Option<&'b Judge> {
    path.iter().try_fold(body, |part, step| match step {
        Step::Member(name) => part.get(&**name),
        Step::Index(index) => match part {
            Judge::Object(members) => members.get(&index.to_string()),
            part => part.get(index),
        },
    })
}

/// The values of a body as the judge reads it.
struct OfBody<'b>(&'b Judge);

impl Values for OfBody<'_> {
    fn text<'v>(&'v self, value: &Value) -> Option<Cow<'v, str>> {
        let Value::Body(path) = value else { return None };
        match lookup(self.0, path)? {
            Judge::Null => None,
            Judge::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    fn client_ip(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    /// A name, a template, a body, and what is made of them. The first two are also a seed of the fuzz target.
    const TABLE: [(&str, &str, &str, &str); 12] = [
        (
            "whole",
            r#"{"a":"{body.x}"}"#,
            r#"{"x":{"y":[1,2]}}"#,
            r#"{"a":{"y":[1,2]}}"#,
        ),
        ("number-spelling", r#"["{body.x}"]"#, r#"{"x":0.10}"#, "[0.10]"),
        ("huge-number", r#"["{body.x}"]"#, r#"{"x":1e400}"#, "[1e400]"),
        (
            "long-number",
            r#"["{body.x}"]"#,
            r#"{"x":12345678901234567890}"#,
            "[12345678901234567890]",
        ),
        ("absent", r#"{"a":"{body.y}"}"#, "{}", r#"{"a":null}"#),
        (
            "text-keeps-escapes",
            r#""{body.x}""#,
            r#"{"x":"\u0061\"\n"}"#,
            r#""\u0061\"\n""#,
        ),
        (
            "mixed-is-escaped",
            r#""<{body.x}>""#,
            r#"{"x":"\"\\\n"}"#,
            r#""<\"\\\n>""#,
        ),
        ("mixed-number", r#""n={body.x}""#, r#"{"x":0.10}"#, r#""n=0.10""#),
        (
            "mixed-null-is-left-out",
            r#""n={body.x}""#,
            r#"{"x":null}"#,
            r#""n=""#,
        ),
        (
            "order",
            r#"{"z":1,"a":"{body.0.b}","m":[]}"#,
            r#"[{"b":true}]"#,
            r#"{"z":1,"a":true,"m":[]}"#,
        ),
        ("braces", r#"{"{{":"}}{{"}"#, "0", r#"{"{{":"}{"}"#),
        ("duplicate-last", r#""{body.x}""#, r#"{"x":1,"x":2}"#, "2"),
    ];

    fn corpus() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/reshape")
    }

    #[test]
    fn values_keep_their_type_and_spelling_and_text_stays_text() {
        for (name, template, body, made) in TABLE {
            let written: JsonTemplate = serde_json::from_str(template).unwrap();
            let rendered = render(&written, &Json::parse(body.into()).unwrap());
            assert_eq!(String::from_utf8(rendered).unwrap(), made, "{name}");
        }
    }

    #[test]
    fn the_fuzz_corpus_holds_every_row_of_the_table_and_keeps_the_property() {
        for (name, template, body, _) in TABLE {
            let seed = [template.as_bytes(), &[SEPARATOR], body.as_bytes()].concat();
            let path = corpus().join(name);
            if std::env::var_os("UPDATE_CORPUS").is_some() {
                std::fs::create_dir_all(corpus()).unwrap();
                std::fs::write(&path, &seed).unwrap();
            }
            assert_eq!(std::fs::read(&path).unwrap(), seed, "{name}");
        }
        for seed in std::fs::read_dir(corpus()).unwrap() {
            reshape_keeps_values(&std::fs::read(seed.unwrap().path()).unwrap());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_put_in_one_json_comes_out(
            text in "(\\{body\\.(a|b\\.0|c)\\}|[\"\\\\a-z\u{e9}\u{1}]){0,6}",
            a in "\\PC{0,6}",
            b: Vec<f64>,
            deep in 0_usize..140,
        ) {
            let body = serde_json::json!({ "a": a, "b": b });
            let c = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
            let body = format!("{},\"c\":{c}}}", body.to_string().trim_end_matches('}'));
            let template = serde_json::json!({ "x": text, "y": ["{body.c}", "{body.b}"] });
            let input = [template.to_string().as_bytes(), &[SEPARATOR], body.as_bytes()].concat();
            reshape_keeps_values(&input);
        }
    }
}
