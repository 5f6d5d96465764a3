//! The last good state on the proxy's disk: what a proxy starts from when its store cannot be read.

use std::time::{Duration, Instant};

use super::{PATIENCE, at, log_says, on, reply, serves, serves_revision};
use crate::support::{Client, Etcd, Gateway, Port, eventually, get};

const SNAPSHOT: &str = "snapshot: last-good.json\n";

/// A gateway on this etcd that keeps its last good state, which holds the route `a`.
async fn with_last_good(etcd: &Etcd) -> Gateway {
    etcd.keys().await.put("routes/a", reply("a", "one")).await;
    let gateway = Gateway::start_with(&format!("{SNAPSHOT}{}", on(etcd)), "").await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    is_kept(&gateway).await;
    gateway
}

/// Waits until what serves is on the disk. Its revision alone does not tell: an etcd that lost its data counts from 1 again.
async fn is_kept(gateway: &Gateway) {
    eventually("the last good state is kept", PATIENCE, || async {
        let store = gateway.status().await["store"].take();
        let served = store["served_since_unix_ms"].as_u64();
        let saved = store["last_good"]["saved_unix_ms"].as_u64();
        store["last_good"]["revision"] == store["revision_served"] && served.is_some() && saved >= served
    })
    .await;
}

#[tokio::test]
async fn with_etcd_down_a_proxy_serves_its_last_good_state_at_once_and_follows_etcd_when_it_comes() {
    let mut etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    etcd.kill();
    let since = Instant::now();
    gateway.restart().await;
    let took = since.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "{took:?}, of which most is the machine's"
    );
    assert_eq!(gateway.get("/a").await.text(), "one");
    let status = gateway.status().await;
    assert_eq!(status["configuration"]["source"], "last_good", "{status:#}");
    assert!(status["configuration"]["store_error"].is_string(), "{status:#}");
    assert_eq!(status["store"]["connected"], false, "{status:#}");
    etcd.run().await;
    etcd.keys().await.put("routes/a", reply("a", "two")).await;
    serves(&gateway, "a", "two").await;
    let status = gateway.status().await;
    assert_eq!(status["configuration"]["source"], "store", "{status:#}");
    assert_eq!(status["store"]["connected"], true, "{status:#}");
}

#[tokio::test]
async fn an_etcd_that_accepts_and_says_nothing_delays_the_start_by_less_than_a_second() {
    let etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    etcd.freeze();
    let since = Instant::now();
    gateway.restart().await;
    assert!(since.elapsed() < Duration::from_secs(4), "etcd's timeout is 5 s");
    assert_eq!(gateway.get("/a").await.text(), "one");
    etcd.thaw();
    etcd.keys().await.put("routes/b", reply("b", "two")).await;
    serves(&gateway, "b", "two").await;
}

#[tokio::test]
async fn with_neither_it_refuses_with_503_says_why_and_is_ready_as_soon_as_etcd_comes() {
    let mut etcd = Etcd::start().await;
    etcd.keys().await.put("routes/a", reply("a", "one")).await;
    etcd.kill();
    let gateway = Gateway::spawn_with(&format!("{SNAPSHOT}{}", on(&etcd)), "");
    eventually("it listens", PATIENCE, || async {
        Client::try_connect(gateway.address()).await.is_ok()
            && Client::try_connect(gateway.manage()).await.is_ok()
    })
    .await;
    let refused = gateway.get("/a").await;
    assert_eq!(
        (refused.status, refused.header("x-gateway-refusal")),
        (503, Some("not_ready"))
    );
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let ready = get(gateway.manage(), "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("etcd"), "{}", ready.text());
    etcd.run().await;
    eventually("it is ready", PATIENCE, || async {
        get(gateway.manage(), "/readyz").await.status == 200
    })
    .await;
    assert_eq!(gateway.get("/a").await.text(), "one");
}

#[tokio::test]
async fn an_etcd_that_was_emptied_by_an_accident_keeps_the_last_good_state_and_one_that_says_so_applies() {
    let mut etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    eventually("the reason is told", PATIENCE, || async {
        let status = gateway.status().await;
        let error = status["configuration"]["store_error"].as_str();
        error.is_some_and(|error| error.contains("etcd has lost its data"))
    })
    .await;
    let keys = etcd.keys().await;
    keys.put("routes/b", reply("b", "two")).await;
    serves(&gateway, "b", "two").await;
    assert_eq!(gateway.get("/a").await.text(), "one", "not yet known to be gone");
    is_kept(&gateway).await;
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "one", "nor after another start");
    assert_eq!(gateway.get("/b").await.text(), "two");
    let last = keys.put("revision", "{}").await;
    serves_revision(&gateway, last).await;
    assert_eq!(gateway.get("/a").await.status, 404);
    assert_eq!(gateway.get("/b").await.text(), "two");
}

