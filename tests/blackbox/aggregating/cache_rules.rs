//! Which answers are kept, and who gets them: what the service, the client and the configuration say.

use super::caching::{Fields, ask, counting, gateways, of_route, two_make};
use crate::support::{Gateway, request};

#[tokio::test]
async fn what_the_service_says_of_caching_is_honoured() {
    for said in [
        "no-store",
        "private",
        "max-age=0",
        "no-cache",
        "s-maxage=0, max-age=60",
    ] {
        let service = counting(Box::leak(Box::new([("cache-control", said)]))).await;
        for gateway in gateways(&service, "cache: { ttl: 60s }").await {
            assert_eq!(
                two_make(&service, &gateway, ("/", &[]), ("/", &[])).await,
                2,
                "{said}"
            );
        }
    }
    for said in ["max-age=60", "public", "max-age=60, s-maxage=60"] {
        let service = counting(Box::leak(Box::new([("cache-control", said)]))).await;
        for gateway in gateways(&service, "cache: { ttl: 60s }").await {
            assert_eq!(
                two_make(&service, &gateway, ("/", &[]), ("/", &[])).await,
                1,
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_with_a_cookie_is_kept_only_where_that_is_said() {
    let service = counting(&[("set-cookie", "a=1")]).await;
    for (rule, calls) in [
        ("cache: { ttl: 60s }", 2),
        ("cache: { ttl: 60s, share_cookies: true }", 1),
    ] {
        for gateway in gateways(&service, rule).await {
            assert_eq!(
                two_make(&service, &gateway, ("/", &[]), ("/", &[])).await,
                calls,
                "{rule}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_client_says_of_caching_is_honoured() {
    let service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 60s }").await {
        for said in ["no-cache", "max-age=0", "no-store"] {
            let fields = [("Cache-Control", said)];
            assert_eq!(
                two_make(&service, &gateway, ("/", &[]), ("/", &fields)).await,
                1 + u64::from(said == "no-cache"),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn who_wants_nothing_but_what_is_kept_gets_504_if_there_is_nothing() {
    let service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 60s }").await {
        let called = service.count();
        let only = [("Cache-Control", "only-if-cached")];
        assert_eq!(ask(&gateway, "/x?q=1", &only).await.status, 504);
        assert_eq!(service.count(), called);
        assert_eq!(ask(&gateway, "/x?q=1", &[]).await.status, 200);
        assert_eq!(ask(&gateway, "/x?q=1", &only).await.status, 200);
        assert_eq!(service.count(), called + 1);
    }
}

#[tokio::test]
async fn requests_that_differ_are_kept_apart() {
    let service = counting(&[]).await;
    let (german, cookie, tenant): (Fields<'_>, Fields<'_>, Fields<'_>) = (
        &[("Accept-Language", "de")],
        &[("Cookie", "g=2")],
        &[("X-Tenant", "2")],
    );
    for gateway in gateways(&service, "cache: { ttl: 60s, key: [header.x-tenant, cookie.g] }").await {
        for second in [
            ("/x?q=2", &[][..]),
            ("/x?q=1", german),
            ("/x?q=1", cookie),
            ("/x?q=1", tenant),
        ] {
            ask(&gateway, "/x?q=1", &[]).await;
            assert_eq!(
                two_make(&service, &gateway, ("/x?q=1", &[]), second).await,
                1,
                "{second:?}"
            );
        }
    }
}

#[tokio::test]
async fn clients_that_may_be_somebody_are_not_answered_from_what_is_kept() {
    let service = counting(&[]).await;
    let authorized: Fields<'_> = &[("Authorization", "Bearer t")];
    let cookie: Fields<'_> = &[("Cookie", "session=1")];
    for (who, share) in [(authorized, "share_authorized"), (cookie, "share_cookies")] {
        for gateway in gateways(&service, "cache: { ttl: 60s }").await {
            assert_eq!(two_make(&service, &gateway, ("/", who), ("/", who)).await, 2);
        }
        for gateway in gateways(&service, &format!("cache: {{ ttl: 60s, {share}: true }}")).await {
            assert_eq!(two_make(&service, &gateway, ("/", who), ("/", who)).await, 1);
        }
    }
}

#[tokio::test]
async fn answers_to_methods_that_change_something_are_never_kept() {
    let service = counting(&[]).await;
    let gateway = Gateway::start(&of_route(&service, "cache: { ttl: 60s }")).await;
    for _ in 0..3 {
        assert_eq!(
            request(gateway.address(), "POST", "/", &[], b"x").await.status,
            200
        );
    }
    assert_eq!(service.count(), 3);
}

#[tokio::test]
async fn head_is_answered_from_what_get_left() {
    let service = counting(&[]).await;
    for gateway in gateways(&service, "cache: { ttl: 60s }").await {
        let get = ask(&gateway, "/", &[]).await;
        let called = service.count();
        let head = request(gateway.address(), "HEAD", "/", &[], b"").await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, get.header("content-length"))
        );
        assert_eq!(service.count(), called);
    }
}
