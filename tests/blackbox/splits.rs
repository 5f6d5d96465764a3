//! Routes with several clusters: by weight, and the same for the same user.

use std::collections::BTreeMap;

use super::support::{Backend, Client, Gateway, clusters, edit_and_wait};

async fn backends() -> [Backend; 3] {
    [
        Backend::text("a").await,
        Backend::text("b").await,
        Backend::text("c").await,
    ]
}

/// A route over clusters a, b and c with these weights; 0 leaves one out.
fn split(backends: &[Backend; 3], weights: [u32; 3], more: &str) -> String {
    let names = ["a", "b", "c"];
    let addressed: Vec<_> = names
        .iter()
        .zip(backends)
        .map(|(name, backend)| (*name, backend.address()))
        .collect();
    let targets = names.iter().zip(weights).filter(|(_, weight)| *weight > 0);
    let targets: Vec<String> = targets
        .map(|(name, weight)| format!("{{ cluster: {name}, weight: {weight} }}"))
        .collect();
    format!(
        "{}routes:\n- {{ id: r, to: [{}]{more} }}\n",
        clusters(&addressed),
        targets.join(", ")
    )
}

/// Who serves each of so many users; `ask` says what a user sends.
async fn served(
    client: &mut Client,
    users: u32,
    headers: impl Fn(u32) -> Vec<(String, String)>,
) -> Vec<String> {
    let mut served = Vec::new();
    for user in 0..users {
        let headers = headers(user);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        served.push(client.request("GET", "/", &headers, b"").await.unwrap().text());
    }
    served
}

fn counts(served: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for who in served {
        *counts.entry(who.as_str()).or_default() += 1;
    }
    counts
}

/// Whether `hits` of `n` are within five standard deviations of `share`.
fn is_within_the_binomial_bound(hits: usize, n: usize, share: f64) -> bool {
    let (n, hits) = (n as f64, hits as f64);
    (hits - n * share).abs() <= 5.0 * (n * share * (1.0 - share)).sqrt()
}

#[tokio::test]
async fn a_thousand_requests_split_seventy_to_thirty_stay_within_the_binomial_bound() {
    let backends = backends().await;
    let gateway = Gateway::start(&split(&backends, [70, 30, 0], "")).await;
    let served = served(&mut gateway.client().await, 1000, |_| Vec::new()).await;
    let counts = counts(&served);
    assert_eq!(counts.values().sum::<usize>(), 1000);
    assert!(is_within_the_binomial_bound(counts["b"], 1000, 0.3), "{counts:?}");
    // Chosen by chance: not in blocks and not in turn.
    let changes = served.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(
        is_within_the_binomial_bound(changes, 999, 0.42),
        "{changes} changes"
    );
}

#[tokio::test]
async fn a_user_stays_on_his_cluster_by_cookie_by_header_and_by_address() {
    let backends = backends().await;
    for (key, by) in [
        ("cookie.user", "Cookie"),
        ("header.x-user", "X-User"),
        ("client_ip", "X-Forwarded-For"),
    ] {
        let objects = split(&backends, [50, 50, 0], &format!(", sticky: {key}"));
        let gateway = Gateway::start_with("trusted_proxies: [127.0.0.1/32]\n", &objects).await;
        let mut client = gateway.client().await;
        let user = |user: u32| {
            let value = match by {
                "Cookie" => format!("session=x{user}; user=u{user}"),
                "X-User" => format!("u{user}"),
                _ => format!("10.0.{}.{}", user / 256, user % 256),
            };
            vec![(by.to_owned(), value)]
        };
        let first = served(&mut client, 200, user).await;
        let again = served(&mut client, 200, user).await;
        assert_eq!(first, again, "{key}");
        assert!(
            is_within_the_binomial_bound(counts(&first)["a"], 200, 0.5),
            "{key}: {:?}",
            counts(&first)
        );
        // Another process decides alike.
        let other = Gateway::start_with("trusted_proxies: [127.0.0.1/32]\n", &objects).await;
        assert_eq!(
            served(&mut other.client().await, 50, user).await,
            first[..50],
            "{key}"
        );
    }
}

#[tokio::test]
async fn without_the_sticky_value_a_request_goes_by_chance() {
    let backends = backends().await;
    let gateway = Gateway::start(&split(&backends, [50, 50, 0], ", sticky: cookie.user")).await;
    let served = served(&mut gateway.client().await, 200, |_| Vec::new()).await;
    assert!(
        is_within_the_binomial_bound(counts(&served)["a"], 200, 0.5),
        "{:?}",
        counts(&served)
    );
}

#[tokio::test]
async fn growing_a_weight_while_running_moves_users_only_towards_it() {
    let backends = backends().await;
    let sticky = ", sticky: header.x-user";
    let gateway = Gateway::start(&split(&backends, [60, 30, 10], sticky)).await;
    let mut client = gateway.client().await;
    let user = |user: u32| vec![("X-User".to_owned(), format!("u{user}"))];
    let mut before = served(&mut client, 600, user).await;
    // A weight that grows, one that shrinks again, and a cluster that comes back from nothing.
    for (weights, gains, share) in [([60, 30, 60], "c", 0.4), ([140, 30, 60], "a", 140.0 / 230.0)] {
        edit_and_wait(&gateway, &split(&backends, weights, sticky)).await;
        let after = served(&mut client, 600, user).await;
        let moved: Vec<_> = before.iter().zip(&after).filter(|(was, is)| was != is).collect();
        assert!(moved.iter().all(|(_, is)| *is == gains), "{moved:?}");
        assert!(!moved.is_empty());
        assert!(
            is_within_the_binomial_bound(counts(&after)[gains], 600, share),
            "{:?}",
            counts(&after)
        );
        before = after;
    }
    edit_and_wait(&gateway, &split(&backends, [140, 0, 60], sticky)).await;
    let after = served(&mut client, 600, user).await;
    assert!(
        before.iter().zip(&after).all(|(was, is)| was == is || was == "b"),
        "only b's users move"
    );
}

#[tokio::test]
async fn a_cluster_without_weight_has_weight_one_and_a_disabled_one_refuses_its_share() {
    let backends = backends().await;
    let objects = split(&backends, [1, 1, 0], "")
        .replace(", weight: 1", "")
        .replace("{ id: b, servers", "{ id: b, enabled: false, servers");
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    let (mut served, mut refused) = (0, 0);
    for _ in 0..200 {
        let response = client.get("/").await;
        match response.status {
            200 => served += 1,
            503 => {
                assert_eq!(response.header("x-gateway-refusal"), Some("no_server"));
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        is_within_the_binomial_bound(served, 200, 0.5),
        "{served} served, {refused} refused"
    );
}
