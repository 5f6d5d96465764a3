//! Breakers held by an operator over the manage port.

use std::time::Duration;

use super::{PATIENCE, assert_rejects, breaker, failing, guarding, times, trip, until};
use crate::objects::{assert_refused, counted, one_cluster};
use crate::support::{Backend, Client, Gateway, Port, Response, Running, eventually, request};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

async fn tell(gateway: &Gateway, owner: &str, state: &str) -> Response {
    let order = format!("{{\"state\": \"{state}\"}}");
    request(
        gateway.manage(),
        "POST",
        &format!("/{owner}/breaker"),
        JSON,
        order.as_bytes(),
    )
    .await
}

/// A well server behind a route, both with a breaker.
async fn well() -> (Backend, Gateway) {
    let backend = Backend::text("well").await;
    let objects = one_cluster(&[backend.address()], "breaker: {}", "breaker: {}");
    (backend, Gateway::start(&objects).await)
}

#[tokio::test]
async fn a_server_held_at_rejecting_gets_nothing_until_it_is_released() {
    let backends = [Backend::text("a").await, Backend::text("b").await];
    // It needs no breaker of its own for that.
    let addresses = backends.each_ref().map(Backend::address);
    let gateway = Gateway::start(&one_cluster(&addresses, "", "")).await;
    let answer = tell(&gateway, "servers/s0", "rejecting").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let told = answer.json();
    assert_eq!(
        (&told["state"], &told["forced"]),
        (&"rejecting".into(), &true.into())
    );
    let mut client = gateway.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "b");
    }
    assert_eq!(backends[0].count(), 0);
    let told = tell(&gateway, "servers/s0", "auto").await.json();
    assert_eq!((&told["state"], &told["forced"]), (&"passing".into(), &().into()));
    for _ in 0..10 {
        client.get("/").await;
    }
    assert_eq!(backends[0].count(), 5);
}

#[tokio::test]
async fn the_only_server_held_at_rejecting_is_a_refusal_with_retry_after() {
    let (backend, gateway) = well().await;
    tell(&gateway, "servers/s0", "rejecting").await;
    let answer = gateway.get("/").await;
    assert_refused(&answer, 503, "breaker");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(backend.count(), 0);
}

#[tokio::test]
async fn a_server_held_at_passing_gets_everything_however_often_it_fails() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], "consecutive_failures: 1, rejecting_for: 1m", "").await;
    trip(&gateway, "s0").await;
    assert_rejects(&gateway).await;
    tell(&gateway, "servers/s0", "passing").await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/").await.status, 500);
    }
    eventually("all are counted", PATIENCE, || async {
        counted(&gateway, "s0").await.failures == 11
    })
    .await;
    assert_eq!(times(&gateway, "s0", "rejecting").await, 1);
    // Released it goes by what happens from then on.
    tell(&gateway, "servers/s0", "auto").await;
    assert_eq!(gateway.get("/").await.status, 500);
    until(&gateway, "s0", "rejecting").await;
}

#[tokio::test]
async fn a_force_outlasts_the_pause_it_replaced() {
    let backend = failing().await;
    let gateway = guarding(&[&backend], "consecutive_failures: 1, rejecting_for: 200ms", "").await;
    trip(&gateway, "s0").await;
    tell(&gateway, "servers/s0", "rejecting").await;
    // It is time itself that is tested.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_rejects(&gateway).await;
    let breaker = breaker(&gateway, "s0").await;
    assert_eq!(
        (&breaker["state"], &breaker["forced"]),
        (&"rejecting".into(), &true.into())
    );
}

#[tokio::test]
async fn a_route_can_be_held_while_its_servers_go_on() {
    let backend = Backend::text("well").await;
    let objects = one_cluster(&[backend.address()], "", "match: { path: /a }, breaker: {}")
        + "- { id: other, match: { path: /b }, to: [{ cluster: c }] }\n";
    let gateway = Gateway::start(&objects).await;
    assert_eq!(
        tell(&gateway, "routes/r", "rejecting").await.json()["forced"],
        true
    );
    assert_refused(&gateway.get("/a").await, 503, "breaker");
    assert_eq!(gateway.get("/b").await.text(), "well");
    assert_eq!(backend.count(), 1);
    assert_eq!(tell(&gateway, "routes/r", "auto").await.status, 200);
    assert_eq!(gateway.get("/a").await.text(), "well");
}

