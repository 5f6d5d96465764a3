//! `-u` and SIGQUIT: the next process takes the sockets over and nobody notices; the one before goes on if the next cannot.

use std::time::{Duration, Instant};

use super::{PATIENCE, objects, says, traffic};
use crate::support::{Backend, Client, Gateway, eventually};

const UPGRADES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_upgrades_in_a_row_lose_no_request_and_no_byte() {
    let backend = traffic::backend().await;
    let mut gateway = Gateway::start(&objects(&backend)).await;
    let traffic = traffic::Traffic::start(&[gateway.address()]);
    let mut before = Vec::new();
    for _ in 0..UPGRADES {
        let handed_over = gateway.upgrade().await;
        let since = Instant::now();
        before.push(tokio::spawn(async move {
            let exited = handed_over.until_exit().await;
            (exited, since.elapsed())
        }));
    }
    for process in before {
        let (exited, after) = process.await.unwrap();
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(exited.stderr.contains("no client is left"), "{exited:?}");
        // A slow transfer of a second, a kept connection that is left open for a second, and a loaded machine; no fixed waits.
        assert!(after < Duration::from_secs(15), "{after:?}: {exited:?}");
    }
    traffic.stop().await.assert_none_failed();
    assert!(backend.faults().is_empty(), "{:?}", backend.faults());
}

#[tokio::test]
async fn the_process_before_ends_at_once_if_it_is_idle_and_the_manage_listener_is_the_nexts() {
    let backend = Backend::text("x").await;
    let mut gateway = Gateway::start(&objects(&backend)).await;
    let first = gateway.pid();
    let before = gateway.upgrade().await;
    assert_ne!(gateway.pid(), first);
    assert_eq!(before.until_exit().await.code, Some(0));
    assert_eq!(gateway.get("/").await.status, 200);
    assert_eq!(gateway.metric("gateway_config_revision", &[]).await, 1.0);
    assert!(!gateway.directory().join("upgrade.sock").exists());
}

#[tokio::test]
async fn two_processes_on_one_file_give_its_states_the_same_numbers() {
    let backend = Backend::text("x").await;
    let mut gateway = Gateway::start(&objects(&backend)).await;
    let next = gateway.start_next();
    eventually("both read the file", PATIENCE, async || {
        next.stderr().contains("ready to take")
    })
    .await;
    for number in 2..=6 {
        gateway.edit(&format!("{}# {number}\n", objects(&backend)));
        let applied = format!("revision {number} applied");
        eventually(&applied, PATIENCE, async || {
            gateway.stderr().contains(&applied) && next.stderr().contains(&applied)
        })
        .await;
    }
    let kept = std::fs::read_dir(gateway.directory().join("meta.history")).unwrap();
    let texts = kept.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".yaml")
    });
    assert_eq!(texts.count(), 6);
    drop(next);
    gateway.upgrade().await;
    assert_eq!(gateway.metric("gateway_config_revision", &[]).await, 6.0);
}

#[tokio::test]
async fn a_next_process_that_cannot_serve_takes_nothing() {
    let backend = Backend::text("x").await;
    let gateway = Gateway::start(&objects(&backend)).await;
    let startup = gateway.directory().join("gateway.yaml");
    let good = std::fs::read_to_string(&startup).unwrap();
    for (file, text, code) in [
        (&startup, format!("{good}nonsense: 1\n"), 78),
        (&gateway.objects_file(), "routes: [\n".to_owned(), 1),
    ] {
        let kept = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text).unwrap();
        let exited = gateway.start_next().until_exit().await;
        assert_eq!(exited.code, Some(code), "{exited:?}");
        assert_eq!(gateway.get("/").await.status, 200);
        std::fs::write(file, kept).unwrap();
    }
    assert_eq!(gateway.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_next_process_that_dies_with_the_sockets_leaves_everything_as_it_was() {
    let backend = Backend::text("x").await;
    let mut gateway = Gateway::start(&objects(&backend)).await;
    let startup = gateway.directory().join("gateway.yaml");
    let good = std::fs::read_to_string(&startup).unwrap();
    // One more address, which is taken: known only once the sockets are there.
    let (listening, taken) = (gateway.address(), backend.address());
    let more = good.replace(
        &format!("{{ address: \"{listening}\" }}"),
        &format!("{{ address: \"{listening}\" }}, {{ address: \"{taken}\" }}"),
    );
    std::fs::write(&startup, &more).unwrap();
    let next = gateway.start_next();
    eventually("the next one waits", PATIENCE, async || {
        next.stderr().contains("ready to take")
    })
    .await;
    let mut client = gateway.client().await;
    gateway.signal("QUIT");
    let exited = next.until_exit().await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    let why = format!("cannot listen on {taken}");
    assert!(exited.stderr.contains(&why), "{exited:?}");
    says(&gateway, "this process goes on").await;
    for _ in 0..3 {
        assert!(client.get("/").await.keeps_alive());
        assert_eq!(gateway.get("/").await.status, 200);
    }
    // And the next attempt succeeds.
    std::fs::write(&startup, good).unwrap();
    let before = gateway.upgrade().await;
    drop(client);
    assert_eq!(before.until_exit().await.code, Some(0));
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn addresses_are_added_and_dropped_by_an_upgrade() {
    let backend = Backend::text("x").await;
    let mut gateway = Gateway::start(&objects(&backend)).await;
    let added = crate::support::Port::reserve();
    let startup = gateway.directory().join("gateway.yaml");
    let good = std::fs::read_to_string(&startup).unwrap();
    let dropped = gateway.address();
    let other = good.replace(&dropped.to_string(), &added.address().to_string());
    std::fs::write(&startup, other).unwrap();
    let before = gateway.upgrade().await;
    assert_eq!(before.until_exit().await.code, Some(0));
    assert!(Client::try_connect(dropped).await.is_err());
    assert_eq!(crate::support::get(added.address(), "/").await.status, 200);
}

#[tokio::test]
async fn a_process_that_nobody_hands_sockets_to_gives_up_and_says_so() {
    let backend = Backend::text("x").await;
    let gateway =
        Gateway::start_with("upgrade_sock_connect_accept_max_retries: 1\n", &objects(&backend)).await;
    let exited = gateway.start_next().until_exit().await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(
        exited.stderr.contains("no process handed its sockets over"),
        "{exited:?}"
    );
}

#[tokio::test]
async fn sigquit_with_nobody_to_take_over_ends_like_sigterm() {
    let backend = traffic::backend().await;
    let more = "upgrade_sock_connect_accept_max_retries: 1\n";
    let gateway = Gateway::start_with(more, &objects(&backend)).await;
    let other = Gateway::start(&objects(&backend)).await;
    let traffic = traffic::Traffic::start(&[gateway.address(), other.address()]);
    gateway.signal("QUIT");
    says(&gateway, "ending as on SIGTERM").await;
    let exited = gateway.until_exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    traffic.stop().await.assert_none_failed();
}
