//! The whole configuration: out, in, and checked.

use serde_json::json;

use super::desk::{Desk, SMALL};

const YAML: &str = "application/yaml";

#[actix_web::test]
async fn a_configuration_goes_from_store_to_store_as_it_is() {
    for media in [YAML, "application/json"] {
        for from in Desk::each(SMALL) {
            for to in
                Desk::each("servers:\n- { id: gone, address: \"h:1\" }\n- { id: s2, address: \"h:2\" }\n")
            {
                let out = async |desk: &Desk| desk.ask("GET /config").header("accept", media).send().await;
                let exported = out(&from).await;
                assert_eq!(
                    (exported.status.as_u16(), exported.header("content-type")),
                    (200, media)
                );
                let outcome = to
                    .ask("PUT /config")
                    .text(media, &exported.text())
                    .send()
                    .await
                    .ok(200);
                assert_eq!(outcome["changes"].as_array().unwrap().len(), 7, "{outcome}");
                assert_eq!(out(&to).await.text(), exported.text());
                let again = to
                    .ask("PUT /config")
                    .text(media, &exported.text())
                    .send()
                    .await
                    .ok(200);
                assert_eq!(again["changes"], json!([]));
            }
        }
    }
}

#[actix_web::test]
async fn a_configuration_with_errors_is_refused_with_their_places() {
    let desk = Desk::memory(SMALL);
    let text = "servers:\n- { id: a, address: h }\nclusters:\n- { id: c, servers: [a, x] }\n";
    let problem = desk
        .ask("PUT /config")
        .text(YAML, text)
        .send()
        .await
        .refused(422, "invalid");
    let error = &problem["errors"][0];
    assert_eq!(error["pointer"], "/servers/0/address");
    assert_eq!(error["object"], "servers/a");
    assert_eq!(error["position"], json!({ "line": 2, "column": 21 }));
    let twice = "servers:\n- { id: a, address: \"h:1\", address: \"h:2\" }\n";
    for (media, text, status, code) in [
        (YAML, "servers: [", 400, "bad_request"),
        (YAML, "- a", 400, "bad_request"),
        (YAML, "", 400, "bad_request"),
        (YAML, "server: []", 400, "bad_request"),
        (YAML, twice, 422, "invalid"),
        ("application/json", "[]", 422, "invalid"),
        ("application/json", "servers: []", 400, "bad_request"),
        ("text/plain", "{}", 415, "unsupported_media"),
    ] {
        let answer = desk.ask("PUT /config").text(media, text).send().await;
        let problem = answer.refused(status, code);
        assert!(problem["detail"].is_string(), "{text}: {problem}");
    }
    desk.ask("GET /config")
        .header("accept", "text/html")
        .send()
        .await
        .refused(406, "not_acceptable");
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn checking_tells_everything_and_touches_nothing() {
    let desk = Desk::memory(SMALL);
    let check =
        async |media: &str, text: &str| desk.ask("POST /check").text(media, text).send().await.ok(200);
    assert_eq!(
        check(YAML, SMALL).await,
        json!({ "sound": true, "errors": [], "warnings": [] })
    );
    let text = "{\"servers\":[{\"id\":\"a\",\"address\":\"h\"},{\"id\":\"b\",\"address\":\"h:1\"}],\n\"routes\":[{\"id\":\"r\",\"to\":[{\"cluster\":\"x\"}]}]}";
    let verdict = check("application/json", text).await;
    assert_eq!(verdict["sound"], false);
    let errors = verdict["errors"].as_array().unwrap();
    assert_eq!(errors[0]["pointer"], "/servers/0/address");
    assert_eq!(errors[0]["position"], json!({ "line": 1, "column": 33 }));
    assert_eq!(errors[1]["pointer"], "/routes/0/to/0/cluster");
    assert_eq!(errors[1]["position"]["line"], 2);
    assert_eq!(verdict["warnings"][0]["object"], "servers/b");
    let verdict = check(YAML, "servers: [\n").await;
    assert_eq!(verdict["errors"][0]["position"]["line"], 2);
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn objects_that_are_broken_are_shown_and_can_be_sent_back() {
    let broken = format!("{SMALL}- {{ id: broken, to: [{{ cluster: nope }}] }}\n");
    for desk in Desk::each(&broken) {
        let text = desk.ask("GET /config").header("accept", YAML).send().await.text();
        let changed = text.replace("weight: 5", "weight: 6");
        let outcome = desk.ask("PUT /config").text(YAML, &changed).send().await.ok(200);
        assert_eq!(outcome["changes"].as_array().unwrap().len(), 1);
        assert_eq!(
            desk.get("/routes/broken").await.ok(200)["to"],
            json!([{ "cluster": "nope" }])
        );
    }
}
