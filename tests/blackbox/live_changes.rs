//! Edits of the file under load: no failed request, and no request that sees half of an edit.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::support::{Backend, Gateway, Load, Plan, Reply, clusters, edit_and_wait, eventually};

type Edit<'a> = Box<dyn Fn(&str) + 'a>;

const PATIENCE: Duration = Duration::from_secs(60);
const BACKENDS: usize = 4;

/// Revision `n`: the route rewrites to `/n`, and its cluster has the one server whose number is `n` modulo the backends. The route names
/// that cluster anew each time, so route, cluster and binding all change together.
fn objects(backends: &[Backend], n: usize) -> String {
    let servers: String = backends
        .iter()
        .enumerate()
        .map(|(at, backend)| format!("- {{ id: s{at}, address: \"{}\" }}\n", backend.address()))
        .collect();
    format!(
        "# revision {n}\nservers:\n{servers}clusters:\n- id: c{}\n  servers: [s{}]\nroutes:\n- id: r\n  match: {{ path: /x }}\n  to: [{{ cluster: c{} }}]\n  rewrite: /{n}\n",
        n % 3,
        n % backends.len(),
        n % 3,
    )
}

/// Each answers with its own number and the rewrite it was asked with.
async fn backends() -> Vec<Backend> {
    let mut backends = Vec::new();
    for at in 0..BACKENDS {
        let answer =
            move |request: &super::support::Received| Reply::new(200, format!("{at} {}", request.target));
        backends.push(Backend::start(answer).await);
    }
    backends
}

/// As an editor that writes in place: empties the file, then writes it in several steps.
fn write_in_place(file: &Path, text: &str) {
    let mut file = OpenOptions::new().write(true).truncate(true).open(file).unwrap();
    for part in text.as_bytes().chunks(100) {
        file.write_all(part).unwrap();
    }
}