#[tokio::test]
async fn deleting_every_key_applies_and_is_what_is_served_after_a_restart() {
    let mut etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    etcd.keys().await.delete_all("").await;
    eventually("nothing is left", PATIENCE, || async {
        gateway.get("/a").await.status == 404
    })
    .await;
    is_kept(&gateway).await;
    etcd.kill();
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.status, 404);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_the_proxy_goes_on_without_it() {
    let etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    let file = gateway.directory().join("last-good.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    gateway.restart().await;
    log_says(&gateway, "the last good state is not used: it is damaged").await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    is_kept(&gateway).await;
}

#[tokio::test]
async fn the_last_good_version_of_a_quarantined_object_serves_after_a_restart_without_the_store() {
    let mut etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    let keys = etcd.keys().await;
    let last = keys.put("routes/a", "{ nonsense").await;
    serves_revision(&gateway, last).await;
    is_kept(&gateway).await;
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "one", "with the store");
    let quarantined = gateway.status().await["configuration"]["quarantined"].take();
    assert_eq!(quarantined[0]["serving"], "last_good");
    is_kept(&gateway).await;
    etcd.kill();
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "one", "without the store");
}

#[tokio::test]
async fn a_file_that_is_no_yaml_at_start_leaves_the_last_good_state() {
    let route = "routes:\n- { id: a, filters: [{ reply: { body: one } }] }\n";
    let mut gateway = Gateway::start_with(SNAPSHOT, route).await;
    is_kept(&gateway).await;
    gateway.edit("routes: [}\n");
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "one");
    gateway.edit(&route.replace("one", "two"));
    serves(&gateway, "a", "two").await;
}

#[tokio::test]
async fn an_etcd_restored_from_a_backup_is_followed_with_a_warning() {
    let mut etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    let keys = etcd.keys().await;
    for n in 0..20 {
        keys.put("routes/a", reply("a", &n.to_string())).await;
    }
    serves(&gateway, "a", "19").await;
    is_kept(&gateway).await;
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    etcd.keys().await.put("routes/a", reply("a", "restored")).await;
    serves(&gateway, "a", "restored").await;
    log_says(&gateway, "restored from a backup").await;
    gateway.restart().await;
    serves(&gateway, "a", "restored").await;
}

#[tokio::test]
async fn a_proxy_that_finds_an_earlier_revision_than_it_served_follows_it_with_a_warning() {
    let mut etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    for n in 0..20 {
        keys.put("routes/b", reply("b", &n.to_string())).await;
    }
    let mut gateway = with_last_good(&etcd).await;
    gateway.signal("KILL");
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    etcd.keys().await.put("routes/a", reply("a", "restored")).await;
    gateway.restart().await;
    assert_eq!(gateway.get("/a").await.text(), "restored");
    assert_eq!(gateway.get("/b").await.status, 404);
    log_says(&gateway, "it was restored from a backup").await;
}

#[tokio::test]
async fn the_state_of_another_prefix_is_not_mixed_up() {
    let etcd = Etcd::start().await;
    let mut gateway = with_last_good(&etcd).await;
    let nobody = Port::reserve();
    let startup = gateway.directory().join("gateway.yaml");
    let text = std::fs::read_to_string(&startup).unwrap();
    let other = at(&format!("http://{}", nobody.address()));
    std::fs::write(&startup, text.replace(&on(&etcd), &other)).unwrap();
    gateway.restart_without_waiting();
    log_says(&gateway, "it is of another store").await;
    eventually("it listens", PATIENCE, || async {
        Client::try_connect(gateway.address()).await.is_ok()
    })
    .await;
    assert_eq!(gateway.get("/a").await.status, 503);
}
