//! History, differences and the way back.

use proptest::prelude::*;
use serde_json::json;

use super::desk::{Desk, SMALL};

#[actix_web::test]
async fn the_history_says_who_and_why() {
    for desk in Desk::each(SMALL) {
        let first = desk.revision().await;
        let ask = desk.ask("DELETE /routes/q?message=not%20needed%3A%20%C3%BC");
        ask.header("x-gateway-author", "ann").send().await.ok(200);
        desk.ask("DELETE /routes/r").send().await.ok(200);
        let revisions = desk.get("/revisions").await.ok(200);
        assert_eq!(revisions["revision"], first + 2);
        let items = revisions["items"].as_array().unwrap();
        let told = |at: usize| {
            (
                &items[at]["revision"],
                &items[at]["author"],
                &items[at]["message"],
            )
        };
        assert_eq!(told(0), (&json!(first + 2), &json!("admin"), &json!("")));
        assert_eq!(
            told(1),
            (&json!(first + 1), &json!("ann"), &json!("not needed: ü"))
        );
        let past = desk.get(&format!("/revisions/{}", first + 1)).await.ok(200);
        assert_eq!(
            (&past["author"], &past["config"]["routes"][0]["id"]),
            (&json!("ann"), &json!("r"))
        );
        assert_eq!(past["config"]["routes"].as_array().unwrap().len(), 1);
    }
}

#[actix_web::test]
async fn authors_and_messages_are_bounded() {
    let desk = Desk::memory(SMALL);
    let long = "x".repeat(501);
    for query in [
        format!("message={long}"),
        "message=a%0Ab".into(),
        "message=a&message=b".into(),
        "dry_run=1".into(),
    ] {
        desk.ask(&format!("DELETE /routes/q?{query}"))
            .send()
            .await
            .refused(400, "bad_request");
    }
    for author in ["", " ", &long] {
        let ask = desk.ask("DELETE /routes/q").header("x-gateway-author", author);
        ask.send().await.refused(400, "bad_request");
    }
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn a_difference_is_told_object_by_object() {
    for desk in Desk::each(SMALL) {
        let first = desk.revision().await;
        desk.ask("DELETE /routes/q").send().await.ok(200);
        desk.ask("PATCH /servers/s1")
            .patch(&json!({ "weight": 6 }))
            .send()
            .await
            .ok(200);
        desk.ask("POST /servers")
            .json(&json!({ "id": "s3", "address": "h:1" }))
            .send()
            .await
            .ok(201);
        let diff = desk.get(&format!("/revisions/{first}/diff")).await.ok(200);
        assert_eq!((&diff["from"], &diff["to"]), (&json!(first), &json!(first + 3)));
        let changes: Vec<_> = diff["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| (change["id"].as_str().unwrap(), change["action"].as_str().unwrap()))
            .collect();
        assert_eq!(changes, [("q", "removed"), ("s1", "changed"), ("s3", "added")]);
        let back = desk
            .get(&format!("/revisions/{}/diff?to={}", first + 2, first + 1))
            .await
            .ok(200);
        assert_eq!(back["changes"].as_array().unwrap().len(), 1);
        assert_eq!(
            (
                &back["changes"][0]["before"]["weight"],
                &back["changes"][0]["after"]["weight"]
            ),
            (&json!(6), &json!(5))
        );
    }
}

#[actix_web::test]
async fn what_is_not_kept_is_not_found() {
    let desk = Desk::memory(SMALL);
    for path in ["/revisions/99", "/revisions/99/diff", "/revisions/1/diff?to=99"] {
        desk.get(path).await.refused(404, "not_found");
    }
    desk.ask("POST /revisions/99/rollback")
        .send()
        .await
        .refused(404, "not_found");
    for path in [
        "/revisions/x",
        "/revisions/-1",
        "/revisions/99999999999999999999",
        "/revisions/%2e%2e",
    ] {
        desk.get(path).await.refused(400, "bad_request");
    }
}

#[actix_web::test]
async fn a_state_with_errors_is_not_gone_back_to() {
    let desk = Desk::memory("clusters:\n- { id: c, servers: [nope] }\n");
    desk.ask("DELETE /clusters/c").send().await.ok(200);
    let problem = desk
        .ask("POST /revisions/1/rollback")
        .send()
        .await
        .refused(422, "invalid");
    assert_eq!(problem["errors"][0]["object"], "clusters/c");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u32),
    Delete(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0u8..6, 1u32..9).prop_map(|(id, weight)| Step::Put(id, weight)),
        1 => (0u8..6).prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..12)
}

#[test]
fn going_back_restores_every_kept_state_to_the_byte() {
    let system = actix_web::rt::System::new();
    proptest!(ProptestConfig::with_cases(8), |(steps in steps())| {
        for desk in Desk::each("{}") {
            system.block_on(async {
                let config = async || desk.get("/config").await.text();
                let mut states = vec![(desk.revision().await, config().await)];
                for step in &steps {
                    let ask = match step {
                        Step::Put(id, weight) => {
                            let body = json!({ "weight": weight, "id": format!("s{id}"), "address": "h:1" });
                            desk.ask(&format!("PUT /servers/s{id}")).json(&body)
                        }
                        Step::Delete(id) => desk.ask(&format!("DELETE /servers/s{id}")),
                    };
                    ask.send().await;
                    states.push((desk.revision().await, config().await));
                }
                for (revision, state) in states.iter().rev() {
                    let back = desk.ask(&format!("POST /revisions/{revision}/rollback")).send().await;
                    prop_assert_eq!(back.status.as_u16(), 200);
                    prop_assert_eq!(&config().await, state);
                }
                Ok(())
            })?;
        }
    });
}
