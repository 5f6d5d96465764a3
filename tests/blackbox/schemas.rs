//! The files under `conf/`: each example loads without a problem, and the committed schemas are what the types say and agree with
//! what is accepted. `UPDATE_SCHEMA=1` writes the schemas anew.

use std::path::{Path, PathBuf};

use gateway::startup::Settings;
use meta::{check::check, document::Document, document::read_tree, filters::FilterKinds};
use serde_json::Value as Json;

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf")
}

/// Every YAML file under `conf/` that is a proxy's. The admin's start-up file is tested where it is read.
fn examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![conf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => directories.push(path),
                _ if path.ends_with("admin.yaml") || path.ends_with("compose.yaml") => {}
                Some("yaml" | "yml") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn json(text: &str) -> Json {
    read_tree(text)
        .unwrap_or_else(|problem| panic!("{problem}"))
        .to_value()
}

/// A start-up file names listeners; everything else is objects.
fn is_startup(value: &Json) -> bool {
    value.get("listeners").is_some()
}

fn validator(schema: &Json) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("no schema: {error}"))
}

fn faults(validator: &jsonschema::Validator, value: &Json) -> Vec<String> {
    let fault = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(value).map(fault).collect()
}

#[test]
fn the_committed_schemas_are_what_the_types_say() {
    for (name, schema) in [
        ("startup", gateway::schema::startup()),
        ("objects", meta::schema::objects(&FilterKinds::default())),
    ] {
        let file = conf().join(format!("schema/{name}.json"));
        let text = format!("{schema:#}\n");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(conf().join("schema")).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} is out of date: run the tests with UPDATE_SCHEMA=1",
            file.display()
        );
        let drafted = jsonschema::meta::validate(&schema);
        assert!(drafted.is_ok(), "{name}: {drafted:?}");
    }
}

#[test]
fn every_example_loads_without_a_problem_and_fits_its_schema() {
    let startup = validator(&gateway::schema::startup());
    let objects = validator(&meta::schema::objects(&FilterKinds::default()));
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    for file in examples {
        let text = std::fs::read_to_string(&file).unwrap();
        let value = json(&text);
        let schema = if is_startup(&value) {
            Settings::parse(&text).unwrap_or_else(|problems| panic!("{}: {problems:?}", file.display()));
            &startup
        } else {
            let report = check(&Document::read(&text), None, &FilterKinds::default());
            assert!(
                report.problems.is_empty(),
                "{}: {:?}",
                file.display(),
                report.problems
            );
            &objects
        };
        assert_eq!(faults(schema, &value), [""; 0], "{}", file.display());
        let named = text
            .lines()
            .find_map(|line| line.strip_prefix("# yaml-language-server: $schema="));
        if let Some(named) = named {
            let schema = file.parent().unwrap().join(named);
            assert!(schema.exists(), "{} names {}", file.display(), schema.display());
        }
    }
}

