//! Edits by hand, however they are made, and what is told of them when.

use super::*;

#[tokio::test]
async fn edits_are_noticed_however_they_are_made() {
    let place = Place::with(A);
    let store = place.store();
    let mut seen = store.load().await.unwrap().revision;
    let mut expect = async |id: &str| {
        seen = until(&store, seen, |state| ids(state) == [id]).await.revision;
    };
    let text = |id: &str| format!("servers:\n- id: {id}\n");
    place.replace(&text("renamed"));
    expect("renamed").await;
    fs::write(&place.path, text("in-place")).unwrap();
    expect("in-place").await;
    fs::write(&place.path, text("inplace2")).unwrap();
    expect("inplace2").await;
    fs::remove_file(&place.path).unwrap();
    fs::write(&place.path, text("again")).unwrap();
    expect("again").await;
    fs::remove_file(&place.path).unwrap();
    let other = place.directory.path().join("other.yaml");
    fs::write(&other, text("linked")).unwrap();
    symlink(&other, &place.path).unwrap();
    expect("linked").await;
    fs::write(&other, text("behind")).unwrap();
    expect("behind").await;
}

#[tokio::test]
async fn a_config_map_is_followed_when_its_directory_is_swapped() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (name, text) in [("..1", A), ("..2", B)] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("meta.yaml"), text).unwrap();
    }
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/meta.yaml", root.join("meta.yaml")).unwrap();
    let store = FileStore::new(root.join("meta.yaml"));
    let first = store.load().await.unwrap();
    assert_eq!(ids(&first), ["a"]);
    let (swapped, ()) = tokio::join!(
        until(&store, first.revision, |state| ids(state) == ["b"]),
        async {
            symlink("..2", root.join("..tmp")).unwrap();
            fs::rename(root.join("..tmp"), root.join("..data")).unwrap();
            fs::remove_dir_all(root.join("..1")).unwrap();
        }
    );
    assert_eq!(swapped.revision, Revision(2));
}

#[tokio::test]
async fn an_emptied_or_vanished_file_says_so_and_claims_nothing() {
    let place = Place::with(A);
    let store = place.store();
    let mut seen = store.load().await.unwrap().revision;
    for vanish in [false, true] {
        match vanish {
            true => fs::remove_file(&place.path).unwrap(),
            false => fs::write(&place.path, "").unwrap(),
        }
        let trouble = until(&store, seen, |_| true).await;
        assert!(!trouble.document.complete && trouble.document.objects.is_empty());
        assert_eq!(trouble.document.problems.len(), 1);
        assert!(store.commit(trouble.revision, put("x"), note()).await.is_err());
        fs::write(&place.path, A).unwrap();
        let back = until(&store, trouble.revision, |_| true).await;
        assert_eq!((back.document.complete, ids(&back)), (true, vec!["a"]));
        seen = back.revision;
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_is_not_read_until_it_is_closed() {
    let place = Place::with(A);
    let store = place.store();
    let first = store.load().await.unwrap();
    let mut waiting = Box::pin(store.changed(&first));
    let _ = timeout(Duration::from_millis(50), &mut waiting).await;
    let mut file = File::create(&place.path).unwrap();
    file.write_all(b"servers:\n- id: half\n").unwrap();
    // Far longer than it takes to read a file that is whole.
    assert!(timeout(Duration::from_millis(800), &mut waiting).await.is_err());
    file.write_all(b"- id: whole\n").unwrap();
    drop(file);
    let state = soon(waiting).await.unwrap();
    assert_eq!(ids(&state), ["half", "whole"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewriting_in_place_never_shows_a_partial_state() {
    let full = |letter: char| -> String {
        let servers = (0..400).map(|n| format!("- id: {letter}{n}\n  description: {letter}\n"));
        format!("servers:\n{}", servers.collect::<String>())
    };
    let place = Place::with(&full('a'));
    let store = place.store();
    let first = store.load().await.unwrap();
    let path = place.path.clone();
    let texts: Vec<String> = ('a'..='d').map(full).collect();
    let writer = std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(3);
        for (round, text) in texts.iter().cycle().enumerate() {
            let mut file = File::create(&path).unwrap();
            for piece in text.as_bytes().chunks(1 + round * 37 % 5000) {
                file.write_all(piece).unwrap();
            }
            drop(file);
            if round % 5 == 0 {
                // Now and then it rests, so that there is something to see.
                std::thread::sleep(Duration::from_millis(round as u64 % 40));
            }
            if Instant::now() > until {
                break;
            }
        }
        fs::write(&path, "servers:\n- id: last\n").unwrap();
    });
    let mut states = 0;
    let last = until(&store, first.revision, |state| {
        states += 1;
        let letters: std::collections::HashSet<&str> = state
            .document
            .objects
            .iter()
            .map(|object| &object.id[..1])
            .collect();
        assert!(
            state.document.complete && state.document.problems.is_empty(),
            "{:?}",
            state.document.problems
        );
        assert!(letters.len() == 1 && (state.document.objects.len() == 400 || ids(state) == ["last"]));
        ids(state) == ["last"]
    })
    .await;
    writer.join().unwrap();
    assert_eq!(ids(&last), ["last"]);
    assert!(states > 3, "{states} states were seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_edits_end_with_the_last_one() {
    for in_place in [false, true] {
        let place = Place::with(A);
        let store = place.store();
        let first = store.load().await.unwrap();
        let waiting = until(&store, first.revision, |state| ids(state) == ["n1000"]);
        let edits = tokio::task::block_in_place(|| async {
            for n in 1..=1000 {
                let text = format!("servers:\n- id: n{n}\n");
                match in_place {
                    true => fs::write(&place.path, text).unwrap(),
                    false => place.replace(&text),
                }
                tokio::task::yield_now().await;
            }
        });
        tokio::join!(waiting, edits);
        assert!(store.history().await.unwrap().len() <= crate::store::HISTORY_LENGTH);
    }
}

#[tokio::test]
async fn an_edit_is_delivered_within_fifty_milliseconds() {
    let place = Place::with(A);
    let store = place.store();
    let mut seen = store.load().await.unwrap();
    let mut times = Vec::new();
    for n in 0..40 {
        let text = format!("servers:\n- id: n{n}\n");
        let mut waiting = Box::pin(store.changed(&seen));
        // Until the watch is in place and what there is has been looked at.
        let _ = timeout(Duration::from_millis(30), &mut waiting).await;
        let since = Instant::now();
        fs::write(&place.path, text).unwrap();
        seen = soon(waiting).await.unwrap();
        times.push(since.elapsed());
    }
    times.sort();
    eprintln!("median {:?}, worst {:?}", times[20], times[39]);
    assert!(times[20] < Duration::from_millis(50), "{times:?}");
}
