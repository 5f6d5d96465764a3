use std::collections::BTreeSet;

use etcd_client::GetOptions;

use super::{super::commit::INLINE, *};

#[tokio::test]
async fn a_commit_is_one_state_and_gives_its_revision() {
    let etcd = Etcd::start().await;
    let (store, other) = (etcd.store(), etcd.store());
    let seen = other.load().await.unwrap();
    let revision = commit(&store, vec![put("a", 1), put("b", 1), delete("a")]).await;
    assert_eq!(store.load().await.unwrap().revision, revision);
    let told = soon(other.changed(&seen)).await.unwrap();
    assert_eq!(
        (told.revision, ids(&told)),
        (revision, vec!["servers/b".to_owned()])
    );
    let same = store.commit(revision, vec![put("b", 1)], note("")).await;
    assert_eq!(same.unwrap(), revision, "what changes nothing is no commit");
}

#[tokio::test]
async fn what_cannot_be_committed_is_refused_and_changes_nothing() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let revision = commit(&store, vec![put("a", 1)]).await;
    let refusal = async |operations| store.commit(revision, operations, note("")).await.unwrap_err();
    let gone = refusal(vec![put("b", 1), delete("c")]).await;
    assert!(matches!(gone, StoreError::NoSuchObject { .. }), "{gone}");
    let nameless = Operation::Put {
        kind: Kind::Route,
        object: json!({}),
    };
    let nameless = refusal(vec![put("b", 1), nameless]).await;
    assert!(matches!(nameless, StoreError::BadObject { .. }), "{nameless}");
    let long = |n: usize| Operation::Put {
        kind: Kind::Server,
        object: json!({ "id": format!("l{n}"), "text": "x".repeat(500_000) }),
    };
    let large = refusal((0..70).map(long).collect()).await;
    assert!(matches!(large, StoreError::TooLarge { .. }), "{large}");
    let old = store
        .commit(Revision(revision.0 - 1), vec![put("b", 1)], note(""))
        .await;
    assert!(matches!(old, Err(StoreError::Conflict { current }) if current == revision));
    assert_eq!(ids(&etcd.store().load().await.unwrap()), ["servers/a"]);
}

