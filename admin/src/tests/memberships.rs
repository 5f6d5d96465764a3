//! Binding servers to clusters, and transactions.

use serde_json::json;

use super::desk::{Desk, SMALL};

#[actix_web::test]
async fn a_server_is_bound_with_or_without_a_weight_and_unbound() {
    for desk in Desk::each(SMALL) {
        let servers = async || desk.get("/clusters/c").await.ok(200)["servers"].clone();
        desk.ask("PUT /clusters/c/servers/s2").send().await.ok(200);
        assert_eq!(servers().await, json!(["s1", "s2"]));
        desk.ask("PUT /clusters/c/servers/s1")
            .json(&json!({ "weight": 3 }))
            .send()
            .await
            .ok(200);
        assert_eq!(servers().await, json!([{ "id": "s1", "weight": 3 }, "s2"]));
        desk.ask("PUT /clusters/c/servers/s1").send().await.ok(200);
        assert_eq!(servers().await, json!(["s1", "s2"]));
        desk.ask("DELETE /clusters/c/servers/s1").send().await.ok(200);
        assert_eq!(servers().await, json!(["s2"]));
        desk.ask("DELETE /clusters/c/servers/s1")
            .send()
            .await
            .refused(404, "not_found");
    }
}

#[actix_web::test]
async fn what_cannot_be_bound_is_refused() {
    let desk = Desk::memory(SMALL);
    desk.ask("PUT /clusters/nope/servers/s1")
        .send()
        .await
        .refused(404, "not_found");
    desk.ask("PUT /clusters/c/servers/nope")
        .send()
        .await
        .refused(404, "not_found");
    desk.ask("PUT /clusters/C/servers/s1")
        .send()
        .await
        .refused(400, "bad_request");
    let ask = || desk.ask("PUT /clusters/c/servers/s1");
    let problem = ask()
        .json(&json!({ "weight": 0 }))
        .send()
        .await
        .refused(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/weight");
    ask()
        .json(&json!({ "wait": 1 }))
        .send()
        .await
        .refused(422, "invalid");
    ask().json(&json!([])).send().await.refused(422, "invalid");
    ask()
        .text("text/plain", "3")
        .send()
        .await
        .refused(415, "unsupported_media");
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn a_transaction_happens_as_a_whole() {
    for desk in Desk::each(SMALL) {
        let before = desk.revision().await;
        let operations = json!({ "operations": [
            { "delete": { "kind": "routes", "id": "r" } },
            { "delete": { "kind": "clusters", "id": "c" } },
            { "put": { "kind": "routes", "object": { "match": { "path": "/n" }, "to": [{ "cluster": "n" }], "id": "n" } } },
            { "put": { "kind": "clusters", "object": { "id": "n", "servers": ["s1"] } } },
        ] });
        let outcome = desk
            .ask("POST /transactions")
            .json(&operations)
            .send()
            .await
            .ok(200);
        assert_eq!(outcome["changes"].as_array().unwrap().len(), 4);
        assert_eq!(outcome["revision"], before + 1);
        desk.get("/clusters/c").await.refused(404, "not_found");
        desk.get("/routes/n").await.ok(200);
    }
}

#[actix_web::test]
async fn one_wrong_operation_refuses_all_and_each_is_told() {
    for desk in Desk::each(SMALL) {
        let before = desk.revision().await;
        let ask = |operations: serde_json::Value| {
            desk.ask("POST /transactions")
                .json(&json!({ "operations": operations }))
        };
        let problem = ask(json!([
            { "put": { "kind": "servers", "object": { "id": "good", "address": "h:1" } } },
            { "put": { "kind": "servers", "object": { "id": "bad", "address": "h" } } },
            { "put": { "kind": "clusters", "object": { "id": "bad", "servers": ["nope"] } } },
        ]))
        .send()
        .await
        .refused(422, "invalid");
        let pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| &error["pointer"])
            .collect();
        assert_eq!(
            pointers,
            [
                "/operations/1/put/object/address",
                "/operations/2/put/object/servers/0"
            ]
        );
        let gone = ask(json!([
            { "delete": { "kind": "servers", "id": "nope" } },
            { "delete": { "kind": "routes", "id": "r" } },
            { "delete": { "kind": "routes", "id": "r" } },
        ]));
        let problem = gone.send().await.refused(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/operations/0/delete/id");
        assert_eq!(problem["errors"][1]["pointer"], "/operations/2/delete/id");
        let used = ask(json!([{ "delete": { "kind": "servers", "id": "s1" } }]));
        assert_eq!(
            used.send().await.refused(409, "in_use")["errors"][0]["object"],
            "clusters/c"
        );
        for (wrong, pointer) in [
            (
                json!([{ "put": { "kind": "server", "object": {} } }]),
                "/operations/0/put/kind",
            ),
            (
                json!([{ "put": { "kind": "servers", "object": 1 } }]),
                "/operations/0/put/object",
            ),
            (
                json!([{ "put": { "kind": "servers", "object": {} } }]),
                "/operations/0/put/object",
            ),
            (json!([{ "move": {} }]), "/operations/0"),
            (json!({}), "/operations"),
        ] {
            let problem = ask(wrong).send().await.refused(422, "invalid");
            let found = problem["errors"][0]["pointer"].as_str().unwrap();
            assert!(found.starts_with(pointer), "{pointer}: {problem}");
        }
        assert_eq!(desk.revision().await, before);
    }
}
