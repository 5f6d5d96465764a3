//! An answer that breaks off must look broken off.

use super::in_front_of;
use crate::objects::{Counted, eventually_counted};
use crate::support::{Backend, Reply, Step};

/// What a client gets of an answer that ends like this, up to the end of its connection.
async fn seen(version: &str, reply: Reply) -> String {
    let backend = Backend::start(move |_| reply.clone()).await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    client
        .send(format!("GET / HTTP/{version}\r\nHost: x\r\n\r\n"))
        .await
        .unwrap();
    // Either an end or a reset.
    let bytes = client.read_to_end().await.unwrap_or_default();
    eventually_counted(
        &gateway,
        Counted {
            failures: 1,
            ..Counted::default()
        },
    )
    .await;
    String::from_utf8(bytes).unwrap()
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

#[tokio::test]
async fn a_body_shorter_than_its_length_ends_short() {
    for end in [Step::Close, Step::Reset] {
        let text = seen("1.1", Reply::raw(LENGTH).then(end)).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(
            text.is_empty() || (head.to_lowercase().contains("content-length: 10") && body.len() < 10),
            "{text}"
        );
    }
}

#[tokio::test]
async fn chunks_that_break_off_are_never_terminated() {
    for end in [Step::Close, Step::Reset] {
        for more in [
            "",
            "5\r\nab",
            "5",
            "0\r\n",
            "0\r\nX-Trailer: 1\r\n",
            "zz\r\n",
            "-1\r\n",
        ] {
            let reply = Reply::raw(format!("{CHUNKS}{more}")).then(end.clone());
            let text = seen("1.1", reply).await;
            assert!(!text.contains("\r\n0\r\n"), "{more:?}: {text:?}");
        }
    }
}

#[tokio::test]
async fn an_http_1_0_client_sees_a_body_shorter_than_its_length() {
    let text = seen("1.0", Reply::raw(LENGTH).then(Step::Close)).await;
    assert!(
        text.is_empty() || text.to_lowercase().contains("content-length: 10"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_sent_for_again() {
    let backend = Backend::start(|_| Reply::raw(CHUNKS).then(Step::Close)).await;
    let cluster = "retry: { attempts: 3, budget_percent: 100 }";
    let objects = crate::objects::one_cluster(&[backend.address()], cluster, "");
    let gateway = crate::support::Gateway::start(&objects).await;
    assert!(
        gateway
            .client()
            .await
            .request("GET", "/", &[], b"")
            .await
            .is_err()
    );
    assert_eq!(backend.count(), 1);
}
