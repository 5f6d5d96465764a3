use etcd_client::{DeleteOptions, PutOptions};

use super::{
    relay::{Mode, Relay},
    *,
};

fn is_trouble(state: &State) -> bool {
    !state.document.complete
}

#[tokio::test]
async fn an_etcd_that_is_killed_and_run_again_is_followed_on() {
    let mut etcd = Etcd::start().await;
    let store = etcd.store();
    commit(&store, many(3, 1)).await;
    let before = store.load().await.unwrap();
    etcd.kill();
    let error = store.load().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    let error = store
        .commit(before.revision, vec![put("a", 1)], note(""))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    let trouble = until(&store, &before, is_trouble).await;
    assert_eq!((trouble.revision, ids(&trouble).len()), (before.revision, 0));
    etcd.run().await;
    let after = until(&store, &trouble, |state| state.document.complete).await;
    assert_eq!((after.revision, ids(&after)), (before.revision, ids(&before)));
    let revision = commit(&store, vec![put("a", 1)]).await;
    until(&store, &after, |state| {
        state.revision == revision && has("a")(state)
    })
    .await;
}

#[tokio::test]
async fn a_store_that_begins_before_etcd_does_has_it_as_soon_as_it_is_there() {
    let mut etcd = Etcd::start().await;
    commit(&etcd.store(), many(3, 1)).await;
    etcd.kill();
    let store = etcd.store();
    assert!(matches!(store.load().await, Err(StoreError::Unreachable { .. })));
    etcd.run().await;
    let none = State {
        revision: Revision(0),
        document: Arc::default(),
    };
    let state = until(&store, &none, has("s00001")).await;
    assert_eq!(ids(&state).len(), 3);
}

#[tokio::test]
async fn an_etcd_that_is_run_again_without_its_data_is_not_believed() {
    let mut etcd = Etcd::start().await;
    let store = etcd.store();
    commit(&store, many(3, 1)).await;
    let before = store.load().await.unwrap();
    etcd.kill();
    etcd.wipe();
    etcd.run().await;
    let is_lost = |state: &State| {
        state
            .document
            .problems
            .iter()
            .any(|problem| problem.message.contains("lost its data"))
    };
    let lost = until(&store, &before, is_lost).await;
    assert!(is_trouble(&lost));
    let refused = store.commit(lost.revision, vec![put("a", 1)], note("")).await;
    assert!(matches!(refused, Err(StoreError::Incomplete(_))), "{refused:?}");
    // What is put again applies, what is not yet is kept.
    let mut client = etcd.client().await;
    etcdctl_put_server(&mut client, "s00000", 5).await;
    let partly = until(&store, &lost, has("s00000")).await;
    assert!(is_lost(&partly) && is_trouble(&partly));
    // A cut in between changes nothing.
    etcd.kill();
    etcd.run().await;
    let partly = until(&store, &partly, |state| is_lost(state) && has("s00000")(state)).await;
    // Whoever commits says that this is all.
    commit(&etcd.store(), vec![put("other", 1)]).await;
    let whole = until(&store, &partly, |state| state.document.complete).await;
    assert_eq!(ids(&whole), ["servers/other", "servers/s00000"]);
}

#[tokio::test]
async fn what_an_earlier_process_read_is_not_believed_to_be_gone_until_somebody_says_so() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let (believing, expecting) = (etcd.store(), etcd.store());
    expecting.expect(Held::Objects);
    assert!(believing.load().await.unwrap().document.complete);
    let lost = expecting.load().await.unwrap();
    assert!(is_trouble(&lost) && lost.document.is_unreadable());
    etcdctl_put_server(&mut client, "a", 1).await;
    let partly = until(&expecting, &lost, has("a")).await;
    assert!(is_trouble(&partly));
    // One that begins now, knowing that this is not all.
    let later = etcd.store();
    later.expect(Held::Remains);
    assert!(is_trouble(&later.load().await.unwrap()));
    etcdctl_put(&mut client, "revision", "{}").await;
    for (store, seen) in [(&expecting, partly), (&later, later.load().await.unwrap())] {
        let whole = until(store, &seen, |state| state.document.complete).await;
        assert_eq!(ids(&whole), ["servers/a"]);
    }
}

