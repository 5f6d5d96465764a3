//! A service that is asked for three times what it can do. The strict figures are the bench's (`benches/overload.rs`); here only that a
//! limit that finds itself keeps the service alive, and that what matters least goes first.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::objects::one_cluster;
use crate::support::{Gateway, Load, Plan, Report};

const PLACES: usize = 8;
const SERVICE: Duration = Duration::from_millis(40);
/// 8 places, 40 ms each.
const CAPACITY: u32 = 200;

/// First come first served, eight at a time.
async fn service() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let places = std::sync::Arc::new(Semaphore::new(PLACES));
        while let Ok((mut stream, _)) = listener.accept().await {
            let places = places.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
                    if !buffer.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    buffer.clear();
                    let place = places.acquire().await.unwrap();
                    tokio::time::sleep(SERVICE).await;
                    drop(place);
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_finds_itself_keeps_an_overloaded_service_busy_and_critical_requests_served() {
    let routes = |class: &str| {
        format!(
            "- {{ id: {class}, priority_class: {class}, match: {{ path: /{class} }}, to: [{{ cluster: c }}] }}\n"
        )
    };
    let objects = one_cluster(&[service().await], "limit: { max_in_flight: auto }", "");
    let gateway = Gateway::start(&(objects + &routes("critical") + &routes("sheddable"))).await;
    let offer = |class: &str, rate: u32, connections: u32| {
        let plan = Plan::get(gateway.address(), &format!("/{class}"));
        Load::start(plan.rate(rate).connections(connections))
    };
    let critical = offer("critical", CAPACITY / 5, 16);
    let sheddable = offer("sheddable", CAPACITY * 3, 64);
    // Long enough to find the limit and to probe it again.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (before, before_critical) = (sheddable.report(), critical.report());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (after, after_critical) = (sheddable.stop().await, critical.stop().await);
    let grown = |before: &Report, after: &Report, status| {
        let count = |report: &Report| report.statuses.get(&status).copied().unwrap_or(0);
        count(after) - count(before)
    };
    let served = grown(&before, &after, 200) + grown(&before_critical, &after_critical, 200);
    assert!(served > u64::from(CAPACITY) * 4 * 7 / 10, "only {served} in 4 s");
    let refused = grown(&before_critical, &after_critical, 429);
    let critical = grown(&before_critical, &after_critical, 200);
    assert!(
        refused * 10 <= critical,
        "{refused} critical ones refused, {critical} served"
    );
    assert!(grown(&before, &after, 429) > 0);
    assert!(after.errors.is_empty() && after_critical.errors.is_empty());
    let found = gateway.status().await["clusters"][0]["limit"]["max_in_flight"]
        .as_u64()
        .unwrap();
    assert!((4..=40).contains(&found), "{found}");
}
