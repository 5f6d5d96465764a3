//! Every wait has an end, and what it ends is answered with the right status.

use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};

use crate::objects::{Counted, assert_refused, counted, eventually_counted, one_cluster};
use crate::support::{Backend, Gateway, Reply, Step};

#[tokio::test]
async fn no_connection_in_time_is_a_504() {
    // A full queue of a listener that never accepts: further connections are not answered.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    let gateway = Gateway::start(&one_cluster(&[address], "timeout: { connect: 100ms }", "")).await;
    let start = Instant::now();
    assert_refused(&gateway.get("/").await, 504, "timeout");
    assert!(
        (100..2000).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(counted(&gateway, "s0").await.failures, 1);
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_a_504() {
    let backend = Backend::start(|_| Reply::hang()).await;
    let objects = one_cluster(&[backend.address()], "timeout: { first_byte: 100ms }", "");
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    for attempt in 1..=2 {
        let start = Instant::now();
        assert_refused(&client.get("/").await, 504, "timeout");
        assert!(
            (100..2000).contains(&start.elapsed().as_millis()),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(counted(&gateway, "s0").await.failures, attempt);
    }
}

#[tokio::test]
async fn the_time_to_the_first_byte_begins_when_the_request_is_sent() {
    let backend = Backend::text("done").await;
    let objects = one_cluster(
        &[backend.address()],
        "timeout: { first_byte: 150ms, idle: 1s }",
        "",
    );
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send("x").await.unwrap();
    }
    assert_eq!(client.read_response("POST").await.unwrap().text(), "done");
}

#[tokio::test]
async fn a_pause_longer_than_idle_cuts_the_answer_and_counts_as_failure() {
    let backend =
        Backend::start(|_| Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").then(Step::Hang))
            .await;
    let objects = one_cluster(&[backend.address()], "timeout: { idle: 100ms }", "");
    let gateway = Gateway::start(&objects).await;
    let mut client = gateway.client().await;
    let error = client.request("GET", "/", &[], b"").await.unwrap_err();
    assert!(error.to_string().contains("after 3 bytes"), "{error}");
    eventually_counted(
        &gateway,
        Counted {
            failures: 1,
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_keeps_moving_is_not_cut() {
    let backend =
        Backend::start(|_| Reply::chunked(200, &[], &[&b"0123456789"[..]; 10], Duration::from_millis(60)))
            .await;
    let cluster = "timeout: { first_byte: 200ms, idle: 200ms }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], cluster, "")).await;
    assert_eq!(gateway.get("/").await.body.len(), 100);
    eventually_counted(
        &gateway,
        Counted {
            successes: 1,
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test]
async fn total_covers_all_attempts_together() {
    let backends = [
        Backend::start(|_| Reply::hang()).await,
        Backend::start(|_| Reply::hang()).await,
    ];
    let addresses = backends.each_ref().map(Backend::address);
    let cluster =
        "timeout: { first_byte: 200ms, total: 300ms }, retry: { attempts: 10, budget_percent: 100 }";
    let gateway = Gateway::start(&one_cluster(&addresses, cluster, "")).await;
    let start = Instant::now();
    assert_refused(&gateway.get("/").await, 504, "timeout");
    assert!(
        (300..1500).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(backends.iter().map(Backend::count).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn total_ends_an_answer_that_keeps_coming() {
    let backend =
        Backend::start(|_| Reply::chunked(200, &[], &[&b"x"[..]; 1000], Duration::from_millis(20))).await;
    let gateway = Gateway::start(&one_cluster(
        &[backend.address()],
        "timeout: { total: 200ms }",
        "",
    ))
    .await;
    let start = Instant::now();
    let answer = gateway.client().await.request("GET", "/", &[], b"").await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(
        (200..1500).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_stalls_its_upload_gets_a_408_and_the_server_is_not_blamed() {
    let backend = Backend::text("never").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "timeout: { idle: 150ms }", "")).await;
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = gateway.client().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n3\r\n"))
            .await
            .unwrap();
        assert_refused(
            &client.read_response("POST").await.unwrap(),
            408,
            "client_timeout",
        );
        assert!(client.closed().await);
    }
    eventually_counted(
        &gateway,
        Counted {
            cancelled: 2,
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test]
async fn a_slow_upload_is_not_blamed_on_the_server() {
    let backend = Backend::echo().await;
    let cluster = "timeout: { first_byte: 100ms, idle: 500ms }";
    let gateway = Gateway::start(&one_cluster(&[backend.address()], cluster, "")).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.send("2\r\nab\r\n").await.unwrap();
    }
    client.send("0\r\n\r\n").await.unwrap();
    let answer = client.read_response("POST").await.unwrap();
    assert_eq!(answer.json()["body"], "ababababab");
    eventually_counted(
        &gateway,
        Counted {
            successes: 1,
            ..Counted::default()
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_no_single_clear_answer_is_a_502() {
    let answers: [(&str, Reply); 12] = [
        ("closed", Reply::close()),
        ("reset", Reply::reset()),
        ("garbage", Reply::garbage()),
        (
            "a head cut short",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-le").then(Step::Close),
        ),
        (
            "a length and chunks",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two lengths",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        ),
        (
            "a list of lengths",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 3, 4\r\n\r\nabcd"),
        ),
        (
            "a negative length",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        ),
        (
            "an unknown coding",
            Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"),
        ),
        (
            "chunks in 1.0",
            Reply::raw("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n"),
        ),
        (
            "an upgrade nobody asked for",
            Reply::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        ),
    ];
    let backend = Backend::text("fine").await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    let mut client = gateway.client().await;
    for (n, (what, reply)) in answers.into_iter().enumerate() {
        backend.script(move |_| reply.clone());
        let answer = client.request("GET", "/", &[], b"").await;
        assert_refused(
            &answer.unwrap_or_else(|error| panic!("{what}: {error}")),
            502,
            "bad_answer",
        );
        assert_eq!(counted(&gateway, "s0").await.failures, n as u64 + 1, "{what}");
        backend.script(|_| Reply::new(200, "fine"));
        assert_eq!(client.get("/").await.text(), "fine", "after {what}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_502() {
    let backend = Backend::refusing().await;
    let gateway = Gateway::start(&one_cluster(&[backend.address()], "", "")).await;
    for method in ["GET", "POST"] {
        let answer = gateway
            .client()
            .await
            .request(method, "/", &[], b"x")
            .await
            .unwrap();
        assert_refused(&answer, 502, "connect_failed");
    }
    assert_eq!(counted(&gateway, "s0").await.failures, 2);
}
