#![allow(clippy::unwrap_used, clippy::panic)]

mod watching;

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    time::Instant,
};

use serde_json::json;
use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.yaml");
        fs::write(&path, text).unwrap();
        Self { directory, path }
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.path)
    }

    /// As editors do it: another file, renamed.
    fn replace(&self, text: &str) {
        let half = self.directory.path().join("half");
        fs::write(&half, text).unwrap();
        fs::rename(half, &self.path).unwrap();
    }
}

fn note() -> Note {
    Note {
        author: "ann".into(),
        message: "why".into(),
    }
}

fn put(id: &str) -> Vec<Operation> {
    let object = json!({ "id": id });
    vec![Operation::Put {
        kind: Kind::Server,
        object,
    }]
}

fn ids(state: &State) -> Vec<&str> {
    state
        .document
        .objects
        .iter()
        .map(|object| object.id.as_str())
        .collect()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("in time")
}

/// A state of which only the number counts.
fn numbered(revision: Revision) -> State {
    State {
        revision,
        document: Arc::default(),
    }
}

/// The state after `seen`, once it satisfies `wanted`.
async fn until(store: &FileStore, mut seen: Revision, mut wanted: impl FnMut(&State) -> bool) -> State {
    soon(async {
        loop {
            let state = store.changed(&numbered(seen)).await.unwrap();
            assert!(state.revision > seen);
            if wanted(&state) {
                return state;
            }
            seen = state.revision;
        }
    })
    .await
}

const A: &str = "servers:\n- id: a\n";
const B: &str = "servers:\n- id: b\n";

#[tokio::test]
async fn a_missing_file_is_an_error_and_can_be_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/meta.yaml");
    let store = FileStore::new(&path);
    assert!(matches!(store.load().await, Err(StoreError::Missing(missing)) if missing == path));
    assert!(FileStore::create_if_missing(&path).unwrap());
    assert!(!FileStore::create_if_missing(&path).unwrap());
    let state = store.load().await.unwrap();
    assert!(state.document.complete && state.document.objects.is_empty());
    assert_eq!(state.revision, Revision(1));
}

#[tokio::test]
async fn revisions_outlive_the_process_and_count_contents() {
    let place = Place::with(A);
    assert_eq!(place.store().load().await.unwrap().revision, Revision(1));
    assert_eq!(place.store().load().await.unwrap().revision, Revision(1));
    place.replace(B);
    let store = place.store();
    assert_eq!(store.load().await.unwrap().revision, Revision(2));
    place.replace(B);
    assert_eq!(
        store.load().await.unwrap().revision,
        Revision(2),
        "the same content is no new state"
    );
    place.replace(A);
    assert_eq!(store.load().await.unwrap().revision, Revision(3));
    let history = store.history().await.unwrap();
    let numbers: Vec<u64> = history.iter().map(|entry| entry.revision.0).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(history[0].author, "file");
    assert_eq!(ids(&store.at(Revision(2)).await.unwrap()), ["b"]);
    assert!(matches!(
        store.at(Revision(7)).await,
        Err(StoreError::NoSuchRevision(_))
    ));
}

#[tokio::test]
async fn a_commit_replaces_the_file_and_is_told_to_whoever_waits() {
    let place = Place::with("# ours\n\nservers:\n- id: a # first\n");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).unwrap();
    let store = place.store();
    let first = store.load().await.unwrap();
    let waiting = store.changed(&first);
    let (revision, state) =
        soon(async { tokio::join!(store.commit(first.revision, put("b"), note()), waiting) }).await;
    assert_eq!(revision.unwrap(), Revision(2));
    let state = state.unwrap();
    assert_eq!((state.revision, ids(&state)), (Revision(2), vec!["a", "b"]));
    let text = fs::read_to_string(&place.path).unwrap();
    assert_eq!(
        text,
        "# ours\n\nservers:\n- id: a\n- id: b\nclusters: []\nroutes: []\naggregations: []\n"
    );
    assert_eq!(state.document.objects[1].node.as_ref().unwrap().start().line, 5);
    assert_eq!(
        fs::metadata(&place.path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let entry = store.history().await.unwrap().remove(0);
    assert_eq!((entry.author.as_str(), entry.message.as_str()), ("ann", "why"));
    assert_eq!(
        place.store().load().await.unwrap().revision,
        Revision(2),
        "another process sees the same number"
    );
    let names = fs::read_dir(place.directory.path()).unwrap();
    assert_eq!(names.count(), 2, "nothing but the file and its history is left");
}

#[tokio::test]
async fn a_commit_that_changes_nothing_is_no_new_state() {
    let place = Place::with(A);
    let store = place.store();
    let first = store.load().await.unwrap().revision;
    let second = store.commit(first, put("a"), note()).await.unwrap();
    assert_eq!(store.commit(second, put("a"), note()).await.unwrap(), second);
}

#[tokio::test]
async fn a_commit_on_another_state_or_over_an_edit_is_a_conflict() {
    let place = Place::with(A);
    let store = place.store();
    let first = store.load().await.unwrap().revision;
    let second = store.commit(first, put("b"), note()).await.unwrap();
    let refused = store.commit(first, put("c"), note()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { current }) if current == second));
    place.replace("servers:\n- id: by-hand\n");
    let refused = store.commit(second, put("c"), note()).await;
    let Err(StoreError::Conflict { current }) = refused else {
        panic!("{refused:?}")
    };
    assert!(current > second);
    let state = store.load().await.unwrap();
    assert_eq!((state.revision, ids(&state)), (current, vec!["by-hand"]));
    store.commit(current, put("c"), note()).await.unwrap();
}