#[tokio::test]
async fn an_order_that_is_none_is_refused_and_changes_nothing() {
    let (_backend, gateway) = well().await;
    let order: &[u8] = b"{\"state\": \"rejecting\"}";
    let long = format!("{{\"state\": \"rejecting\"{}}}", " ".repeat(5000));
    let text = [("Content-Type", "text/plain")];
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for owner in ["servers/s0", "routes/r"] {
        let path = format!("/{owner}/breaker");
        for (headers, body, status) in [
            (&[][..], order, 415),
            (&text, order, 415),
            (&form, order, 415),
            (JSON, b"", 400),
            (JSON, b"{", 400),
            (JSON, b"{}", 400),
            (JSON, b"\"rejecting\"", 400),
            (JSON, b"{\"state\": \"probing\"}", 400),
            (JSON, b"{\"state\": \"Rejecting\"}", 400),
            (JSON, b"{\"state\": null}", 400),
            (JSON, b"{\"state\": \"rejecting\", \"for\": 1}", 400),
            (JSON, long.as_bytes(), 413),
        ] {
            let answer = request(gateway.manage(), "POST", &path, headers, body).await;
            let what = String::from_utf8_lossy(body);
            assert_eq!(answer.status, status, "{path} {headers:?} {what}");
        }
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let answer = request(gateway.manage(), method, &path, JSON, order).await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("POST")),
                "{method}"
            );
        }
    }
    for path in [
        "/servers/nobody/breaker",
        "/routes/nobody/breaker",
        "/servers/r/breaker",
        "/clusters/c/breaker",
        "/servers//breaker",
        "/servers/s0/x/breaker",
    ] {
        let answer = request(gateway.manage(), "POST", path, JSON, order).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(gateway.get("/").await.text(), "well");
    assert_eq!(breaker(&gateway, "s0").await["state"], "passing");
}

#[tokio::test]
async fn a_route_without_a_breaker_cannot_be_held() {
    let backend = Backend::text("well").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "breaker: {}", "")).await;
    assert_eq!(tell(&gateway, "routes/r", "rejecting").await.status, 404);
    assert_eq!(gateway.get("/").await.text(), "well");
}

#[tokio::test]
async fn with_a_token_only_who_has_it_can_hold_a_breaker() {
    const TOKEN: &str = "a-token-of-some-length";
    let backend = Backend::text("well").await;
    let directory = tempfile::tempdir().unwrap();
    let (port, manage) = (Port::reserve(), Port::reserve());
    let (listens, managed) = (port.address(), manage.address());
    let startup = format!(
        "listeners: [{{ address: \"{listens}\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"{managed}\", token_env: HOLD_TOKEN }}\n"
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    let objects = one_cluster(&[backend.address()], "", "");
    std::fs::write(directory.path().join("meta.yaml"), objects).unwrap();
    let environment = [("HOLD_TOKEN", TOKEN)];
    let _process = Running::spawn_with(directory.path(), &["-c", "gateway.yaml"], &environment);
    eventually("ready", Duration::from_secs(30), || async {
        match Client::try_connect(managed).await {
            Ok(mut client) => client.get("/readyz").await.status == 200,
            Err(_) => false,
        }
    })
    .await;
    let order = b"{\"state\": \"rejecting\"}";
    let right = format!("Bearer {TOKEN}");
    for (given, status, proxied) in [
        (None, 401, 200),
        (Some("Bearer another-token-of-length"), 401, 200),
        (Some("Basic YTpi"), 401, 200),
        (Some(right.as_str()), 200, 503),
    ] {
        let token = given.map(|token| ("Authorization", token));
        let headers: Vec<_> = JSON.iter().copied().chain(token).collect();
        let answer = request(managed, "POST", "/servers/s0/breaker", &headers, order).await;
        assert_eq!(answer.status, status, "{given:?}");
        assert_eq!(
            crate::support::get(listens, "/").await.status,
            proxied,
            "{given:?}"
        );
    }
}

#[tokio::test]
async fn an_order_for_a_route_without_a_breaker_is_404_and_leaves_nothing_for_one_that_comes_later() {
    let backend = Backend::text("well").await;
    let objects = |more: &str| {
        let route = format!("limit: {{ max_in_flight: 100 }}{more}");
        one_cluster(&[backend.address()], "", &route)
    };
    let gateway = Gateway::start(&objects("")).await;
    assert_eq!(tell(&gateway, "routes/r", "rejecting").await.status, 404);
    crate::support::edit_and_wait(&gateway, &objects(", breaker: {}")).await;
    assert_eq!(gateway.get("/").await.status, 200);
}