#[test]
fn the_schema_of_objects_and_the_checks_agree() {
    let schema = validator(&meta::schema::objects(&FilterKinds::default()));
    let server = "servers: [{ id: s, address: \"h:1\" }]\nclusters: [{ id: c, servers: [s] }]\n";
    let routes =
        |members: &str| format!("{server}routes: [{{ id: r, to: [{{ cluster: c }}], {members} }}]\n");
    let good = [
        "{}".to_owned(),
        "servers:\nroutes: []\n".to_owned(),
        routes("match: { hosts: [a.test, \"*.b.test\", \"[::1]\"], methods: [GET, M-SEARCH], path: \"/a/{b:[0-9]+}/{c*}\" }"),
        routes("match: { when: header.a == 1 }, rewrite: \"/x?y={query.z}\", mirror: { cluster: c, percent: 0.5 }"),
        routes("filters: [{ access: { deny: [10.0.0.0/8, \"::1\"] } }, { headers: { request: { set: { X-A: \"{host}\" } } } }]"),
        routes("expires: 2100-01-01T00:00:00Z, enabled: false, tags: [a], description: d, priority: -5"),
        routes("retry: { attempts: 3, on: [connect, timeout, 502], methods: [POST], budget_percent: 0 }"),
        "clusters: [{ id: c, load_balance: { consistent_hash: cookie.a }, slow_start: 1.5s, on_all_unhealthy: use_all, timeout: { total: 1h } }]".to_owned(),
        "servers: [{ id: s, address: \"[::1]:80\", weight: 1000, health_check: { type: tcp, interval: 100ms } }]".to_owned(),
    ];
    for text in &good {
        let report = check(&Document::read(text), None, &FilterKinds::default());
        assert!(!report.has_errors(), "{text}: {:?}", report.problems);
        assert_eq!(faults(&schema, &json(text)), [""; 0], "{text}");
    }
    let bad = [
        "server: []".to_owned(),
        "servers: {}".to_owned(),
        "servers: [{ id: s }]".to_owned(),
        "servers: [{ id: S, address: \"h:1\" }]".to_owned(),
        "servers: [{ id: s, address: \"h:1\", weight: 0 }]".to_owned(),
        "servers: [{ id: s, address: \"h:1\", weight: 1001 }]".to_owned(),
        "servers: [{ id: s, address: \"h:1\", colour: red }]".to_owned(),
        "servers: [{ id: s, address: \"h:1\", scheme: ftp }]".to_owned(),
        "servers: [{ id: s, address: \"h\" }]".to_owned(),
        "clusters: [{ id: c, load_balance: best }]".to_owned(),
        "clusters: [{ id: c, timeout: { total: 5 } }]".to_owned(),
        "clusters: [{ id: c, timeout: { total: soon } }]".to_owned(),
        "clusters: [{ id: c, servers: [1] }]".to_owned(),
        routes("priority: high"),
        routes("match: { path: a }"),
        routes("match: { hosts: [\"a:80\"] }"),
        routes("match: { methods: [get] }"),
        routes("match: { nope: 1 }"),
        routes("retry: { on: [teapot] }"),
        routes("retry: { on: [200] }"),
        routes("filters: [{ nope: {} }]"),
        routes("filters: [{ access: { allow: [] }, reply: {} }]"),
        routes("filters: [{ reply: { status: many } }]"),
        routes("filters: [{ headers: { request: { set: { \"a b\": x } } } }]"),
        routes("filters: [{ redirect: {} }]"),
    ];
    for text in &bad {
        let report = check(&Document::read(text), None, &FilterKinds::default());
        assert!(report.has_errors(), "{text} is accepted");
        assert_ne!(faults(&schema, &json(text)), [""; 0], "{text} fits the schema");
    }
}

#[test]
fn the_schema_of_start_up_files_and_reading_one_agree() {
    let schema = validator(&gateway::schema::startup());
    let least = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: a.yaml }\n";
    for more in [
        "",
        "threads: 4\ndaemon: false\n",
        "merge_slashes: true\ntrusted_proxies: [10.0.0.0/8, \"::1\"]\n",
        "manage: { address: \"[::1]:9092\" }\ngrace_period_seconds: 5\nupgrade_sock: /tmp/x\n",
    ] {
        let text = format!("{least}{more}");
        Settings::parse(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(faults(&schema, &json(&text)), [""; 0], "{text}");
    }
    for bad in [
        "store: { file: a }\n".to_owned(),
        "listeners: []\nstore: {}\n".to_owned(),
        format!("{least}treads: 2\n"),
        format!("{least}threads: many\n"),
        format!("{least}threads: -1\n"),
        format!("{least}merge_slashes: 1\n"),
        format!("{least}trusted_proxies: [x]\n"),
        format!("{least}manage: {{ port: 1 }}\n"),
        "listeners: [8080]\nstore: { file: a }\n".to_owned(),
    ] {
        assert!(Settings::parse(&bad).is_err(), "{bad} is accepted");
        assert_ne!(faults(&schema, &json(&bad)), [""; 0], "{bad} fits the schema");
    }
}
