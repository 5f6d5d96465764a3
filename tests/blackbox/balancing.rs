//! Which server gets a request, seen from both ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::objects::{bindings, counted, one_cluster, servers};
use crate::support::{Backend, Client, Gateway, Load, Plan, Reply, eventually};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const PATIENCE: Duration = Duration::from_secs(10);

/// So many backends that answer with their names.
async fn named(count: usize) -> Vec<Backend> {
    let mut backends = Vec::new();
    for name in &NAMES[..count] {
        backends.push(Backend::text(name).await);
    }
    backends
}

fn addresses(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(Backend::address).collect()
}

/// Who answers so many requests, one after the other.
async fn sequence(gateway: &Gateway, count: usize) -> String {
    let mut client = gateway.client().await;
    let mut all = String::new();
    for _ in 0..count {
        all.push_str(&client.get("/").await.text());
    }
    all
}

/// Which server the keys 0 to 199 in `X-User` go to.
async fn owners(gateway: &Gateway) -> Vec<String> {
    let mut client = gateway.client().await;
    let mut owners = Vec::new();
    for key in 0..200 {
        let answer = client
            .request("GET", "/", &[("X-User", &format!("user-{key}"))], b"")
            .await;
        owners.push(answer.unwrap().text());
    }
    owners
}

#[tokio::test]
async fn round_robin_takes_servers_in_turn() {
    let backends = named(3).await;
    let gateway = Gateway::start(&one_cluster(&addresses(&backends), "", "")).await;
    let order = sequence(&gateway, 12).await;
    assert_eq!(order, order[..3].repeat(4));
    assert_eq!(
        order[..3]
            .chars()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        3
    );
}

#[tokio::test]
async fn weights_five_one_one_interleave() {
    let backends = named(3).await;
    let objects = format!(
        "{}clusters:\n- {{ id: c, servers: [{{ id: s0, weight: 5 }}, s1, s2] }}\nroutes:\n- {{ id: r, to: [{{ cluster: c }}] }}\n",
        servers(&addresses(&backends))
    );
    let gateway = Gateway::start(&objects).await;
    let order = sequence(&gateway, 70).await;
    for part in order.as_bytes().chunks(7) {
        let count = |name| part.iter().filter(|&&byte| byte == name).count();
        assert_eq!((count(b'a'), count(b'b'), count(b'c')), (5, 1, 1), "{order}");
    }
    assert!(!order.contains("bb") && !order.contains("aaaaaa"), "{order}");
}

