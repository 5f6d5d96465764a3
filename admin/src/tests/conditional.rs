//! Nobody overwrites what he has not seen.

use std::sync::Arc;

use futures::future::join_all;
use meta::store::MemoryStore;
use serde_json::json;

use super::desk::{Desk, SMALL};

#[actix_web::test]
async fn a_write_on_what_is_not_there_any_more_is_refused() {
    for desk in Desk::each(SMALL) {
        let tag = desk.get("/servers/s1").await.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        let put = |weight: u32| {
            let body = json!({ "id": "s1", "address": "h:1", "weight": weight });
            desk.ask("PUT /servers/s1").json(&body)
        };
        let written = put(2).header("if-match", &tag).send().await;
        assert_eq!(
            written.header("etag"),
            desk.get("/servers/s1").await.header("etag")
        );
        written.ok(200);
        put(3)
            .header("if-match", &tag)
            .send()
            .await
            .refused(412, "precondition_failed");
        let weak = format!("W/{}", desk.get("/servers/s1").await.header("etag"));
        put(3)
            .header("if-match", &weak)
            .send()
            .await
            .refused(412, "precondition_failed");
        put(3).header("if-match", "*").send().await.ok(200);
        put(4)
            .header("if-none-match", "nonsense")
            .send()
            .await
            .refused(400, "bad_request");
        put(4)
            .header("if-match", "nonsense")
            .send()
            .await
            .refused(400, "bad_request");
        for ask in [
            desk.ask("PATCH /servers/s1").patch(&json!({})),
            desk.ask("DELETE /servers/s1"),
        ] {
            ask.header("if-match", &tag)
                .send()
                .await
                .refused(412, "precondition_failed");
        }
        let bind = desk
            .ask("PUT /clusters/c/servers/s2")
            .header("if-match", "\"other\"");
        bind.send().await.refused(412, "precondition_failed");
    }
}

#[actix_web::test]
async fn if_none_match_adds_only_what_is_not_there_and_saves_what_is_known() {
    let desk = Desk::memory(SMALL);
    let put = |id: &str| {
        let ask = desk
            .ask(&format!("PUT /servers/{id}"))
            .json(&json!({ "address": "h:1" }));
        ask.header("if-none-match", "*")
    };
    put("s1").send().await.refused(412, "precondition_failed");
    put("s3").send().await.ok(201);
    for path in ["/servers/s1", "/config"] {
        let tag = desk.get(path).await.header("etag").to_owned();
        let ask = |tag: &str| desk.ask(&format!("GET {path}")).header("if-none-match", tag);
        let answer = ask(&format!("\"x\", {tag}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0));
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(ask("\"x\"").send().await.status, 200);
    }
}

#[actix_web::test]
async fn the_whole_has_a_tag_in_each_form() {
    let desk = Desk::memory(SMALL);
    let yaml = desk
        .ask("GET /config")
        .header("accept", "application/yaml")
        .send()
        .await;
    let json = desk.get("/config").await;
    assert_ne!(yaml.header("etag"), json.header("etag"));
    let put = |tag: &str| {
        desk.ask("PUT /config")
            .text("application/yaml", SMALL)
            .header("if-match", tag)
    };
    put(yaml.header("etag")).send().await.ok(200);
    put(json.header("etag")).send().await.ok(200);
    desk.ask("DELETE /routes/q").send().await.ok(200);
    put(json.header("etag"))
        .send()
        .await
        .refused(412, "precondition_failed");
    let nothing = json!({ "operations": [] });
    let ask = desk
        .ask("POST /transactions")
        .json(&nothing)
        .header("if-match", json.header("etag"));
    ask.send().await.refused(412, "precondition_failed");
    let ask = desk
        .ask("POST /revisions/1/rollback")
        .header("if-match", json.header("etag"));
    ask.send().await.refused(412, "precondition_failed");
}

#[actix_web::test]
async fn of_many_who_saw_the_same_one_writes() {
    let desk = Desk::memory(SMALL);
    let tag = desk.get("/servers/s1").await.header("etag").to_owned();
    let writes = (1..=20).map(|weight| {
        let ask = desk
            .ask("PATCH /servers/s1")
            .patch(&json!({ "weight": weight + 100 }));
        ask.header("if-match", &tag).send()
    });
    let mut statuses: Vec<u16> = join_all(writes)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

#[actix_web::test]
async fn unrelated_writes_through_two_admins_all_succeed() {
    let store = Arc::new(MemoryStore::new(SMALL));
    let desks = [Desk::on(store.clone()), Desk::on(store)];
    let writes = (0..60).map(|n| {
        let body = json!({ "id": format!("n{n}"), "address": "h:1" });
        desks[n % 2].ask("POST /servers").json(&body).send()
    });
    let answers = join_all(writes).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(desks[0].get("/servers?q=n").await.ok(200)["total"], 60);
}
