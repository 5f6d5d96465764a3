#![allow(clippy::unwrap_used, clippy::panic)]

mod faults;
mod history;
mod reading;
mod registration;
mod relay;
mod security;
mod server;
mod writing;

use std::time::{Duration, Instant};

use etcd_client::Client;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::server::Etcd;
use super::*;
use crate::{document::Document, model::Kind, timespan::Timespan};

/// Fast enough for tests, slow enough for a busy machine.
const PACE: Pace = Pace {
    idle: Duration::from_millis(400),
    pauses: (Duration::from_millis(20), Duration::from_millis(200)),
};

fn settings(endpoint: &str) -> EtcdSettings {
    let settings = json!({ "endpoints": [endpoint], "timeout": "1500ms" });
    serde_json::from_value(settings).unwrap()
}

fn store_at(endpoint: &str) -> EtcdStore {
    EtcdStore::paced(&settings(endpoint), PACE).unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("in time")
}

/// The first state after `seen` that satisfies `wanted`.
async fn until(store: &EtcdStore, seen: &State, wanted: impl Fn(&State) -> bool) -> State {
    soon(async {
        let mut seen = seen.clone();
        loop {
            if wanted(&seen) {
                return seen;
            }
            seen = store.changed(&seen).await.unwrap();
        }
    })
    .await
}

/// Whether no other state comes for a moment.
async fn stays(store: &EtcdStore, state: &State) -> bool {
    timeout(Duration::from_millis(300), store.changed(state))
        .await
        .is_err()
}

fn ids(state: &State) -> Vec<String> {
    let objects = &state.document.objects;
    objects
        .iter()
        .map(|object| format!("{}/{}", object.kind, object.id))
        .collect()
}

fn has(id: &str) -> impl Fn(&State) -> bool {
    move |state| state.document.objects.iter().any(|object| object.id == id)
}

fn weight(state: &State, id: &str) -> Option<Value> {
    let object = state.document.find(Kind::Server, id)?;
    Some(object.value.unpack()["weight"].clone())
}

fn server(id: &str, weight: u32) -> Value {
    json!({ "id": id, "address": "127.0.0.1:80", "weight": weight })
}

fn put(id: &str, weight: u32) -> Operation {
    Operation::Put {
        kind: Kind::Server,
        object: server(id, weight),
    }
}

fn delete(id: &str) -> Operation {
    Operation::Delete {
        kind: Kind::Server,
        id: id.into(),
    }
}

fn many(count: usize, weight: u32) -> Vec<Operation> {
    (0..count).map(|n| put(&format!("s{n:05}"), weight)).collect()
}

fn note(message: &str) -> Note {
    Note {
        author: "ann".into(),
        message: message.into(),
    }
}

/// Commits on whatever the state is by then.
async fn commit(store: &EtcdStore, operations: Vec<Operation>) -> Revision {
    loop {
        let state = store.load().await.unwrap();
        match store.commit(state.revision, operations.clone(), note("")).await {
            Err(StoreError::Conflict { .. }) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// Writes as `etcdctl put /gateway/KEY VALUE` does.
async fn etcdctl_put(client: &mut Client, key: &str, value: impl Into<Vec<u8>>) {
    client.put(format!("/gateway/{key}"), value, None).await.unwrap();
}

async fn etcdctl_put_server(client: &mut Client, id: &str, weight: u32) {
    etcdctl_put(client, &format!("servers/{id}"), server(id, weight).to_string()).await;
}

async fn etcdctl_delete(client: &mut Client, key: &str) {
    client.delete(format!("/gateway/{key}"), None).await.unwrap();
}
