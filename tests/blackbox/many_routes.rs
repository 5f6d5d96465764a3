//! Five thousand routes: from written to served, and checking them all.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::support::{Backend, Client, Gateway, clusters};

const ROUTES: usize = 5000;

/// A configuration in which the route `changed` rewrites to `/marker`.
fn objects(backend: &Backend, changed: usize, marker: &str) -> String {
    let mut text = clusters(&[("b", backend.address())]);
    text.push_str("routes:\n");
    for n in 0..ROUTES {
        let rewrite = if n == changed { marker } else { "same" };
        let _ = writeln!(
            text,
            "- id: route-{n}\n  match:\n    path: /service-{n}/{{id}}\n    methods: [GET]\n  to:\n  - cluster: b\n  rewrite: /{rewrite}/{{param.id}}"
        );
    }
    text
}

async fn target(client: &mut Client, n: usize) -> String {
    client.get(&format!("/service-{n}/7")).await.json()["target"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_one_among_five_thousand_routes_serves_soon_after_it_is_written() {
    let backend = Backend::echo().await;
    let gateway = Gateway::start(&objects(&backend, 0, "start")).await;
    let mut client = gateway.client().await;
    let mut took = Vec::new();
    for edit in 0..20 {
        let n = edit * 241 % ROUTES;
        let marker = format!("edit-{edit}");
        let text = objects(&backend, n, &marker);
        let expected = format!("/{marker}/7");
        let start = Instant::now();
        gateway.edit(&text);
        while target(&mut client, n).await != expected {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "edit {edit} does not serve"
            );
        }
        took.push(start.elapsed());
    }
    took.sort_unstable();
    println!(
        "written to served, {ROUTES} routes: median {:?}, longest {:?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    println!("resident: {} KiB", gateway.resident_kib());
}

#[tokio::test]
async fn five_thousand_routes_are_checked_and_every_mistake_is_found() {
    let backend = Backend::echo().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("gateway.yaml"),
        "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: meta.yaml }\n",
    )
    .unwrap();
    let good = objects(&backend, 0, "x");
    let all_bad = good.replace("/{param.id}", "/{param.name}");
    for (text, code, summary) in [
        (&good, 0, "5000 routes, 0 aggregations; 0 errors, 0 warnings"),
        (
            &good.replace("route-77\n", "route-78\n"),
            78,
            "4999 routes, 0 aggregations; 1 errors, 0 warnings",
        ),
        (&all_bad, 78, "0 routes, 0 aggregations; 5000 errors, 0 warnings"),
    ] {
        std::fs::write(directory.path().join("meta.yaml"), text).unwrap();
        let start = Instant::now();
        let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await;
        println!("{summary}: {:?}", start.elapsed());
        assert_eq!(exited.code, Some(code), "{}", exited.stderr);
        assert!(exited.stdout.contains(summary), "{}", exited.stdout);
    }
}