/// The revision an answer was made with; panics if server and rewrite are of two.
fn revision_of(answer: &str) -> usize {
    let (server, rewrite) = answer.split_once(" /").unwrap();
    let (server, rewrite): (usize, usize) = (server.parse().unwrap(), rewrite.parse().unwrap());
    assert_eq!(server, rewrite % BACKENDS, "a mix of two revisions: {answer}");
    rewrite
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_edits_under_load_fail_no_request_and_mix_no_two_revisions() {
    let backends = backends().await;
    let gateway = Gateway::start(&objects(&backends, 0)).await;
    let plan = Plan::get(gateway.address(), "/x")
        .rate(2000)
        .connections(32)
        .mark(|_, response| response.text());
    let load = Load::start(plan);
    let start = Instant::now();
    for n in 1..=1000 {
        let text = objects(&backends, n);
        if n % 2 == 0 {
            gateway.edit(&text);
        } else {
            write_in_place(&gateway.objects_file(), &text);
        }
        // An even pace over at least ten seconds: many edits meet requests, and few are overtaken before they are read.
        let due = start + Duration::from_millis(10) * u32::try_from(n).unwrap();
        tokio::time::sleep_until(due.into()).await;
    }
    let expected = format!("{} /1000", 1000 % BACKENDS);
    eventually("the last edit serves", PATIENCE, || async {
        gateway.get("/x").await.text() == expected
    })
    .await;
    let report = load.stop().await;
    report.assert_all(200);
    let seen: std::collections::BTreeSet<usize> = report.marks.keys().map(|mark| revision_of(mark)).collect();
    println!(
        "{} requests at {:.0}/s over {} edits, {} of them seen, slowest {:?}",
        report.sent,
        report.rate(),
        1000,
        seen.len(),
        report.slowest
    );
    assert!(seen.len() > 20, "only {} revisions were seen", seen.len());
    assert!(report.rate() >= 1000.0, "{}/s is no load", report.rate());
    assert!(report.slowest < Duration::from_secs(2), "{:?}", report.slowest);
    let status = gateway.status().await;
    assert_eq!(
        status["configuration"]["quarantined"],
        serde_json::json!([]),
        "{status:#}"
    );
    assert_eq!(status["configuration"]["store_error"], serde_json::Value::Null);
    assert_eq!(
        status["servers"].as_array().unwrap().len(),
        BACKENDS,
        "no server was left behind: {status:#}"
    );
}

#[tokio::test]
async fn an_edit_takes_effect_however_the_file_is_written() {
    let backends = backends().await;
    let gateway = Gateway::start(&objects(&backends, 0)).await;
    let file = gateway.objects_file();
    let elsewhere = gateway.directory().join("elsewhere.yaml");
    let ways: [(&str, Edit); 5] = [
        ("renamed over", Box::new(|text| gateway.edit(text))),
        (
            "truncated and written",
            Box::new(|text| write_in_place(&file, text)),
        ),
        (
            "moved away and written anew",
            Box::new(|text| {
                std::fs::rename(&file, file.with_extension("bak")).unwrap();
                std::fs::write(&file, text).unwrap();
            }),
        ),
        (
            "removed and written",
            Box::new(|text| {
                std::fs::remove_file(&file).unwrap();
                std::fs::write(&file, text).unwrap();
            }),
        ),
        (
            "replaced by a link",
            Box::new(|text| {
                std::fs::write(&elsewhere, text).unwrap();
                std::fs::remove_file(&file).unwrap();
                std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
            }),
        ),
    ];
    for (n, (way, write)) in ways.iter().enumerate() {
        let n = n + 1;
        write(&objects(&backends, n));
        let start = Instant::now();
        eventually(way, PATIENCE, || async {
            let response = gateway.get("/x").await;
            assert_eq!(response.status, 200, "{way}");
            revision_of(&response.text()) == n
        })
        .await;
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{way}: {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn a_request_under_way_ends_with_the_configuration_it_began_with() {
    let slow = Backend::start(|_| Reply::new(200, "old").after(Duration::from_secs(1))).await;
    let new = Backend::text("new").await;
    let objects = |to: &str| {
        let backends = [("slow", slow.address()), ("new", new.address())];
        format!(
            "{}routes:\n- {{ id: r, to: [{{ cluster: {to} }}], filters: [{{ headers: {{ response: {{ set: {{ x-to: {to} }} }} }} }}] }}\n",
            clusters(&backends)
        )
    };
    let gateway = Gateway::start(&objects("slow")).await;
    let mut client = gateway.client().await;
    client.send_request("GET", "/", &[], b"").await.unwrap();
    eventually("the request is under way", PATIENCE, || async {
        slow.count() == 1
    })
    .await;
    // Its route changes, and then everything it uses is gone.
    edit_and_wait(&gateway, &objects("new")).await;
    assert_eq!(gateway.get("/").await.text(), "new");
    edit_and_wait(&gateway, "{}\n").await;
    assert_eq!(gateway.get("/").await.status, 404);
    let response = client.read_response("GET").await.unwrap();
    assert_eq!(
        (response.status, response.text().as_str(), response.header("x-to")),
        (200, "old", Some("slow"))
    );
}

#[tokio::test]
async fn counters_and_connections_survive_a_change_around_them() {
    let backend = Backend::text("x").await;
    let objects = |more: &str| {
        format!(
            "{}routes:\n- {{ id: r, match: {{ path: /a }}, to: [{{ cluster: b }}] }}\n{more}",
            clusters(&[("b", backend.address())])
        )
    };
    let gateway = Gateway::start(&objects("")).await;
    let mut client = gateway.client().await;
    for n in 0..5 {
        assert_eq!(client.get("/a").await.status, 200);
        let more = format!("- {{ id: other, match: {{ path: /{n} }}, filters: [{{ reply: {{}} }}] }}\n");
        edit_and_wait(&gateway, &objects(&more)).await;
    }
    assert_eq!(
        gateway
            .metric("gateway_requests_total", &[("route", "r"), ("code", "2xx")])
            .await,
        5.0
    );
    assert_eq!(
        gateway
            .metric(
                "gateway_server_requests_total",
                &[("server", "b"), ("result", "success")]
            )
            .await,
        5.0
    );
    assert_eq!(backend.connections(), 1, "one connection served all");
}
