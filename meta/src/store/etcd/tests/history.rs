use etcd_client::GetOptions;

use super::*;

/// What servers there are, and their weights.
type Weights = Vec<(String, u64)>;

fn weights(state: &State) -> Weights {
    let objects = &state.document.objects;
    let weight = |object: &crate::document::RawObject| object.value.unpack()["weight"].as_u64().unwrap();
    objects
        .iter()
        .map(|object| (object.id.clone(), weight(object)))
        .collect()
}

/// Compacts etcd up to now.
async fn compact(client: &mut Client) {
    let now = client.get("x", None).await.unwrap().header().unwrap().revision();
    client.compact(now, None).await.unwrap();
}

#[tokio::test]
async fn every_state_of_the_past_is_what_it_was_whoever_made_it_and_however_large() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let mut client = etcd.client().await;
    let mut states: Vec<(Revision, Weights, &str)> = Vec::new();
    let mut keep =
        |state: &State, author: &'static str| states.push((state.revision, weights(state), author));
    for n in 0..3 {
        commit(&store, vec![put("a", n), put(&format!("b{n}"), n)]).await;
        keep(&store.load().await.unwrap(), "ann");
    }
    commit(&store, many(300, 1)).await;
    keep(&store.load().await.unwrap(), "ann");
    etcdctl_put_server(&mut client, "a", 77).await;
    etcdctl_delete(&mut client, "servers/b1").await;
    let foreign = |state: &State| weight(state, "a") == Some(json!(77)) && !has("b1")(state);
    let foreign = until(&store, &store.load().await.unwrap(), foreign).await;
    keep(&foreign, "etcd");
    let all = (0..300).map(|n| delete(&format!("s{n:05}"))).collect();
    commit(&store, all).await;
    keep(&store.load().await.unwrap(), "ann");

    compact(&mut client).await;
    for store in [store, etcd.store()] {
        let history = store.history().await.unwrap();
        let history: Vec<_> = history
            .iter()
            .map(|entry| (entry.revision, entry.author.as_str()))
            .collect();
        let expected: Vec<_> = states
            .iter()
            .rev()
            .map(|(revision, _, author)| (*revision, *author))
            .collect();
        assert_eq!(history, expected);
        for (revision, weights_then, _) in &states {
            let state = store.at(*revision).await.unwrap();
            assert_eq!((state.revision, &weights(&state)), (*revision, weights_then));
        }
        let never = store.at(Revision(1_000_000)).await;
        assert!(matches!(never, Err(StoreError::NoSuchRevision(_))));
    }
}

#[tokio::test]
async fn the_last_hundred_states_are_kept_and_nothing_of_those_before() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let mut revisions = Vec::new();
    for n in 0..110 {
        revisions.push(commit(&store, vec![put("a", n)]).await);
    }
    let history = store.history().await.unwrap();
    let kept: Vec<Revision> = history.iter().map(|entry| entry.revision).collect();
    let expected: Vec<Revision> = revisions.iter().rev().take(100).copied().collect();
    assert_eq!(kept, expected);
    assert_eq!(
        weights(&store.at(revisions[10]).await.unwrap()),
        [("a".to_owned(), 10)]
    );
    assert!(matches!(
        store.at(revisions[9]).await,
        Err(StoreError::NoSuchRevision(_))
    ));
    let mut client = etcd.client().await;
    // Deleting goes on after a commit was answered.
    soon(async {
        for prefix in ["history", "undo"] {
            loop {
                let count = GetOptions::new().with_prefix().with_count_only();
                let count = client
                    .get(format!("/gateway/{prefix}/"), Some(count))
                    .await
                    .unwrap()
                    .count();
                if count == 99 {
                    break;
                }
                assert!(count > 99 && count < 111, "{prefix}: {count}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_written_before_the_store_began_is_found_in_etcd_or_begins_the_history_anew() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let first = commit(&etcd.store(), vec![put("a", 1), put("b", 1)]).await;
    etcdctl_delete(&mut client, "servers/b").await;
    let store = etcd.store();
    assert_eq!(
        weights(&store.at(first).await.unwrap()),
        [("a".to_owned(), 1), ("b".to_owned(), 1)]
    );
    assert_eq!(store.history().await.unwrap().len(), 2);

    compact(&mut client).await;
    assert!(matches!(
        store.at(first).await,
        Err(StoreError::NoSuchRevision(_))
    ));
    let second = commit(&store, vec![put("c", 1)]).await;
    let history = store.history().await.unwrap();
    assert_eq!(
        (history.len(), history[0].revision, history[1].author.as_str()),
        (2, second, "etcd")
    );
    assert_eq!(
        weights(&store.at(history[1].revision).await.unwrap()),
        [("a".to_owned(), 1)]
    );
}