#[tokio::test]
async fn random_follows_the_weights() {
    let backends = named(2).await;
    let objects = format!(
        "{}clusters:\n- {{ id: c, load_balance: random, servers: [{{ id: s0, weight: 3 }}, s1] }}\nroutes:\n- {{ id: r, to: [{{ cluster: c }}] }}\n",
        servers(&addresses(&backends))
    );
    let gateway = Gateway::start(&objects).await;
    let first = sequence(&gateway, 1000).await.matches('a').count();
    // 750 expected; five standard deviations are 68.
    assert!((682..=818).contains(&first), "{first}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_request_keeps_away_from_slow_servers() {
    let backends = named(2).await;
    backends[0].script(|_| Reply::new(200, "a").after(Duration::from_millis(300)));
    let cluster = "load_balance: least_request";
    let gateway = Gateway::start(&one_cluster(&addresses(&backends), cluster, "")).await;
    let plan = Plan::get(gateway.address(), "/").rate(300).connections(40);
    Load::run_for(plan, Duration::from_secs(1)).await.assert_all(200);
    assert!(
        backends[0].count() * 4 < backends[1].count(),
        "{} {}",
        backends[0].count(),
        backends[1].count()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_fast_attracts_no_traffic() {
    let backends = named(3).await;
    backends[0].script(|_| Reply::new(503, "broken"));
    for fine in &backends[1..] {
        fine.script(|_| Reply::new(200, "fine").after(Duration::from_millis(20)));
    }
    let cluster = "load_balance: least_request";
    let gateway = Gateway::start(&one_cluster(&addresses(&backends), cluster, "")).await;
    let plan = Plan::get(gateway.address(), "/").rate(500).connections(40);
    let report = Load::run_for(plan, Duration::from_secs(1)).await;
    let failed = report.statuses.get(&503).copied().unwrap_or(0);
    assert!(failed * 5 < report.answers(), "{report:?}");
}

#[tokio::test]
async fn ip_hash_sends_a_client_to_one_server() {
    let backends = named(4).await;
    let objects = one_cluster(&addresses(&backends), "load_balance: ip_hash", "");
    let gateway = Gateway::start_with("trusted_proxies: [127.0.0.0/8]\n", &objects).await;
    let mut seen = std::collections::HashSet::new();
    let mut client = gateway.client().await;
    for n in 0..40 {
        let address = format!("203.0.113.{n}");
        let mut answers = Vec::new();
        for _ in 0..3 {
            let answer = client
                .request("GET", "/", &[("X-Forwarded-For", &address)], b"")
                .await;
            answers.push(answer.unwrap().text());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        seen.insert(answers.remove(0));
    }
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_key_stays_with_its_server_and_a_removed_server_moves_only_its_own() {
    let backends = named(4).await;
    let objects = |members: &[usize]| {
        format!(
            "{}clusters:\n- {{ id: c, load_balance: {{ consistent_hash: header.x-user }}, servers: {} }}\nroutes:\n- {{ id: r, to: [{{ cluster: c }}] }}\n",
            servers(&addresses(&backends)),
            bindings(members)
        )
    };
    let gateway = Gateway::start(&objects(&[0, 1, 2, 3])).await;
    let before = owners(&gateway).await;
    assert_eq!(owners(&gateway).await, before);
    gateway.edit(&objects(&[0, 1, 3]));
    eventually("the server is out", PATIENCE, || async {
        !owners(&gateway).await.contains(&"c".to_owned())
    })
    .await;
    let after = owners(&gateway).await;
    for (key, (one, other)) in before.iter().zip(&after).enumerate() {
        assert!(
            one == other || one == "c",
            "key {key} moved from {one} to {other}"
        );
    }
    gateway.edit(&objects(&[0, 1, 2, 3]));
    eventually("the server is back", PATIENCE, || async {
        owners(&gateway).await.contains(&"c".to_owned())
    })
    .await;
    assert_eq!(owners(&gateway).await, before);
}

#[tokio::test]
async fn a_server_may_be_in_several_clusters() {
    let backends = named(3).await;
    let gateway = Gateway::start(&format!(
        "{}clusters:\n- {{ id: one, servers: [s0, s1] }}\n- {{ id: two, servers: [s1, s2] }}\nroutes:\n\
         - {{ id: one, match: {{ path: /one }}, to: [{{ cluster: one }}] }}\n\
         - {{ id: two, match: {{ path: /two }}, to: [{{ cluster: two }}] }}\n",
        servers(&addresses(&backends))
    ))
    .await;
    let mut client = gateway.client().await;
    let mut counts: HashMap<String, u32> = HashMap::new();
    for _ in 0..10 {
        for target in ["/one", "/two"] {
            let answer = client.get(target).await.text();
            *counts.entry(format!("{target} {answer}")).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    let counts: Vec<_> = counts
        .iter()
        .map(|(what, count)| (what.as_str(), *count))
        .collect();
    assert_eq!(
        counts,
        [("/one a", 5), ("/one b", 5), ("/two b", 5), ("/two c", 5)]
    );
    eventually("all counted", PATIENCE, || async {
        counted(&gateway, "s1").await.successes == 10
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_one_server_is_never_answered_by_another() {
    let mut backends = Vec::new();
    for name in NAMES {
        let backend = Backend::start(move |request| {
            let body = format!("{name}{}", request.target);
            let rest = fastrand::usize(..30);
            match rest {
                0 => Reply::chunked(200, &[], &[body.as_bytes()], Duration::from_millis(1)),
                1 => Reply::new(200, body).after(Duration::from_millis(3)),
                // More than was asked for: never to be seen by anyone.
                2 => Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}surplus", body.len())),
                3 => Reply::raw(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
                    body.len()
                )),
                _ => Reply::new(200, body),
            }
        })
        .await;
        backend.close_idle(0.05, Duration::from_millis(5));
        backends.push(backend);
    }
    let mut objects = servers(&addresses(&backends));
    objects.push_str("clusters:\n");
    for n in 0..4 {
        objects.push_str(&format!("- {{ id: c{n}, servers: [s{n}] }}\n"));
    }
    objects.push_str("routes:\n");
    for (n, name) in NAMES.iter().enumerate() {
        objects.push_str(&format!(
            "- {{ id: r{n}, match: {{ path: \"/{name}/*\" }}, to: [{{ cluster: c{n} }}] }}\n"
        ));
    }
    let gateway = Gateway::start(&objects).await;
    let mut clients = JoinSet::new();
    for task in 0..24 {
        clients.spawn(ask_around(gateway.address(), task));
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
}

/// Asks servers at random for something unique, and now and then leaves without waiting for the answer.
async fn ask_around(address: SocketAddr, task: u32) {
    let mut client = Client::connect(address).await;
    for n in 0..120 {
        let name = NAMES[fastrand::usize(..4)];
        let target = format!("/{name}/{task}-{n}");
        if fastrand::u32(..20) == 0 {
            client.send_request("GET", &target, &[], b"").await.unwrap();
            client = Client::connect(address).await;
            continue;
        }
        let answer = client.get(&target).await;
        assert_eq!((answer.status, answer.text()), (200, format!("{name}{target}")));
    }
}
