//! Adding, replacing, patching and taking away one object.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::desk::{Desk, SMALL};

fn server(id: &str) -> Json {
    json!({ "id": id, "address": "127.0.0.1:9003", "weight": 7 })
}

#[actix_web::test]
async fn what_is_added_is_there_as_it_was_sent() {
    for desk in Desk::each(SMALL) {
        let answer = desk.ask("POST /servers").json(&server("s3")).send().await;
        assert_eq!(answer.header("location"), "/api/v1/servers/s3");
        let revision = answer.header("x-gateway-revision").to_owned();
        let outcome = answer.ok(201);
        assert_eq!(outcome["revision"].to_string(), revision);
        assert_eq!(
            outcome["changes"],
            json!([{ "kind": "servers", "id": "s3", "action": "added", "after": server("s3") }])
        );
        assert_eq!(outcome["warnings"][0]["detail"], "no cluster uses this server");
        let answer = desk.get("/servers/s3").await;
        assert_eq!(answer.header("x-gateway-revision"), revision);
        assert_eq!(answer.ok(200), server("s3"));
        assert_eq!(desk.revision().await.to_string(), revision);
    }
}

#[actix_web::test]
async fn an_object_that_is_there_is_not_added_again() {
    let desk = Desk::memory(SMALL);
    let problem = desk.ask("POST /servers").json(&server("s1")).send().await;
    assert!(
        problem.refused(409, "exists")["detail"]
            .as_str()
            .unwrap()
            .contains("PUT")
    );
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn put_replaces_adds_and_leaves_what_is_alike() {
    for desk in Desk::each(SMALL) {
        let put = |id: &'static str, body: Json| desk.ask(&format!("PUT /servers/{id}")).json(&body);
        let outcome = put("s1", server("s1")).send().await.ok(200);
        assert_eq!(outcome["changes"][0]["action"], "changed");
        assert_eq!(outcome["changes"][0]["before"]["weight"], 5);
        let written = outcome["revision"].clone();
        let outcome = put("s1", server("s1")).send().await.ok(200);
        assert_eq!(
            (&outcome["revision"], &outcome["changes"]),
            (&written, &json!([]))
        );
        // The path says the id.
        let answer = put("s9", json!({ "address": "h:1" })).send().await;
        assert_eq!(answer.header("location"), "/api/v1/servers/s9");
        assert_eq!(
            answer.ok(201)["changes"][0]["after"],
            json!({ "id": "s9", "address": "h:1" })
        );
        let problem = put("s9", server("s8")).send().await.refused(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/id");
    }
}

#[actix_web::test]
async fn a_patch_changes_only_what_it_names() {
    for desk in Desk::each(SMALL) {
        let patch = json!({ "weight": null, "description": "x", "limit": { "max_in_flight": 5 } });
        desk.ask("PATCH /servers/s1").patch(&patch).send().await.ok(200);
        assert_eq!(
            desk.get("/servers/s1").await.ok(200),
            json!({ "id": "s1", "address": "127.0.0.1:9001", "tags": ["blue"], "description": "x", "limit": { "max_in_flight": 5 } })
        );
        let ask = || desk.ask("PATCH /servers/s1");
        let problem = ask()
            .patch(&json!({ "id": "s2" }))
            .send()
            .await
            .refused(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/id");
        let problem = ask()
            .patch(&json!({ "limit": { "max_in_flight": "x" } }))
            .send()
            .await;
        assert_eq!(
            problem.refused(422, "invalid")["errors"][0]["pointer"],
            "/limit/max_in_flight"
        );
        ask().patch(&json!([])).send().await.refused(422, "invalid");
        let answer = ask().json(&json!({})).send().await;
        assert_eq!(answer.header("accept-patch"), "application/merge-patch+json");
        answer.refused(415, "unsupported_media");
        desk.ask("PATCH /servers/nope")
            .patch(&json!({}))
            .send()
            .await
            .refused(404, "not_found");
    }
}

#[actix_web::test]
async fn what_is_in_use_stays_and_its_users_are_named() {
    for desk in Desk::each(SMALL) {
        let problem = desk.ask("DELETE /clusters/c").send().await.refused(409, "in_use");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1);
        assert_eq!(problem["errors"][0]["object"], "routes/r");
        assert!(problem["errors"][0].get("pointer").is_none());
        let problem = desk.ask("DELETE /servers/s2").send().await.refused(409, "in_use");
        assert_eq!(problem["errors"][0]["object"], "clusters/spare");
        let outcome = desk.ask("DELETE /routes/r").send().await.ok(200);
        assert_eq!(outcome["changes"][0]["action"], "removed");
        desk.get("/routes/r").await.refused(404, "not_found");
        desk.ask("DELETE /routes/r")
            .send()
            .await
            .refused(404, "not_found");
        desk.ask("DELETE /clusters/c").send().await.ok(200);
    }
}

#[actix_web::test]
async fn every_problem_of_an_object_is_told_with_its_place() {
    let desk = Desk::memory(SMALL);
    let route = json!({
        "id": "bad", "prio": 1, "match": { "path": "a", "methods": ["get"] }, "to": [{ "cluster": "c", "weight": -1 }]
    });
    let problem = desk
        .ask("POST /routes")
        .json(&route)
        .send()
        .await
        .refused(422, "invalid");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<&str> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    for pointer in ["/prio", "/match/path", "/match/methods/0", "/to/0/weight"] {
        assert!(pointers.contains(&pointer), "{pointer}: {problem}");
    }
    let unknown = json!({ "id": "r2", "match": { "path": "/x" }, "to": [{ "cluster": "sparr" }] });
    let problem = desk
        .ask("POST /routes")
        .json(&unknown)
        .send()
        .await
        .refused(422, "invalid");
    assert_eq!(problem["errors"][0]["object"], "routes/r2");
    assert!(
        problem["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean \"spare\"")
    );
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn a_dry_run_answers_as_the_write_would_and_writes_nothing() {
    for desk in Desk::each(SMALL) {
        let before = desk.revision().await;
        let outcome = desk
            .ask("POST /servers?dry_run=true")
            .json(&server("s3"))
            .send()
            .await
            .ok(200);
        assert_eq!(
            (&outcome["dry_run"], &outcome["changes"][0]["action"]),
            (&json!(true), &json!("added"))
        );
        assert!(!outcome["warnings"].as_array().unwrap().is_empty());
        desk.ask("DELETE /routes/r?dry_run=true").send().await.ok(200);
        desk.ask("PATCH /servers/s1?dry_run=true")
            .patch(&json!({ "weight": 1 }))
            .send()
            .await
            .ok(200);
        desk.ask("PUT /clusters/c/servers/s2?dry_run=true")
            .send()
            .await
            .ok(200);
        desk.ask("DELETE /clusters/c?dry_run=true")
            .send()
            .await
            .refused(409, "in_use");
        desk.ask("PUT /config?dry_run=true")
            .text("application/yaml", "{}")
            .send()
            .await
            .ok(200);
        let nothing = json!({ "operations": [{ "delete": { "kind": "routes", "id": "r" } }] });
        desk.ask("POST /transactions?dry_run=true")
            .json(&nothing)
            .send()
            .await
            .ok(200);
        assert_eq!(desk.revision().await, before);
    }
}

/// What was broken before is not this write's business; what it touches, and what it breaks, is.
#[actix_web::test]
async fn only_errors_that_a_write_brings_refuse_it() {
    let broken = format!(
        "{SMALL}- {{ id: broken, match: {{ path: /c }}, to: [{{ cluster: spare }}, {{ cluster: nope }}] }}\n"
    );
    for desk in Desk::each(&broken) {
        desk.ask("PATCH /servers/s1")
            .patch(&json!({ "weight": 9 }))
            .send()
            .await
            .ok(200);
        // Nor is what only the broken one uses.
        desk.ask("DELETE /routes/q").send().await.ok(200);
        desk.ask("DELETE /clusters/spare").send().await.ok(200);
        let problem = desk
            .ask("PATCH /routes/broken")
            .patch(&json!({ "priority": 1 }))
            .send()
            .await;
        assert_eq!(
            problem.refused(422, "invalid")["errors"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        desk.ask("DELETE /clusters/c").send().await.refused(409, "in_use");
        desk.ask("PATCH /routes/broken")
            .patch(&json!({ "to": [{ "cluster": "c" }] }))
            .send()
            .await
            .ok(200);
    }
}

fn any_server() -> impl Strategy<Value = Json> {
    let text = "\\PC{0,20}";
    let weight = 1u32..1000;
    ("[a-z0-9][a-z0-9._-]{0,10}", weight, text, prop::collection::vec(text, 0..3)).prop_map(
        |(id, weight, description, tags)| {
            json!({ "id": id, "address": "h:1", "weight": weight, "description": description, "tags": tags })
        },
    )
}

#[test]
fn what_is_put_is_what_is_got() {
    let system = actix_web::rt::System::new();
    let desks = Desk::each("{}");
    proptest!(ProptestConfig::with_cases(40), |(server in any_server())| {
        let id = server["id"].as_str().unwrap();
        for desk in &desks {
            system.block_on(async {
                let put = desk.ask(&format!("PUT /servers/{id}")).json(&server).send().await;
                prop_assert!(put.status.is_success(), "{}", put.text());
                let got = desk.get(&format!("/servers/{id}")).await.text();
                prop_assert_eq!(got, server.to_string());
                Ok(())
            })?;
        }
    });
}
