use super::*;

#[tokio::test]
async fn an_empty_prefix_is_an_empty_state_before_the_first() {
    let etcd = Etcd::start().await;
    let state = etcd.store().load().await.unwrap();
    assert_eq!((state.revision, ids(&state).len()), (Revision(0), 0));
    assert!(state.document.complete && state.document.problems.is_empty());
}

#[tokio::test]
async fn what_is_put_changed_and_deleted_by_etcdctl_is_told_to_whoever_waits() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let store = etcd.store();
    let empty = store.load().await.unwrap();
    etcdctl_put_server(&mut client, "a", 1).await;
    let first = until(&store, &empty, has("a")).await;
    etcdctl_put_server(&mut client, "a", 2).await;
    let second = until(&store, &first, |state| weight(state, "a") == Some(json!(2))).await;
    assert!(first.revision < second.revision);
    etcdctl_delete(&mut client, "servers/a").await;
    let third = until(&store, &second, |state| ids(state).is_empty()).await;
    assert!(third.document.complete && second.revision < third.revision);
    etcdctl_put(&mut client, "proxies/p", "x").await;
    assert!(
        stays(&store, &third).await,
        "proxies are not of the configuration"
    );
}

#[tokio::test]
async fn writes_that_go_on_make_few_states_and_the_last_of_them_is_told() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let store = etcd.store();
    let empty = store.load().await.unwrap();
    let since = Instant::now();
    let writing = async {
        for n in 1..=400 {
            etcdctl_put_server(&mut client, "a", n).await;
        }
    };
    let counting = async {
        let (mut seen, mut states) = (empty, 0);
        while weight(&seen, "a") != Some(json!(400)) {
            seen = soon(store.changed(&seen)).await.unwrap();
            states += 1;
        }
        states
    };
    let ((), states) = tokio::join!(writing, counting);
    // A few at once and one in each 50 ms.
    let most = 5 + since.elapsed().as_millis() / 50;
    assert!(states <= most, "{states} states in {:?}", since.elapsed());
}

#[tokio::test]
async fn five_thousand_objects_are_read_in_pages_and_one_edit_does_not_read_them_again() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let since = Instant::now();
    let revision = commit(&store, many(5_000, 1)).await;
    println!("5,000 objects: committed in {:?}", since.elapsed());

    let store = etcd.store();
    let since = Instant::now();
    let all = store.load().await.unwrap();
    println!("5,000 objects: loaded in {:?}", since.elapsed());
    assert_eq!((all.revision, all.document.objects.len()), (revision, 5_000));

    let mut client = etcd.client().await;
    let mut times = Vec::new();
    let mut seen = all.clone();
    for n in 0..20 {
        let waiting = store.changed(&seen);
        let since = Instant::now();
        etcdctl_put_server(&mut client, "s02500", 2 + n).await;
        seen = soon(waiting).await.unwrap();
        times.push(since.elapsed());
    }
    times.sort();
    println!(
        "5,000 objects: one edit seen after {:?} (median), {:?} (longest)",
        times[10], times[19]
    );
    let pairs = all.document.objects.iter().zip(&seen.document.objects);
    let same = pairs.filter(|(old, new)| Arc::ptr_eq(&old.value, &new.value));
    assert_eq!(same.count(), 4_999, "what is not touched is shared");
}

#[tokio::test]
async fn what_is_no_object_breaks_nothing_else() {
    let etcd = Etcd::start_with(&["--max-request-bytes", "20000000"]).await;
    let mut client = etcd.client().await;
    etcdctl_put_server(&mut client, "good", 1).await;
    etcdctl_put(&mut client, "servers/bytes", b"\xff\xfe\0".to_vec()).await;
    etcdctl_put(&mut client, "servers/other", server("another", 1).to_string()).await;
    etcdctl_put(&mut client, "routes/list", "[1]").await;
    etcdctl_put(&mut client, "route/typo", "{}").await;
    etcdctl_put(&mut client, "servers", "{}").await;
    for n in 0..4 {
        etcdctl_put(&mut client, &format!("clusters/long{n}"), vec![b'x'; 10 << 20]).await;
    }
    let store = etcd.store();
    let read = store.load().await.unwrap();
    let check = |state: &State| {
        let Document { broken, problems, .. } = &*state.document;
        assert!(state.document.complete);
        assert_eq!(ids(state), ["servers/good"]);
        let broken: Vec<String> = broken.iter().map(|(kind, id)| format!("{kind}/{id}")).collect();
        let long = (0..4).map(|n| format!("clusters/long{n}"));
        let mut expected = vec!["servers/bytes".to_owned(), "servers/other".into()];
        expected.extend(long);
        expected.push("routes/list".into());
        assert_eq!(broken, expected);
        assert_eq!(problems.len(), 9, "{problems:?}");
    };
    check(&read);
    // The same, seen by a watch.
    etcdctl_put(&mut client, "clusters/long0", vec![b'y'; 10 << 20]).await;
    etcdctl_put_server(&mut client, "good", 2).await;
    check(&until(&store, &read, |state| weight(state, "good") == Some(json!(2))).await);
    // It can be repaired, by a commit too.
    let repaired = commit(&store, vec![put("bytes", 1), delete("other")]).await;
    let state = until(&store, &read, |state| state.revision == repaired).await;
    assert_eq!(ids(&state), ["servers/bytes", "servers/good"]);
    let before = store.history().await.unwrap()[1].revision;
    let before = store.at(before).await.unwrap();
    assert!(before.document.broken.contains(&(Kind::Server, "bytes".into())));
}

#[tokio::test]
async fn a_burst_is_told_in_few_states_and_its_last_one_always() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let mut seen = store.load().await.unwrap();
    let mut client = etcd.client().await;
    let writing = tokio::spawn(async move {
        for n in 1..=1_000 {
            etcdctl_put_server(&mut client, "a", n).await;
        }
    });
    let mut states = 0;
    while weight(&seen, "a") != Some(json!(1_000)) {
        seen = soon(store.changed(&seen)).await.unwrap();
        states += 1;
    }
    writing.await.unwrap();
    println!("1,000 writes: {states} states");
    assert!(states < 500, "{states}");
    assert!(stays(&store, &seen).await);
}

#[tokio::test]
async fn all_who_wait_are_told_and_a_wait_can_be_dropped() {
    let etcd = Etcd::start().await;
    let store = etcd.store();
    let state = store.load().await.unwrap();
    for _ in 0..20 {
        let _ = timeout(Duration::from_millis(3), store.changed(&state)).await;
    }
    let mut client = etcd.client().await;
    let (one, other, ()) = soon(async {
        tokio::join!(store.changed(&state), store.changed(&state), async {
            etcdctl_put_server(&mut client, "a", 1).await;
        })
    })
    .await;
    assert!(one.unwrap().is(&other.unwrap()));
}

#[tokio::test]
async fn a_store_that_has_just_begun_numbers_the_state_as_the_others_do() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let store = etcd.store();
    commit(&store, many(3, 1)).await;
    let mut state = store.load().await.unwrap();
    etcdctl_put(&mut client, "history/elsewhere", "x").await;
    assert_eq!(etcd.store().load().await.unwrap().revision, state.revision);
    etcdctl_put_server(&mut client, "s00001", 7).await;
    state = until(&store, &state, |state| weight(state, "s00001") == Some(json!(7))).await;
    assert_eq!(etcd.store().load().await.unwrap().revision, state.revision);
    let large = commit(&store, many(300, 3)).await;
    assert_eq!(etcd.store().load().await.unwrap().revision, large);
    assert_eq!(store.load().await.unwrap().revision, large);
}
