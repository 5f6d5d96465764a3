#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;

fn put(kind: Kind, object: Value) -> Operation {
    Operation::Put { kind, object }
}

fn delete(kind: Kind, id: &str) -> Operation {
    Operation::Delete { kind, id: id.into() }
}

fn ids(document: &Document) -> Vec<&str> {
    document.objects.iter().map(|object| object.id.as_str()).collect()
}

#[test]
fn a_put_replaces_in_place_and_adds_at_the_end() {
    let document = Document::read("servers:\n- id: a\n- id: b\n- id: a\n- id: c\n");
    let operations = vec![
        put(Kind::Server, json!({"id": "a", "weight": 2})),
        put(Kind::Server, json!({"id": "d"})),
        put(Kind::Server, json!({"id": "d", "weight": 3})),
        delete(Kind::Server, "c"),
        put(Kind::Server, json!({"id": "c"})),
    ];
    let (text, after) = apply(&document, operations).unwrap();
    assert_eq!(
        text,
        "servers:\n- id: a\n  weight: 2\n- id: b\n- id: d\n  weight: 3\n- id: c\nclusters: []\nroutes: []\naggregations: []\n"
    );
    assert_eq!(ids(&after), ["a", "b", "d", "c"]);
}

#[test]
fn a_preview_is_what_applying_gives_and_keeps_what_cannot_be_read() {
    let text = "servers:\n- id: a\n- id: b\n";
    let operations = || {
        vec![
            put(Kind::Server, json!({"id": "a", "weight": 2})),
            delete(Kind::Server, "b"),
            put(Kind::Route, json!({"id": "r"})),
        ]
    };
    let document = Document::read(text);
    let (_, applied) = apply(&document, operations()).unwrap();
    let previewed = preview(&document, operations()).unwrap();
    let values = |document: &Document| {
        let objects = document.objects.iter();
        objects
            .map(|object| (object.kind, object.value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&previewed), values(&applied));

    let mut half = Document::of(document.objects);
    half.broken = vec![(Kind::Server, "c".into()), (Kind::Server, "d".into())];
    half.problems = ["c", "d"]
        .map(|id| Problem::error(Kind::Server, id, "", "no JSON"))
        .into();
    let after = preview(&half, vec![delete(Kind::Server, "c")]).unwrap();
    assert_eq!(after.broken, [(Kind::Server, "d".to_owned())]);
    assert_eq!((ids(&after), after.problems.len()), (vec!["a", "b"], 1));
    let after = preview(&half, vec![put(Kind::Server, json!({"id": "d"}))]).unwrap();
    assert_eq!((ids(&after), after.broken.len()), (vec!["a", "b", "d"], 1));
}

#[test]
fn json_is_read_as_json_readers_do() {
    let text =
        "{\"servers\":[{\"id\":\"a\",\t\"description\":\"\\/ \\u00e9\", \"weight\":1e2}],\"routes\":[]}";
    let document = Document::read(text);
    assert_eq!(document.problems, []);
    let read = document.objects[0].value.unpack();
    assert_eq!(read, serde_json::from_str::<Value>(text).unwrap()["servers"][0]);
}

#[test]
fn operations_that_cannot_be_done_are_refused() {
    let document = Document::read("servers:\n- id: a\n");
    let refusal = |operations| apply(&document, operations).unwrap_err();
    assert!(matches!(
        refusal(vec![delete(Kind::Route, "a")]),
        StoreError::NoSuchObject { .. }
    ));
    let twice = vec![delete(Kind::Server, "a"), delete(Kind::Server, "a")];
    assert!(matches!(refusal(twice), StoreError::NoSuchObject { .. }));
    let nameless = vec![put(Kind::Server, json!({"address": "x"}))];
    assert!(matches!(refusal(nameless), StoreError::BadObject { .. }));
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let deep = vec![put(Kind::Server, json!({"id": "x", "deep": deep}))];
    assert!(matches!(refusal(deep), StoreError::BadObject { .. }));
    let half = Document::read("servers:\n- id: a\n  x: [\n");
    assert!(matches!(
        apply(&half, vec![]).unwrap_err(),
        StoreError::Incomplete(_)
    ));
}

#[tokio::test]
async fn a_memory_store_numbers_its_states_and_keeps_the_past() {
    let store = MemoryStore::new("servers:\n- id: a\n");
    let first = store.load().await.unwrap();
    assert_eq!(first.revision, Revision(1));
    let note = Note {
        author: "ann".into(),
        message: "b".into(),
    };
    let add = vec![put(Kind::Server, json!({"id": "b"}))];
    assert_eq!(
        store
            .commit(Revision(1), add.clone(), note.clone())
            .await
            .unwrap(),
        Revision(2)
    );
    assert!(matches!(
        store.commit(Revision(1), add, note).await,
        Err(StoreError::Conflict { current: Revision(2) })
    ));
    let second = store.changed(&first).await.unwrap();
    assert_eq!(second.revision, Revision(2));
    let history = store.history().await.unwrap();
    assert_eq!(
        (history[0].revision, history[0].author.as_str()),
        (Revision(2), "ann")
    );
    assert_eq!(ids(&store.at(Revision(1)).await.unwrap().document), ["a"]);
    assert!(matches!(
        store.at(Revision(9)).await,
        Err(StoreError::NoSuchRevision(_))
    ));
    let waiting = store.changed(&second);
    store.replace("{");
    let state = waiting.await.unwrap();
    assert!(!state.document.complete);
}
