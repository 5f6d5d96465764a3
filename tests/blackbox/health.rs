//! Health checks, and servers that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::objects::{assert_refused, counted, one_cluster, server_status};
use crate::support::{Backend, Gateway, Load, Plan, Received, Reply, eventually};

const PATIENCE: Duration = Duration::from_secs(10);
const CHECK: &str = "health_check: { path: /health, interval: 100ms, timeout: 50ms }";

/// A backend whose `/health` can be told what to say; everything else it answers with its name.
struct Checked {
    backend: Backend,
    well: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Checked {
    async fn start(name: &'static str, well: bool) -> Self {
        let (well, asked) = (Arc::new(AtomicBool::new(well)), Arc::new(AtomicU64::new(0)));
        let (says, counts) = (Arc::clone(&well), Arc::clone(&asked));
        let script = move |request: &Received| {
            if request.target != "/health" {
                return Reply::new(200, name);
            }
            counts.fetch_add(1, SeqCst);
            Reply::new(if says.load(SeqCst) { 200 } else { 500 }, "")
        };
        Self {
            backend: Backend::start(script).await,
            well,
            asked,
        }
    }

    fn turn(&self, well: bool) {
        self.well.store(well, SeqCst);
    }
}

async fn two(well: [bool; 2], cluster: &str) -> ([Checked; 2], Gateway) {
    let servers = [
        Checked::start("a", well[0]).await,
        Checked::start("b", well[1]).await,
    ];
    let addresses = servers.each_ref().map(|server| server.backend.address());
    let gateway = Gateway::start(&one_cluster(&addresses, cluster, "")).await;
    (servers, gateway)
}

async fn until_usable(gateway: &Gateway, server: &str, usable: bool) {
    eventually(&format!("{server} usable: {usable}"), PATIENCE, || async {
        server_status(gateway, server).await["usable"] == usable
    })
    .await;
}

/// Waits until this one answers everything: what `/status` says takes effect a moment later.
async fn until_only(gateway: &Gateway, name: &str) {
    eventually(&format!("only {name} answers"), PATIENCE, || async {
        for _ in 0..4 {
            if gateway.get("/").await.text() != name {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test]
async fn an_unhealthy_server_gets_no_traffic_and_a_recovered_one_its_share() {
    let ([sick, _other], gateway) = two([true, true], CHECK).await;
    sick.turn(false);
    until_usable(&gateway, "s0", false).await;
    until_only(&gateway, "b").await;
    let mut client = gateway.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "b");
    }
    sick.turn(true);
    until_usable(&gateway, "s0", true).await;
    eventually("it is used again", PATIENCE, || async {
        gateway.get("/").await.text() == "a"
    })
    .await;
    let mut first = 0;
    for _ in 0..20 {
        first += u32::from(client.get("/").await.text() == "a");
    }
    assert_eq!(first, 10);
}

#[tokio::test]
async fn the_first_check_comes_at_once_and_decides() {
    let check = "health_check: { path: /health, interval: 1h, timeout: 1s, unhealthy_after: 3 }";
    let ([_sick, _other], gateway) = two([false, true], check).await;
    until_usable(&gateway, "s0", false).await;
    until_only(&gateway, "b").await;
}

#[tokio::test]
async fn checks_keep_their_interval_after_failures() {
    let ([sick, _other], gateway) = two([false, true], CHECK).await;
    until_usable(&gateway, "s0", false).await;
    let (start, before) = (Instant::now(), sick.asked.load(SeqCst));
    eventually("ten more checks", PATIENCE, || async {
        sick.asked.load(SeqCst) >= before + 10
    })
    .await;
    let took = start.elapsed();
    assert!((700..3000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn a_healthy_server_needs_no_particular_body() {
    let ([_one, _other], gateway) = two([true, true], CHECK).await;
    eventually("both were checked", PATIENCE, || async {
        let status = server_status(&gateway, "s1").await;
        status["addresses"][0]["checked_unix_ms"].is_u64() && status["usable"] == true
    })
    .await;
}

#[tokio::test]
async fn a_refusing_hanging_or_babbling_server_is_unhealthy() {
    let refusing = Backend::refusing().await;
    let hanging = Backend::start(|_| Reply::hang()).await;
    let babbling = Backend::start(|_| Reply::garbage()).await;
    let addresses = [refusing.address(), hanging.address(), babbling.address()];
    let gateway = Gateway::start(&one_cluster(&addresses, CHECK, "")).await;
    for server in ["s0", "s1", "s2"] {
        until_usable(&gateway, server, false).await;
        let status = server_status(&gateway, server).await;
        assert!(status["addresses"][0]["reason"].is_string(), "{status}");
    }
}

#[tokio::test]
async fn when_all_servers_are_unhealthy_requests_are_refused() {
    let ([_a, _b], gateway) = two([false, false], CHECK).await;
    until_usable(&gateway, "s0", false).await;
    until_usable(&gateway, "s1", false).await;
    eventually("a refusal", PATIENCE, || async {
        gateway.get("/").await.status == 503
    })
    .await;
    let mut client = gateway.client().await;
    let answer = client.get("/").await;
    assert_refused(&answer, 503, "no_server");
    assert!(answer.header("retry-after").is_some() && answer.keeps_alive());
}

#[tokio::test]
async fn use_all_uses_all_servers_when_all_are_unhealthy() {
    let ([_a, b], gateway) = two([false, false], &format!("{CHECK}, on_all_unhealthy: use_all")).await;
    until_usable(&gateway, "s0", false).await;
    until_usable(&gateway, "s1", false).await;
    for name in ["a", "b"] {
        eventually("it is used", PATIENCE, || async {
            gateway.get("/").await.text() == name
        })
        .await;
    }
    b.turn(true);
    until_usable(&gateway, "s1", true).await;
    until_only(&gateway, "b").await;
}

#[tokio::test]
async fn a_change_around_a_server_keeps_its_health_and_counters() {
    let sick = Checked::start("a", false).await;
    let well = Checked::start("b", true).await;
    let addresses = [sick.backend.address(), well.backend.address()];
    let check = "health_check: { path: /health, interval: 1h, timeout: 1s }";
    let gateway = Gateway::start(&one_cluster(&addresses, check, "")).await;
    until_usable(&gateway, "s0", false).await;
    until_only(&gateway, "b").await;
    let (asked, before) = (sick.asked.load(SeqCst), counted(&gateway, "s1").await);
    sick.turn(true);
    let more = [addresses.as_slice(), &[Backend::text("c").await.address()]].concat();
    gateway.edit(&one_cluster(
        &more,
        &format!("{check}, load_balance: random"),
        "priority: 5",
    ));
    eventually("the edit is served", PATIENCE, || async {
        gateway.status().await["servers"].as_array().unwrap().len() == 3
    })
    .await;
    assert_eq!(server_status(&gateway, "s0").await["usable"], false);
    assert_eq!(sick.asked.load(SeqCst), asked, "it was not asked again");
    assert!(counted(&gateway, "s1").await.successes >= before.successes.max(1));
}

/// Objects with two servers of which the first is written so.
fn drained(backends: &[Backend; 2], how: &str) -> String {
    let [first, second] = backends.each_ref().map(Backend::address);
    let (servers, members) = match how {
        "removed" => (String::new(), "[s1]"),
        "unbound" => (format!("- {{ id: s0, address: \"{first}\" }}\n"), "[s1]"),
        "disabled" => (
            format!("- {{ id: s0, enabled: false, address: \"{first}\" }}\n"),
            "[s0, s1]",
        ),
        _ => (format!("- {{ id: s0, address: \"{first}\" }}\n"), "[s0, s1]"),
    };
    format!(
        "servers:\n{servers}- {{ id: s1, address: \"{second}\" }}\nclusters:\n- {{ id: c, servers: {members} }}\n\
         routes:\n- {{ id: r, to: [{{ cluster: c }}] }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_finishes_what_it_has_and_gets_nothing_more() {
    for how in ["removed", "unbound", "disabled"] {
        let slow = Reply::chunked(200, &[], &[&b"part"[..]; 8], Duration::from_millis(50));
        let backends = [
            Backend::start(move |_| slow.clone()).await,
            Backend::text("b").await,
        ];
        let gateway = Gateway::start(&drained(&backends, "bound")).await;
        while gateway.get("/").await.text() != "b" {}
        let mut client = gateway.client().await;
        let slow = tokio::spawn(async move { client.get("/").await });
        eventually("a request at the slow server", PATIENCE, || async {
            counted(&gateway, "s0").await.in_flight == 1
        })
        .await;
        gateway.edit(&drained(&backends, how));
        eventually("revision 2 is served", PATIENCE, || async {
            gateway.status().await["configuration"]["revision"] == 2
        })
        .await;
        let taken = backends[0].count();
        for _ in 0..6 {
            assert_eq!(gateway.get("/").await.text(), "b", "{how}");
        }
        assert_eq!(backends[0].count(), taken, "{how}");
        let answer = slow.await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "part".repeat(8)), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_servers_come_and_go() {
    let backends = [Backend::text("a").await, Backend::text("b").await];
    let gateway = Gateway::start(&drained(&backends, "bound")).await;
    let load = Load::start(Plan::get(gateway.address(), "/").rate(800));
    for (n, how) in ["removed", "bound", "disabled", "bound", "unbound", "bound"]
        .iter()
        .cycle()
        .take(24)
        .enumerate()
    {
        gateway.edit(&drained(&backends, how));
        eventually("the edit is served", PATIENCE, || async {
            gateway.status().await["configuration"]["revision"].as_u64() >= Some(n as u64 + 2)
        })
        .await;
    }
    load.stop().await.assert_all(200);
}

#[tokio::test]
async fn a_removed_server_is_not_checked_any_more() {
    let ([gone, left], gateway) = two([true, true], CHECK).await;
    eventually("a check", PATIENCE, || async { gone.asked.load(SeqCst) > 1 }).await;
    gateway.edit(&one_cluster(&[left.backend.address()], CHECK, ""));
    eventually("revision 2 is served", PATIENCE, || async {
        gateway.status().await["configuration"]["revision"] == 2
    })
    .await;
    let (asked, others) = (gone.asked.load(SeqCst), left.asked.load(SeqCst));
    eventually("checks of the other", PATIENCE, || async {
        left.asked.load(SeqCst) > others + 5
    })
    .await;
    assert!(
        gone.asked.load(SeqCst) <= asked + 1,
        "one may have been on its way"
    );
}
