//! Answers that announce others: 100, 102, 103.

use tokio::io::AsyncWriteExt;

use super::{in_front_of, in_front_of_listener, read_head};
use crate::support::{Backend, Client, Gateway, Reply};

const HINTED: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: x-a\r\nX-A: 1\r\n\r\n\
                      HTTP/1.1 103 Early Hints\r\nLink: </script.js>; rel=preload\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn early_hints_are_passed_on_before_the_answer() {
    let backend = Backend::start(|_| Reply::raw(HINTED)).await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        client.send_request("GET", "/", &[], b"").await.unwrap();
        for link in ["</style.css>; rel=preload", "</script.js>; rel=preload"] {
            let hint = client.read_one("GET").await.unwrap();
            assert_eq!((hint.status, hint.header("link")), (103, Some(link)));
            assert_eq!((hint.header("x-a"), hint.header("content-length")), (None, None));
        }
        let answer = client.read_one("GET").await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_interim_answers() {
    let backend = Backend::start(|_| Reply::raw(HINTED)).await;
    let gateway = in_front_of(&backend).await;
    let mut client = gateway.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = client.read_one("GET").await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

async fn expecting(gateway: &Gateway, target: &str) -> Client {
    let mut client = gateway.client().await;
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    client.send(head).await.unwrap();
    client
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_from_the_server_and_then_its_answer() {
    let backend = Backend::echo().await;
    let gateway = in_front_of(&backend).await;
    let mut client = expecting(&gateway, "/").await;
    assert_eq!(client.read_one("POST").await.unwrap().status, 100);
    client.send("hello").await.unwrap();
    let answer = client.read_one("POST").await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["body"].as_str()),
        (200, Some("hello"))
    );
    assert!(backend.faults().is_empty());
}

#[tokio::test]
async fn a_server_may_refuse_what_a_client_asks_leave_to_send() {
    let (gateway, listener) = in_front_of_listener().await;
    let mut client = expecting(&gateway, "/").await;
    let (mut server, _) = listener.accept().await.unwrap();
    let (head, rest) = read_head(&mut server).await;
    assert!(
        head.to_lowercase().contains("expect: 100-continue") && rest.is_empty(),
        "{head}"
    );
    server
        .write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        .await
        .unwrap();
    let answer = client.read_one("POST").await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (417, "no"));
    // The client may send the body all the same or not: only a close leaves no doubt about what comes next.
    assert!(!answer.keeps_alive() && client.closed().await);
}

#[tokio::test]
async fn a_refusal_of_ours_comes_instead_of_100() {
    let backend = Backend::refusing().await;
    let gateway = in_front_of(&backend).await;
    let mut client = expecting(&gateway, "/").await;
    let answer = client.read_one("POST").await.unwrap();
    assert_eq!(answer.status, 502);
    assert!(!answer.keeps_alive() && client.closed().await);
}

#[tokio::test]
async fn a_server_that_ignores_the_expectation_gets_the_body_of_an_impatient_client() {
    let (gateway, listener) = in_front_of_listener().await;
    let mut client = expecting(&gateway, "/").await;
    let (mut server, _) = listener.accept().await.unwrap();
    let (_, mut body) = read_head(&mut server).await;
    client.send("hello").await.unwrap();
    while body.len() < 5 {
        tokio::io::AsyncReadExt::read_buf(&mut server, &mut body)
            .await
            .unwrap();
    }
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .await
        .unwrap();
    assert_eq!(
        (
            client.read_one("POST").await.unwrap().text().as_str(),
            body.as_slice()
        ),
        ("ok", &b"hello"[..])
    );
}