#[tokio::test]
async fn an_edit_under_a_commit_that_was_not_seen_is_not_overwritten() {
    let place = Place::with(A);
    let store = place.store();
    let first = store.load().await.unwrap().revision;
    let mut core = store.inner.core.lock().await;
    place.replace(B);
    let refused = store.inner.commit(&mut core, first, put("c"), &note());
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(fs::read_to_string(&place.path).unwrap(), B);
}

#[tokio::test]
async fn a_broken_file_is_not_committed_over() {
    let place = Place::with("servers:\n- id: a\n- id: b\n  x: [\n");
    let store = place.store();
    let state = store.load().await.unwrap();
    assert_eq!(ids(&state), ["a"]);
    let refused = store.commit(state.revision, put("c"), note()).await;
    assert!(matches!(refused, Err(StoreError::Incomplete(_))), "{refused:?}");
}

#[tokio::test]
async fn a_commit_goes_through_a_symbolic_link_and_leaves_it_one() {
    let place = Place::with(A);
    let link = place.directory.path().join("link.yaml");
    symlink("meta.yaml", &link).unwrap();
    let store = FileStore::new(&link);
    let first = store.load().await.unwrap().revision;
    store.commit(first, put("b"), note()).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&place.path).unwrap().contains("id: b"));
}

#[tokio::test]
async fn a_history_that_cannot_be_written_stops_nothing() {
    let place = Place::with(A);
    // A file where the directory should be: not even root can write there.
    fs::write(place.directory.path().join("meta.history"), "").unwrap();
    let store = place.store();
    let first = store.load().await.unwrap();
    assert_eq!(first.revision, Revision(1));
    let second = store.commit(first.revision, put("b"), note()).await.unwrap();
    assert_eq!(second, Revision(2));
    place.replace(B);
    let third = until(&store, second, |_| true).await;
    assert_eq!((third.revision, ids(&third)), (Revision(3), vec!["b"]));
    assert!(store.history().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_stores_on_one_file_agree_on_numbers_and_do_not_lose_commits() {
    let place = Place::with("{}");
    let stores = [place.store(), place.store()];
    stores[0].load().await.unwrap();
    stores[1].load().await.unwrap();
    let work = async |store: &FileStore, name: &str| {
        for n in 0..15 {
            loop {
                let state = store.load().await.unwrap();
                match store
                    .commit(state.revision, put(&format!("{name}{n}")), note())
                    .await
                {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    soon(async { tokio::join!(work(&stores[0], "x"), work(&stores[1], "y")) }).await;
    let (one, two) = (stores[0].load().await.unwrap(), stores[1].load().await.unwrap());
    assert_eq!(one.document.objects.len(), 30);
    assert_eq!(one.revision, two.revision);
    assert_eq!(one.revision, Revision(31));
}

#[tokio::test]
async fn several_can_wait_and_a_wait_can_be_dropped() {
    let place = Place::with(A);
    let store = place.store();
    let first = store.load().await.unwrap();
    for _ in 0..20 {
        let _ = timeout(Duration::from_millis(3), store.changed(&first)).await;
    }
    let (one, two, ()) = soon(async {
        tokio::join!(store.changed(&first), store.changed(&first), async {
            place.replace(B)
        })
    })
    .await;
    assert_eq!(one.unwrap().revision, two.unwrap().revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_edit_among_five_thousand_routes_leaves_the_others_as_they_are() {
    let text = |edited: usize| -> String {
        let route = |n: usize| {
            format!(
                "- id: r{n}\n  match: {{ path: \"/api/v{n}/{{id}}\", methods: [GET, POST] }}\n  to: [{{ cluster: c{n} }}]\n"
            )
        };
        let routes: String = (0..5000).map(route).collect();
        format!(
            "routes:\n{}",
            routes.replace("/v2500/", &format!("/edited{edited}/"))
        )
    };
    let place = Place::with(&text(0));
    let store = place.store();
    let mut state = store.load().await.unwrap();
    let mut times = Vec::new();
    for n in 1..=20 {
        let mut waiting = Box::pin(store.changed(&state));
        let _ = timeout(Duration::from_millis(50), &mut waiting).await;
        let next = text(n);
        let since = Instant::now();
        fs::write(&place.path, next).unwrap();
        let after = soon(waiting).await.unwrap();
        times.push(since.elapsed());
        let pairs = state.document.objects.iter().zip(&after.document.objects);
        let same = pairs
            .filter(|(old, new)| Arc::ptr_eq(&old.value, &new.value))
            .count();
        assert_eq!((after.document.objects.len(), same), (5000, 4999));
        state = after;
    }
    times.sort();
    eprintln!("median {:?}, worst {:?}", times[10], times[19]);
}
