//! SIGTERM to one of two proxies that serve the same: whoever goes to the other one when refused a connection loses nothing.

use super::{PATIENCE, objects, traffic};
use crate::support::{Gateway, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_to_one_of_two_proxies_fails_no_request() {
    let backend = traffic::backend().await;
    let objects = objects(&backend);
    let (mut one, two) = tokio::join!(Gateway::start(&objects), Gateway::start(&objects));
    let traffic = traffic::Traffic::start(&[one.address(), two.address()]);
    for _ in 0..3 {
        eventually("clients of every kind are at it", PATIENCE, async || {
            one.metric("gateway_requests_total", &[]).await > 100.0
        })
        .await;
        let exited = one.stop_and_start().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(exited.stderr.contains("no client is left"), "{exited:?}");
    }
    traffic.stop().await.assert_none_failed();
}