async fn is_connected(store: &EtcdStore, connected: bool) {
    soon(async {
        while store.link().connected != connected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_link_says_whether_etcd_can_be_read_and_why_not() {
    let mut etcd = Etcd::start().await;
    let store = etcd.store();
    assert_eq!(
        store.link(),
        Link {
            connected: false,
            error: None
        }
    );
    store.load().await.unwrap();
    is_connected(&store, true).await;
    etcd.kill();
    is_connected(&store, false).await;
    assert!(store.link().error.is_some());
    etcd.run().await;
    is_connected(&store, true).await;
}

#[tokio::test]
async fn an_etcd_that_was_never_reached_is_told_to_whoever_waits() {
    let mut etcd = Etcd::start().await;
    etcd.kill();
    let store = etcd.store();
    let none = State {
        revision: Revision(0),
        document: Arc::default(),
    };
    let trouble = soon(store.changed(&none)).await.unwrap();
    assert!(trouble.document.is_unreadable());
    etcd.run().await;
    until(&store, &trouble, |state| state.document.complete).await;
}

#[tokio::test]
async fn deletions_apply_one_by_one_and_all_at_once() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let store = etcd.store();
    for by_prefix in [false, true] {
        for n in 0..3 {
            etcdctl_put_server(&mut client, &format!("a{n}"), 1).await;
        }
        let full = until(&store, &store.load().await.unwrap(), |state| {
            ids(state).len() == 3
        })
        .await;
        if by_prefix {
            let all = DeleteOptions::new().with_prefix();
            client.delete("/gateway/", Some(all)).await.unwrap();
        } else {
            for n in 0..3 {
                etcdctl_delete(&mut client, &format!("servers/a{n}")).await;
            }
        }
        let empty = until(&store, &full, |state| ids(state).is_empty()).await;
        assert!(empty.document.complete);
    }
}

#[tokio::test]
async fn deletions_while_the_watch_is_cut_apply_too() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    let store = store_at(relay.endpoint());
    commit(&store, many(3, 1)).await;
    let before = store.load().await.unwrap();
    relay.set(Mode::Cut);
    let mut client = etcd.client().await;
    let all = DeleteOptions::new().with_prefix();
    client.delete("/gateway/", Some(all)).await.unwrap();
    relay.set(Mode::Pass);
    let empty = until(&store, &before, |state| {
        ids(state).is_empty() && state.document.complete
    })
    .await;
    assert!(empty.document.problems.is_empty());
}

#[tokio::test]
async fn an_etcd_restored_from_a_backup_is_followed_back() {
    let mut etcd = Etcd::start().await;
    let store = etcd.store();
    let first = commit(&store, vec![put("a", 1)]).await;
    etcd.kill();
    etcd.back_up();
    etcd.run().await;
    for n in 2..6 {
        commit(&store, vec![put("a", n), put(&format!("b{n}"), 1)]).await;
    }
    let before = store.load().await.unwrap();
    etcd.kill();
    etcd.restore();
    etcd.run().await;
    let back = until(&store, &before, |state| weight(state, "a") == Some(json!(1))).await;
    assert_eq!((back.revision, ids(&back)), (first, vec!["servers/a".to_owned()]));
    commit(&store, vec![put("a", 9)]).await;
    until(&store, &back, |state| weight(state, "a") == Some(json!(9))).await;
}

#[tokio::test]
async fn a_cut_watch_goes_on_where_it_was_and_after_compaction_anew() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    let store = store_at(relay.endpoint());
    let mut client = etcd.client().await;
    let mut seen = store.load().await.unwrap();
    for (round, compacted) in [(1, false), (2, true), (3, false), (4, true)] {
        let listings = *store.inner.moved.borrow();
        relay.set(Mode::Cut);
        etcdctl_put_server(&mut client, "a", round).await;
        etcdctl_put_server(&mut client, "b", round).await;
        let revision = client.get("x", None).await.unwrap().header().unwrap().revision();
        if compacted {
            client.compact(revision, None).await.unwrap();
        }
        relay.set(Mode::Pass);
        seen = until(&store, &seen, |state| weight(state, "b") == Some(json!(round))).await;
        assert_eq!(weight(&seen, "a"), Some(json!(round)));
        assert_eq!(
            *store.inner.moved.borrow() > listings,
            compacted,
            "read anew in round {round}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_stalls_is_noticed_and_what_was_missed_is_told() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    let store = store_at(relay.endpoint());
    commit(&store, many(3, 1)).await;
    let before = store.load().await.unwrap();
    relay.set(Mode::Stall);
    let since = Instant::now();
    let trouble = until(&store, &before, is_trouble).await;
    let noticed = since.elapsed();
    // Asked after `idle`, given up after a timeout, told when it has lasted for another.
    assert!(
        noticed < PACE.idle + Duration::from_millis(1500) * 4,
        "{noticed:?}"
    );
    etcdctl_put_server(&mut etcd.client().await, "a", 1).await;
    relay.set(Mode::Pass);
    let after = until(&store, &trouble, has("a")).await;
    assert!(after.document.complete);
}

#[tokio::test]
async fn a_slow_connection_is_no_trouble() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    relay.set(Mode::Delay(Duration::from_millis(100)));
    let store = store_at(relay.endpoint());
    let revision = commit(&store, vec![put("a", 1)]).await;
    let state = store.load().await.unwrap();
    assert_eq!(state.revision, revision);
    let (listings, quiet) = (*store.inner.moved.borrow(), PACE.idle * 4);
    assert!(timeout(quiet, store.changed(&state)).await.is_err());
    assert_eq!(*store.inner.moved.borrow(), listings);
}

#[tokio::test]
async fn a_stopped_etcd_is_noticed_and_followed_on() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    commit(&store, many(3, 1)).await;
    let before = store.load().await.unwrap();
    etcd.signal("-STOP");
    let trouble = until(&store, &before, is_trouble).await;
    let committing = store.commit(before.revision, vec![put("a", 1)], note("")).await;
    assert!(
        matches!(committing, Err(StoreError::Unreachable { .. })),
        "{committing:?}"
    );
    etcd.signal("-CONT");
    let after = until(&store, &trouble, |state| state.document.complete).await;
    assert_eq!(ids(&after), ids(&before));
    commit(&store, vec![put("a", 1)]).await;
}

