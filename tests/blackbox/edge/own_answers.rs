//! The gateway's own answers: they keep the connection where HTTP allows, and what is left of a request never becomes another.

use crate::objects::{assert_refused, one_cluster};
use crate::support::{Backend, Gateway, request};

/// Routes for every kind of answer the gateway makes itself, and `/ok` for one it does not.
async fn gateway(ok: &Backend, down: &Backend) -> Gateway {
    Gateway::start(&format!(
        r#"
servers:
- {{ id: ok, address: "{}" }}
- {{ id: down, address: "{}" }}
clusters:
- {{ id: ok, servers: [ok] }}
- {{ id: down, servers: [down] }}
- {{ id: empty }}
routes:
- {{ id: ok, match: {{ path: /ok }}, to: [{{ cluster: ok }}] }}
- {{ id: get, match: {{ path: /get, methods: [GET] }}, to: [{{ cluster: ok }}] }}
- {{ id: down, match: {{ path: /down }}, to: [{{ cluster: down }}] }}
- {{ id: empty, match: {{ path: /empty }}, to: [{{ cluster: empty }}] }}
- id: denied
  match: {{ path: /denied }}
  to: [{{ cluster: ok }}]
  filters: [{{ access: {{ allow: [10.0.0.0/8] }} }}]
- id: reply
  match: {{ path: /reply }}
  filters: [{{ reply: {{ status: 200, body: "mine" }} }}]
"#,
        ok.address(),
        down.address()
    ))
    .await
}

const REFUSED: [(&str, u16, &str); 5] = [
    ("/none", 404, "no_route"),
    ("/get", 405, "method_not_allowed"),
    ("/denied", 403, "access_denied"),
    ("/empty", 503, "no_server"),
    ("/down", 502, "connect_failed"),
];

#[tokio::test]
async fn own_answers_keep_the_connection() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let gateway = gateway(&ok, &down).await;
    let mut client = gateway.client().await;
    for (target, status, reason) in REFUSED {
        for method in ["DELETE", "POST", "OPTIONS"] {
            let answer = client.request(method, target, &[], b"").await.unwrap();
            assert_refused(&answer, status, reason);
            assert!(answer.keeps_alive() && answer.header("x-request-id").is_some());
        }
        let head = client.request("HEAD", target, &[], b"").await.unwrap();
        assert!(head.status == status || target == "/get", "{target}");
    }
    assert_eq!(client.get("/reply").await.text(), "mine");
    assert_eq!(client.get("/ok").await.text(), "ok");
}

#[tokio::test]
async fn own_answers_keep_the_connection_with_a_small_body_unread() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let gateway = gateway(&ok, &down).await;
    let mut client = gateway.client().await;
    for (target, status, reason) in REFUSED {
        for length in [1, 100, 5000] {
            let answer = client
                .request("POST", target, &[], &vec![b'G'; length])
                .await
                .unwrap();
            assert_refused(&answer, status, reason);
            assert!(answer.keeps_alive(), "{target} {length}");
            assert_eq!(client.get("/ok").await.text(), "ok", "{target} {length}");
        }
    }
}

#[tokio::test]
async fn a_405_names_what_is_allowed() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let answer = request(gateway(&ok, &down).await.address(), "POST", "/get", &[], b"").await;
    assert_refused(&answer, 405, "method_not_allowed");
    let allow = answer.header("allow").unwrap();
    assert!(allow.split(", ").any(|method| method == "GET"), "{allow}");
}

#[tokio::test]
async fn a_503_says_when_to_come_back() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let answer = gateway(&ok, &down).await.get("/empty").await;
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn a_large_unread_body_is_never_taken_for_requests() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let gateway = gateway(&ok, &down).await;
    let hidden = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40_000);
    for (target, status, _) in REFUSED {
        let mut client = gateway.client().await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            hidden.len()
        );
        client.send(head).await.unwrap();
        let answer = client.read_response("POST").await.unwrap();
        assert_eq!(answer.status, status);
        assert!(!answer.keeps_alive(), "{target}");
        client.send(&hidden).await.ok();
        let rest = client.read_to_end().await.unwrap_or_default();
        assert!(rest.is_empty(), "{target}: {}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(ok.count(), 0);
}

#[tokio::test]
async fn an_unread_chunked_body_is_never_taken_for_requests() {
    let (ok, down) = (Backend::text("ok").await, Backend::refusing().await);
    let gateway = gateway(&ok, &down).await;
    let hidden = "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";
    for (target, status, _) in REFUSED {
        let mut client = gateway.client().await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(head).await.unwrap();
        assert_eq!(client.read_response("POST").await.unwrap().status, status);
        client
            .send(format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()))
            .await
            .ok();
        let rest = client.read_to_end().await.unwrap_or_default();
        assert!(rest.is_empty(), "{target}: {}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(ok.count(), 0);
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_never_forwarded() {
    let backend = Backend::text("ok").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    for head in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip",
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y",
        "GET / HTTP/1.1\r\nHost: x\r\n folded: y",
        "GET / HTTP/1.1\r\nHost: x\r\nX-A : 1",
    ] {
        let mut client = gateway.client().await;
        client.send(format!("{head}\r\n\r\nabcd")).await.unwrap();
        let end = client.read_to_end().await;
        let text = String::from_utf8(end.unwrap_or_else(|error| panic!("{head:?}: {error}"))).unwrap();
        let fine = text.is_empty() || text.starts_with("HTTP/1.1 400") || text.starts_with("HTTP/1.1 501");
        assert!(
            fine && text.lines().filter(|line| line.starts_with("HTTP/")).count() <= 1,
            "{head:?}: {text}"
        );
    }
    assert_eq!((backend.count(), backend.faults()), (0, vec![]));
}