#[tokio::test]
async fn writers_at_the_same_time_lose_no_update_of_each_other() {
    let etcd = Etcd::start().await;
    let writers = (0..4).map(|writer| {
        let store = etcd.store();
        tokio::spawn(async move {
            for n in 0..10 {
                commit(&store, vec![put(&format!("w{writer}-{n}"), 1)]).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut client = etcd.client().await;
    for n in 0..10 {
        etcdctl_put_server(&mut client, &format!("foreign-{n}"), 1).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for writer in writers {
        soon(writer).await.unwrap();
    }
    let state = etcd.store().load().await.unwrap();
    let found: BTreeSet<String> = ids(&state).into_iter().collect();
    assert_eq!(found.len(), 50);
    let watching = etcd.store().load().await.unwrap();
    assert_eq!(watching.revision, state.revision);
}

#[tokio::test]
async fn a_counter_that_many_raise_is_raised_as_often() {
    let etcd = Etcd::start().await;
    commit(&etcd.store(), vec![put("counter", 0)]).await;
    let raise = |store: EtcdStore| async move {
        for _ in 0..10 {
            loop {
                let state = store.load().await.unwrap();
                let count = weight(&state, "counter").unwrap().as_u64().unwrap() as u32;
                let raised = vec![put("counter", count + 1)];
                match store.commit(state.revision, raised, note("")).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let (one, two, three) = (etcd.store(), etcd.store(), etcd.store());
    tokio::join!(raise(one), raise(two), raise(three));
    let state = etcd.store().load().await.unwrap();
    assert_eq!(weight(&state, "counter"), Some(json!(30)));
}

#[tokio::test]
async fn a_foreign_write_that_was_not_seen_is_a_conflict_not_a_loss() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let revision = commit(&store, vec![put("a", 1), put("b", 1)]).await;
    let mut client = etcd.client().await;
    for key in ["a", "b", "c"] {
        let state = store.load().await.unwrap();
        etcdctl_put_server(&mut client, key, 9).await;
        let outcome = store.commit(state.revision, vec![put("a", 2)], note("")).await;
        assert!(
            matches!(outcome, Err(StoreError::Conflict { current }) if current > revision),
            "{outcome:?}"
        );
    }
    let state = until(&store, &store.load().await.unwrap(), |state| {
        weight(state, "c") == Some(json!(9))
    })
    .await;
    etcdctl_delete(&mut client, "servers/a").await;
    let outcome = store.commit(state.revision, vec![put("a", 2)], note("")).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_commit_of_many_objects_is_seen_whole_or_not_at_all() {
    let etcd = Etcd::start().await;
    let (store, other) = (etcd.store(), etcd.store());
    let first = commit(&store, many(1_000, 1)).await;
    let mut seen = until(&other, &other.load().await.unwrap(), |state| {
        state.revision == first
    })
    .await;
    let watching = tokio::spawn(async move {
        let mut sums = BTreeSet::new();
        while weight(&seen, "s00999") != Some(json!(3)) {
            seen = other.changed(&seen).await.unwrap();
            let weights = seen
                .document
                .objects
                .iter()
                .map(|object| object.value.unpack()["weight"].as_u64());
            sums.insert((
                seen.document.objects.len(),
                weights.map(Option::unwrap).sum::<u64>(),
            ));
        }
        sums
    });
    for weight in [2, 3] {
        commit(&store, many(1_000, weight)).await;
        let loaded = etcd.store().load().await.unwrap();
        assert!(
            loaded
                .document
                .objects
                .iter()
                .all(|object| object.value.unpack()["weight"] == weight)
        );
    }
    let sums = soon(watching).await.unwrap();
    assert!(
        sums.is_subset(&[(1_000, 2_000), (1_000, 3_000)].into()),
        "{sums:?}"
    );
    let pending = GetOptions::new().with_prefix().with_count_only();
    let pending = etcd
        .client()
        .await
        .get("/gateway/pending", Some(pending))
        .await
        .unwrap();
    assert_eq!(pending.count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn a_commit_of_many_objects_whose_writer_died_is_finished_by_the_next() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let revision = commit(&store, many(200, 1)).await;
    // All but the last step, which is what a process that dies leaves undone.
    let draft = store
        .inner
        .draft(revision, many(200, 2), &note(""))
        .await
        .unwrap();
    let made = store.inner.make(&draft.unwrap()).await.unwrap().unwrap();
    drop(store);
    let fresh = etcd.store();
    let state = fresh.load().await.unwrap();
    assert_eq!(state.revision, Revision(made as u64));
    assert!(
        state
            .document
            .objects
            .iter()
            .all(|object| object.value.unpack()["weight"] == 2)
    );
    // What others write after it stands.
    let mut client = etcd.client().await;
    etcdctl_put_server(&mut client, "s00007", 7).await;
    until(&fresh, &state, |state| weight(state, "s00007") == Some(json!(7))).await;
    commit(&fresh, vec![put("last", 1)]).await;
    let state = etcd.store().load().await.unwrap();
    assert_eq!(state.document.objects.len(), 201);
    let expected = |id: &str| match id {
        "last" => 1,
        "s00007" => 7,
        _ => 2,
    };
    for object in &state.document.objects {
        assert_eq!(
            object.value.unpack()["weight"],
            expected(&object.id),
            "{}",
            object.id
        );
    }
    let keys = GetOptions::new().with_prefix();
    let keys = client.get("/gateway/servers/", Some(keys)).await.unwrap();
    let values = keys
        .kvs()
        .iter()
        .map(|kv| serde_json::from_slice::<Value>(kv.value()).unwrap());
    assert_eq!(values.filter(|value| value["weight"] == 2).count(), 199);
}

#[tokio::test]
async fn as_many_objects_as_a_transaction_takes_are_one_transaction_and_one_more_works_too() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    for count in [INLINE, INLINE + 1] {
        let revision = commit(&store, many(count, count as u32)).await;
        assert_eq!(etcd.store().load().await.unwrap().revision, revision);
        let all = (0..count).map(|n| delete(&format!("s{n:05}"))).collect();
        let emptied = commit(&store, all).await;
        let state = etcd.store().load().await.unwrap();
        assert_eq!((state.revision, ids(&state).len()), (emptied, 0));
        assert!(state.document.complete);
    }
}

#[tokio::test]
async fn commits_take_little_time() {
    let etcd = Etcd::start().await;
    let (store, other) = (etcd.store(), etcd.store());
    let mut revision = commit(&store, many(1_000, 1)).await;
    let mut seen = until(&other, &other.load().await.unwrap(), |state| {
        state.revision == revision
    })
    .await;
    let (mut commits, mut tellings) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let since = Instant::now();
        let committing = async {
            let outcome = store.commit(revision, vec![put("s00500", n + 2)], note("")).await;
            (outcome.unwrap(), since.elapsed())
        };
        let telling = async {
            let state = soon(other.changed(&seen)).await.unwrap();
            (state, since.elapsed())
        };
        let ((committed, commit_time), (state, telling_time)) = tokio::join!(committing, telling);
        (revision, seen) = (committed, state);
        commits.push(commit_time);
        tellings.push(telling_time);
    }
    commits.sort();
    tellings.sort();
    println!(
        "1,000 objects: a commit takes {:?}, another store has it after {:?} (medians)",
        commits[15], tellings[15]
    );
    assert!(tellings[15] < Duration::from_millis(500));
}