#[tokio::test]
async fn of_several_endpoints_one_that_answers_is_enough() {
    let etcd = Etcd::start().await;
    let dead = format!("http://127.0.0.1:{}", server::free_port());
    let silent = Relay::to(&etcd.address()).await;
    silent.set(Mode::Stall);
    let mut settings = settings(&dead);
    settings
        .endpoints
        .extend([silent.endpoint().to_owned(), etcd.endpoint()]);
    let store = EtcdStore::paced(&settings, PACE).unwrap();
    let none = State {
        revision: Revision(0),
        document: Arc::default(),
    };
    soon(store.changed(&none)).await.unwrap();
    let revision = commit(&store, vec![put("a", 1)]).await;
    assert_eq!(store.load().await.unwrap().revision, revision);
}

#[tokio::test]
async fn an_etcd_without_space_is_read_and_says_what_helps_to_write() {
    let etcd = Etcd::start_with(&["--quota-backend-bytes", "4000000"]).await;
    let store = etcd.store();
    let revision = commit(&store, vec![put("a", 1)]).await;
    let mut client = etcd.client().await;
    let full = async {
        for n in 0.. {
            let options = PutOptions::new();
            let value = vec![b'x'; 1 << 20];
            if client
                .put(format!("/other/{n}"), value, Some(options))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    soon(full).await;
    let error = store
        .commit(revision, vec![put("a", 2)], note(""))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { reason, .. } if reason.contains("alarm disarm")),
        "{error}"
    );
    assert_eq!(store.load().await.unwrap().revision, revision);
    assert_eq!(etcd.store().load().await.unwrap().revision, revision);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_says_so_or_is_found() {
    let etcd = Etcd::start().await;
    let relay = Relay::to(&etcd.address()).await;
    let store = Arc::new(store_at(relay.endpoint()));
    let mut made = 0;
    for n in 1..=6u64 {
        relay.set(Mode::Delay(Duration::from_millis(15)));
        let state = store.load().await.unwrap();
        let committing = store.commit(state.revision, vec![put("a", n as u32)], note(""));
        let cutting = async {
            tokio::time::sleep(Duration::from_millis(n * 15)).await;
            relay.set(Mode::Cut);
            tokio::time::sleep(Duration::from_millis(10)).await;
            relay.set(Mode::Pass);
        };
        let (outcome, ()) = tokio::join!(committing, cutting);
        soon(async { while store.load().await.is_err() {} }).await;
        let known = etcd.store().load().await.unwrap();
        match outcome {
            Ok(revision) => {
                assert_eq!((known.revision, weight(&known, "a")), (revision, Some(json!(n))));
                made += 1;
            }
            Err(StoreError::Unreachable { .. }) => assert_ne!(weight(&known, "a"), Some(json!(n))),
            Err(StoreError::Uncertain { .. } | StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    println!("{made} of 6 commits whose connection was cut were made and known to be");
}
