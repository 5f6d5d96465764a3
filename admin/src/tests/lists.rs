//! Looking for objects.

use serde_json::{Value as Json, json};

use super::desk::{Desk, SMALL};

fn ids(page: &Json) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[actix_web::test]
async fn a_list_holds_what_matches_in_the_order_that_was_asked_for() {
    let desk = Desk::memory(SMALL);
    for (query, expected) in [
        ("/servers", vec!["s1", "s2"]),
        ("/servers?sort=-id", vec!["s2", "s1"]),
        ("/servers?sort=weight", vec!["s2", "s1"]),
        ("/servers?sort=-address", vec!["s2", "s1"]),
        ("/servers?tag=blue", vec!["s1", "s2"]),
        ("/servers?tag=blue&tag=old", vec!["s2"]),
        ("/servers?tag=ol", vec![]),
        ("/servers?q=OLD", vec!["s2"]),
        ("/servers?q=9001", vec!["s1"]),
        ("/clusters?q=s2", vec!["spare"]),
        ("/routes?sort=-priority", vec!["q", "r"]),
        ("/aggregations", vec![]),
        ("/servers?after=s1", vec!["s2"]),
        ("/servers?after=s1x", vec!["s2"]),
        ("/servers?after=s1&sort=-id", vec![]),
    ] {
        let page = desk.get(query).await.ok(200);
        assert_eq!(ids(&page), expected, "{query}");
        assert_eq!(
            (&page["next"], &page["revision"]),
            (&Json::Null, &json!(1)),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn pages_hold_each_object_once_whatever_they_are_sorted_by() {
    let servers: Vec<String> = (0..23)
        .map(|n| format!("- {{ id: s{n:02}, address: \"h:1\", weight: {} }}\n", n % 4 + 1))
        .collect();
    let desk = Desk::memory(&format!("servers:\n{}", servers.concat()));
    for sort in [
        "id",
        "-id",
        "weight",
        "-weight",
        "enabled",
        "description",
        "address",
    ] {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = desk
                .get(&format!("/servers?limit=5&sort={sort}{after}"))
                .await
                .ok(200);
            assert_eq!(page["total"], 23);
            all.extend(ids(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", encode(next)),
                None => break,
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 23, "{sort}");
    }
}

#[actix_web::test]
async fn each_wrong_parameter_is_told() {
    let desk = Desk::memory(SMALL);
    for (query, parameter, part) in [
        ("/servers?limit=0", "limit", "use 1 to 1000"),
        ("/servers?limit=1001", "limit", "use 1 to 1000"),
        ("/servers?limit=%2B1", "limit", "use 1 to 1000"),
        ("/servers?limit=", "limit", "use 1 to 1000"),
        ("/servers?limit=1&limit=2", "limit", "more than once"),
        ("/servers?sort=priority", "sort", "use one of id"),
        ("/routes?sort=weight", "sort", "use one of id"),
        ("/servers?sort=weight&after=s1", "after", "next"),
        ("/servers?q=", "q", "leave it out"),
        ("/servers?q=%ff", "q", "not UTF-8"),
        ("/servers?colour=2", "colour", "known are"),
        ("/servers?limt=2", "limt", "did you mean \"limit\""),
        ("/servers/s1?x=1", "x", "there are none here"),
        ("/revisions/1/diff?to=x", "to", "whole number"),
        ("/revisions/1/diff?to=-1", "to", "whole number"),
    ] {
        let problem = desk.get(query).await.refused(400, "bad_request");
        let error = &problem["errors"][0];
        assert_eq!(error["parameter"], parameter, "{query}: {problem}");
        assert!(
            error["detail"].as_str().unwrap().contains(part),
            "{query}: {problem}"
        );
    }
    let problem = desk
        .get("/servers?limit=x&sort=y&z=1")
        .await
        .refused(400, "bad_request");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 3);
}
