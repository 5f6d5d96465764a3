//! Mistakes in the objects: each is found by `-t`, once, at its place, with what would be right.

mod breakers;
mod limits;
mod routes;
mod servers;

use super::support::Gateway;

/// What each mistake is made in: one line for what a mistake is in, so that a place is easily seen.
const GOOD: &str = r#"servers:
- id: s
  address: "127.0.0.1:9001"
  weight: 1
  health_check: { path: /health, interval: 5s, timeout: 1s, status: [200], body: OK, healthy_after: 1 }
clusters:
- id: c
  load_balance: round_robin
  servers: [s]
  timeout: { connect: 1s, first_byte: 10s, total: 30s }
  retry: { attempts: 2, on: [connect, 503], budget_percent: 20 }
- id: d
  servers: [{ id: s, weight: 2 }]
routes:
- id: r
  priority: 0
  match:
    hosts: [api.test, "*.api.test"]
    methods: [GET, POST]
    path: /users/{id}/{n:[0-9]+}
    when: header.x-v >= 2 && client_ip in ["10.0.0.0/8"]
  to: [{ cluster: c, weight: 90 }, { cluster: d, weight: 10 }]
  sticky: cookie.user
  rewrite: /u/{param.id}?v={query.v}
  mirror: { cluster: d, percent: 5 }
  filters:
  - access: { allow: [10.0.0.0/8], deny: [10.6.6.6/32] }
  - headers: { request: { set: { x-a: "{param.id}" }, remove: [x-b] }, response: { add: { x-c: "1" } } }
  expires: 2100-12-31T00:00:00Z
"#;

/// `(what is replaced, by what, the place of the message, parts of it)`
type Mistake<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

async fn found(mistakes: &[Mistake<'_>]) {
    let directory = tempfile::tempdir().unwrap();
    let startup = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: meta.yaml }\n";
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    let mut wrong = Vec::new();
    for (from, to, place, parts) in mistakes {
        let bad = GOOD.replacen(from, to, 1);
        assert_ne!(bad, GOOD, "{from}");
        std::fs::write(directory.path().join("meta.yaml"), bad).unwrap();
        let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await;
        // What follows from a mistake is said where it does: who needs a broken object is broken.
        let follows = |line: &&str| {
            line.contains("problems of its own")
                || line.contains(": there is no ") && !line.contains(parts[0])
        };
        let lines = exited.stderr.lines().filter(|line| !line.contains(": warning: "));
        let errors: Vec<&str> = lines.filter(|line| !follows(line)).collect();
        let is_right = exited.code == Some(78)
            && errors.len() == 1
            && errors[0].starts_with(&format!("meta.yaml:{place}: "))
            && parts.iter().all(|part| errors[0].contains(part));
        if !is_right {
            wrong.push(format!(
                "{to}\n  expected {place}: {parts:?}\n  found {:?} {errors:#?}",
                exited.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_the_mistakes_are_made_in_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let startup = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: meta.yaml }\n";
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), GOOD).unwrap();
    let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn what_is_doubtful_is_a_warning_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let startup = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: meta.yaml }\n";
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    for (from, to, place, part) in [
        ("2100-12-31", "2020-12-31", "29:12", "this time has passed"),
        (
            "timeout: 1s, s",
            "timeout: 10s, s",
            "5:57",
            "longer than the interval",
        ),
        ("first_byte: 10s", "first_byte: 50s", "10:39", "longer than total"),
        ("attempts: 2", "attempts: 1", "11:22", "one attempt is no retry"),
        (
            "  expires: 2100-12-31T00:00:00Z\n",
            "- { id: x, match: { path: /x }, to: [{ cluster: c }] }\n- { id: y, match: { path: /x }, to: [{ cluster: c }] }\n",
            "30:19",
            "\"x\" has the same match",
        ),
        (
            "servers: [{ id: s, weight: 2 }]",
            "servers: []",
            "12:3",
            "has no servers",
        ),
    ] {
        std::fs::write(directory.path().join("meta.yaml"), GOOD.replacen(from, to, 1)).unwrap();
        let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await;
        assert_eq!(exited.code, Some(0), "{to}: {exited:?}");
        let at = format!("meta.yaml:{place}: warning: ");
        assert!(
            exited
                .stderr
                .lines()
                .any(|line| line.starts_with(&at) && line.contains(part)),
            "{to}: {at}{part} is not in\n{}",
            exited.stderr
        );
    }
}
