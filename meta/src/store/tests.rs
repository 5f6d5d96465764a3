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
