//! A store that fails.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use meta::{
    document::Document,
    problem::Problem,
    store::{HistoryEntry, Link, MemoryStore, Note, Operation, Revision, State, Store, StoreError},
};
use serde_json::json;

use super::desk::{Answer, Desk, SMALL};

/// A store that works except for what it is told to fail with.
struct Failing {
    store: MemoryStore,
    loading: Option<StoreError>,
    committing: Option<StoreError>,
    commits: AtomicUsize,
}

impl Failing {
    fn desk(loading: Option<StoreError>, committing: Option<StoreError>) -> Desk {
        Desk::on(Arc::new(Self {
            store: MemoryStore::new(SMALL),
            loading,
            committing,
            commits: AtomicUsize::new(0),
        }))
    }
}

fn or<T>(failure: Option<&StoreError>, value: T) -> Result<T, StoreError> {
    failure.cloned().map_or(Ok(value), Err)
}

#[async_trait::async_trait]
impl Store for Failing {
    async fn load(&self) -> Result<State, StoreError> {
        or(self.loading.as_ref(), self.store.load().await?)
    }

    async fn changed(&self, seen: &State) -> Result<State, StoreError> {
        self.store.changed(seen).await
    }

    fn link(&self) -> Link {
        self.store.link()
    }

    async fn commit(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: Note,
    ) -> Result<Revision, StoreError> {
        // A lost race is lost a few times, as in life.
        match &self.committing {
            Some(StoreError::Conflict { .. }) if self.commits.fetch_add(1, Ordering::Relaxed) >= 3 => {}
            failure => or(failure.as_ref(), ())?,
        }
        self.store.commit(expected, operations, note).await
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        or(self.loading.as_ref(), self.store.history().await?)
    }

    async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        self.store.at(revision).await
    }
}

async fn write(desk: &Desk) -> Answer {
    desk.ask("PATCH /servers/s1")
        .patch(&json!({ "weight": 2 }))
        .send()
        .await
}

fn reason() -> String {
    "connection refused".into()
}

#[actix_web::test]
async fn a_store_that_is_not_reached_is_told_with_its_reason() {
    let failure = StoreError::Unreachable {
        action: "read".into(),
        reason: reason(),
    };
    let desk = Failing::desk(Some(failure), None);
    for path in [
        "/servers",
        "/servers/s1",
        "/config",
        "/revisions",
        "/revisions/1/diff",
    ] {
        let answer = desk.get(path).await;
        assert_eq!(answer.header("retry-after"), "5", "{path}");
        let problem = answer.refused(503, "store_unavailable");
        assert!(problem["detail"].as_str().unwrap().contains("connection refused"));
    }
    write(&desk).await.refused(503, "store_unavailable");
    // What needs no store is there.
    desk.ask("POST /check").json(&json!({})).send().await.ok(200);
    desk.get("//openapi.json").await.ok(200);
}

#[actix_web::test]
async fn what_came_of_a_commit_is_told_as_it_is() {
    let unreachable = StoreError::Unreachable {
        action: "commit".into(),
        reason: reason(),
    };
    let refused = StoreError::Refused {
        action: "commit".into(),
        reason: "no space".into(),
    };
    let incomplete = StoreError::Incomplete(Box::new(Problem::of_text(None, "lost")));
    for (failure, status, code) in [
        (unreachable, 503, "store_unavailable"),
        (refused, 503, "store_unavailable"),
        (StoreError::Uncertain { reason: reason() }, 503, "uncertain"),
        (StoreError::TooLarge { bytes: 2, most: 1 }, 413, "too_large"),
        (incomplete, 503, "store_unreadable"),
    ] {
        let desk = Failing::desk(None, Some(failure));
        write(&desk).await.refused(status, code);
        assert_eq!(desk.revision().await, 1, "{code}");
    }
}

#[actix_web::test]
async fn a_lost_race_is_run_again() {
    let conflict = StoreError::Conflict { current: Revision(7) };
    let desk = Failing::desk(None, Some(conflict));
    write(&desk).await.ok(200);
    assert_eq!(desk.get("/servers/s1").await.ok(200)["weight"], 2);
}

#[actix_web::test]
async fn what_cannot_be_read_as_a_whole_is_neither_shown_nor_changed() {
    for desk in Desk::each("servers:\n- { id: a, address: \"h:1\" }\n- { id: b, address: [\n") {
        for path in ["/servers", "/servers/a", "/config"] {
            let problem = desk.get(path).await.refused(503, "store_unreadable");
            assert!(problem["errors"][0]["detail"].is_string());
        }
        let put = desk
            .ask("PUT /config")
            .text("application/yaml", "{}")
            .send()
            .await;
        put.refused(503, "store_unreadable");
    }
    let missing = Desk::on(Arc::new(meta::store::FileStore::new("/nonexistent/meta.yaml")));
    missing.get("/servers").await.refused(503, "store_unavailable");
}

/// As etcd has it: one value is garbage, everything else is sound.
#[actix_web::test]
async fn an_object_that_cannot_be_read_is_told_and_leaves_the_others_alone() {
    let mut document = Document::read(SMALL);
    document
        .broken
        .push((meta::model::Kind::Server, "garbage".into()));
    let problem = Problem::error(
        meta::model::Kind::Server,
        "garbage",
        "",
        "the value in etcd is no JSON",
    );
    document.problems.push(problem);
    let report = meta::check::check(&document, None, &meta::filters::FilterKinds::default());
    assert!(report.has_errors());
    let store = Holding(State {
        revision: Revision(4),
        document: Arc::new(document),
    });
    let desk = Desk::on(Arc::new(store));
    assert_eq!(desk.get("/servers").await.ok(200)["total"], 2);
    let problem = desk
        .get("/servers/garbage")
        .await
        .refused(503, "store_unreadable");
    assert!(
        problem["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("no JSON")
    );
    let dry = |line: &str| desk.ask(&format!("{line}?dry_run=true"));
    dry("PATCH /servers/s1")
        .patch(&json!({ "weight": 2 }))
        .send()
        .await
        .ok(200);
    let outcome = dry("DELETE /servers/garbage").send().await.ok(200);
    assert_eq!(
        outcome["changes"],
        json!([{ "kind": "servers", "id": "garbage", "action": "removed" }])
    );
    dry("PUT /servers/garbage")
        .json(&json!({ "address": "h:1" }))
        .send()
        .await
        .ok(200);
    dry("POST /servers")
        .json(&json!({ "id": "garbage", "address": "h:1" }))
        .send()
        .await
        .refused(409, "exists");
}

/// A store that holds one state.
struct Holding(State);

#[async_trait::async_trait]
impl Store for Holding {
    async fn load(&self) -> Result<State, StoreError> {
        Ok(self.0.clone())
    }

    async fn changed(&self, _: &State) -> Result<State, StoreError> {
        std::future::pending().await
    }

    fn link(&self) -> Link {
        Link {
            connected: true,
            error: None,
        }
    }

    async fn commit(&self, _: Revision, _: Vec<Operation>, _: Note) -> Result<Revision, StoreError> {
        Err(StoreError::Conflict {
            current: self.0.revision,
        })
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        Err(StoreError::NoSuchRevision(revision))
    }
}
