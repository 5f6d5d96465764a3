//! The description says what the service does.

use std::collections::BTreeSet;

use meta::filters::FilterKinds;
use serde_json::{Value as Json, json};

use super::desk::{Desk, SMALL};

fn described() -> Json {
    crate::openapi(&FilterKinds::default())
}

fn resolve<'d>(document: &'d Json, value: &'d Json) -> &'d Json {
    match value.get("$ref").and_then(Json::as_str) {
        Some(reference) => document
            .pointer(&reference[1..])
            .unwrap_or_else(|| panic!("{reference}")),
        None => value,
    }
}

/// Each operation: method, path with something in each place, and its description.
fn operations(document: &Json) -> Vec<(String, String, &Json)> {
    let paths = document["paths"].as_object().unwrap();
    let named = |path: &str| {
        let path = path.replace("{id}", "s1").replace("{revision}", "1");
        let path = path.replace("{cluster}", "c").replace("{server}", "s1");
        path.strip_prefix("/api/v1")
            .map_or_else(|| format!("/{path}"), str::to_owned)
    };
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), named(path), operation))
    });
    operations.collect()
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_one() {
    let document = described();
    fn references(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(members) => {
                found.extend(members.get("$ref").and_then(Json::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let valid = jsonschema::meta::validate(schema);
        assert!(valid.is_ok(), "{name}: {valid:?}");
    }
}

#[actix_web::test]
async fn the_methods_that_are_described_are_those_that_are_there() {
    let (desk, document) = (Desk::memory(SMALL), described());
    let operations = operations(&document);
    for (_, path, _) in &operations {
        let own = operations.iter().filter(|(_, other, _)| other == path);
        let mut expected: BTreeSet<&str> = own.map(|(method, _, _)| method.as_str()).collect();
        expected.insert("OPTIONS");
        if expected.contains("GET") {
            expected.insert("HEAD");
        }
        let answer = desk.ask(&format!("OPTIONS {path}")).send().await;
        let allowed: BTreeSet<&str> = answer.header("allow").split(", ").collect();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[actix_web::test]
async fn the_parameters_that_are_described_are_those_that_are_known() {
    let (desk, document) = (Desk::memory(SMALL), described());
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|parameter| resolve(&document, parameter));
        let query: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in [
            "dry_run", "message", "q", "tag", "sort", "limit", "after", "to", "zzz",
        ] {
            let answer = desk.ask(&format!("{method} {path}?{name}=%00")).send().await;
            let text = String::from_utf8(answer.body).unwrap();
            let unknown = text.contains("there is no such parameter");
            let read = answer.status == 200 || answer.status == 404 || text.contains(name);
            assert_eq!(unknown, !query.contains(name), "{method} {path} {name}: {text}");
            assert!(read || answer.status == 415, "{method} {path} {name}: {text}");
        }
    }
}

/// Whatever is answered to these is described, and is what the description says.
#[actix_web::test]
async fn what_is_answered_is_as_described() {
    let (desk, document) = (Desk::memory(SMALL), described());
    let mut whole = document.clone();
    let mut fits = |schema: &Json, body: &Json| {
        whole["allOf"] = json!([schema]);
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let errors = validator.iter_errors(body).map(|error| error.to_string());
        errors.collect::<Vec<_>>()
    };
    for (method, path, operation) in operations(&document) {
        let bodies: [(&str, &str); 5] = [
            ("", ""),
            ("application/json", "{}"),
            (
                "application/json",
                "{\"id\":\"s1\",\"address\":\"h:1\",\"operations\":[]}",
            ),
            ("application/merge-patch+json", "{\"description\":\"x\"}"),
            ("application/json", "["),
        ];
        for (media, text) in bodies {
            let query = if path.ends_with("check") || method == "GET" {
                ""
            } else {
                "?dry_run=true"
            };
            let mut ask = desk.ask(&format!("{method} {path}{query}"));
            if !media.is_empty() {
                ask = ask.text(media, text);
            }
            let answer = ask.send().await;
            let status = answer.status.as_str().to_owned();
            let line = format!("{method} {path} {text}: {status}");
            let described = &operation["responses"][&status];
            assert!(
                described.is_object(),
                "{line} is not described: {}",
                answer.text()
            );
            let schema = &described["content"][answer.header("content-type")]["schema"];
            assert!(schema.is_object(), "{line}: {}", answer.header("content-type"));
            let errors = fits(schema, &answer.json());
            assert_eq!(errors, [""; 0], "{line}: {}", answer.text());
            for name in described["headers"]
                .as_object()
                .into_iter()
                .flat_map(|headers| headers.keys())
            {
                let optional = name == "Location" || (name == "ETag" && method != "GET");
                assert!(
                    optional || answer.headers.contains_key(name.as_str()),
                    "{line}: {name}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn the_description_is_served() {
    let desk = Desk::memory(SMALL);
    assert_eq!(desk.get("//openapi.json").await.ok(200), described());
}
