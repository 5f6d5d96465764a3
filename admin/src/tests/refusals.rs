//! What is no request for anything here.

use serde_json::{Value as Json, json};

use super::desk::{Desk, SMALL};

#[actix_web::test]
async fn unknown_paths_and_methods_are_told_as_such() {
    let desk = Desk::memory(SMALL);
    for path in [
        "//",
        "/",
        "/nope",
        "/servers/",
        "/servers/a/b",
        "/clusters/c/servers",
        "//api",
        "//api/v2/servers",
    ] {
        desk.get(path).await.refused(404, "not_found");
    }
    for (line, allowed) in [
        ("DELETE /servers", "OPTIONS, GET, HEAD, POST"),
        ("POST /servers/s1", "OPTIONS, GET, HEAD, PUT, PATCH, DELETE"),
        ("GET /clusters/c/servers/s1", "OPTIONS, PUT, DELETE"),
        ("GET /transactions", "OPTIONS, POST"),
        ("POST /config", "OPTIONS, GET, HEAD, PUT"),
        ("GET /check", "OPTIONS, POST"),
        ("POST /revisions", "OPTIONS, GET, HEAD"),
        ("GET /revisions/1/rollback", "OPTIONS, POST"),
        ("TRACE //openapi.json", "OPTIONS, GET, HEAD"),
        ("NONSENSE /servers", "OPTIONS, GET, HEAD, POST"),
    ] {
        let answer = desk.ask(line).send().await;
        assert_eq!(answer.header("allow"), allowed, "{line}");
        answer.refused(405, "method_not_allowed");
        let (_, path) = line.split_once(' ').unwrap();
        let answer = desk.ask(&format!("OPTIONS {path}")).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (204, allowed),
            "{line}"
        );
    }
    assert_eq!(desk.ask("HEAD /servers/s1").send().await.status, 200);
}

#[actix_web::test]
async fn a_path_leads_to_an_id_and_nowhere_else() {
    let desk = Desk::memory(SMALL);
    for id in [
        "%2e%2e",
        "..",
        "..%2f..%2fetc%2fpasswd",
        "S1",
        "%00",
        "s1%20",
        "%73%31%2f",
        "%2573",
        "%ff",
        "<b>",
    ] {
        for method in ["GET", "DELETE"] {
            let answer = desk
                .ask(&format!(
                    "{method} /servers/{}",
                    id.replace('<', "%3C").replace('>', "%3E")
                ))
                .send()
                .await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 404),
                "{id}: {}",
                answer.text()
            );
        }
    }
    // The same id, written otherwise.
    desk.get("/servers/%73%31").await.ok(200);
    desk.get("/%73ervers/s1").await.ok(200);
}

#[actix_web::test]
async fn bodies_are_of_the_right_type_size_and_depth() {
    let desk = Desk::memory(SMALL);
    let put = |media: &str, body: &str| desk.ask("PUT /servers/s1").text(media, body).send();
    put("application/json", "{").await.refused(400, "bad_request");
    put("application/json", "").await.refused(400, "bad_request");
    put("application/json", "{\"id\":\"s1\",\"id\":\"s1\"}")
        .await
        .refused(422, "invalid");
    put("application/json", "\"text\"").await.refused(422, "invalid");
    put("application/yaml", "id: s1")
        .await
        .refused(415, "unsupported_media");
    put("text/html", "{}").await.refused(415, "unsupported_media");
    put("application/json; charset=latin1", "{}")
        .await
        .refused(415, "unsupported_media");
    put("application/json", &"x".repeat((512 << 10) + 1))
        .await
        .refused(413, "too_large");
    for depth in [65, 150, 100_000] {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        put("application/json", &deep).await.refused(422, "invalid");
    }
    let coded = desk
        .ask("PUT /servers/s1")
        .text("application/json", "{}")
        .header("content-encoding", "gzip");
    let answer = coded.send().await;
    assert_eq!(answer.header("accept-encoding"), "identity");
    answer.refused(415, "unsupported_media");
    let announced = desk
        .ask("PUT /config")
        .text("application/yaml", "{}")
        .header("content-length", "99999999999");
    announced.send().await.refused(413, "too_large");
    desk.get("/servers").await.ok(200);
    desk.ask("GET /servers")
        .header("accept", "text/html")
        .send()
        .await
        .refused(406, "not_acceptable");
    assert_eq!(desk.revision().await, 1);
}

#[actix_web::test]
async fn the_deepest_object_that_is_taken_can_be_stored_and_read_again() {
    let deepest = (0..55).fold(json!("{host}"), |inner: Json, _| json!([inner]));
    let object = |data: &Json| {
        json!({
            "id": "a", "match": { "path": "/a" },
            "nodes": [{ "name": "n", "cluster": "c", "url": "/" }, { "name": "m", "cluster": "c", "url": "/" }],
            "response": { "data": data },
        })
    };
    for desk in Desk::each(SMALL) {
        desk.ask("PUT /aggregations/a")
            .json(&object(&deepest))
            .send()
            .await
            .ok(201);
        assert_eq!(
            desk.get("/aggregations/a").await.ok(200)["response"]["data"],
            deepest
        );
        for more in 1..8 {
            let deeper = (0..more).fold(deepest.clone(), |inner, _| json!([inner]));
            let answer = desk
                .ask("PUT /aggregations/a")
                .json(&object(&deeper))
                .send()
                .await;
            match answer.status.as_u16() {
                200 => assert_eq!(
                    desk.get("/aggregations/a").await.ok(200)["response"]["data"],
                    deeper
                ),
                status => assert!(matches!(status, 400 | 422), "{}", answer.text()),
            }
        }
    }
}

#[actix_web::test]
async fn a_page_of_another_site_changes_nothing() {
    let desk = Desk::memory(SMALL);
    let rollback = |origin: &str| {
        let ask = desk
            .ask("POST /revisions/1/rollback")
            .header("host", "127.0.0.1:9093");
        ask.header("origin", origin).send()
    };
    for origin in [
        "http://evil.example",
        "http://127.0.0.1:9094",
        "null",
        "127.0.0.1:9093",
        "",
    ] {
        rollback(origin).await.refused(403, "other_site");
    }
    rollback("http://127.0.0.1:9093").await.ok(200);
}

/// By having its own name lead to this machine (DNS rebinding) a page would be of the same origin.
#[actix_web::test]
async fn a_page_whose_name_leads_here_neither_reads_nor_changes_anything() {
    let desk = Desk::memory(SMALL);
    let ask = |what: &str, host: &str| desk.ask(what).header("host", host);
    ask("GET /config", "evil.example:9093")
        .send()
        .await
        .refused(403, "other_site");
    ask("POST /revisions/1/rollback", "evil.example:9093")
        .header("origin", "http://evil.example:9093")
        .send()
        .await
        .refused(403, "other_site");
    ask("GET /config", "localhost:9093").send().await.ok(200);
}

#[actix_web::test]
async fn html_in_texts_is_data() {
    let desk = Desk::memory(SMALL);
    let html = "<script>alert(1)</script>";
    desk.ask("PATCH /servers/s1")
        .patch(&json!({ "description": html }))
        .send()
        .await
        .ok(200);
    let answer = desk.get("/servers/s1").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.ok(200)["description"], html);
}
