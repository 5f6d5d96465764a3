//! What the request path's own code allocates, counted: each test states its number. A lookup, a condition, a pick and a
//! kept connection allocate nothing; what an answer's head costs is written down.
#![allow(missing_docs, reason = "a test crate")]

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use gateway::{
    clock::Moment,
    cluster::{Cluster, Outcome, Prober, Registry, Resolve, Target, Tried, hash_of},
    edge::{Request, SavedParams},
    exchange::{Connection, Idleness, Pool, Progress, RequestBody},
    limiter::{
        KeyHasher, Rate, Ticks,
        keyed::{KeyedGates, KeyedRates},
    },
    router::{Entry, Lookup, Router},
};
use http::Method;
use meta::{check::check, document::Document, filters::FilterKinds};
use meta::{
    language::{Condition, Template, UrlTemplate},
    model,
    pattern::MergeSlashes,
};
use pingora_http::RequestHeader;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::Instant,
};

/// How many allocations `run` makes on this thread the second time: the first makes scratch space and fills buffers.
fn allocations(mut run: impl FnMut()) -> u64 {
    run();
    allocation_counter::measure(run).count_total
}

fn entries(count: usize) -> Vec<Entry<usize>> {
    let entry = |n: usize| {
        let (path, hosts) = match n % 5 {
            0 => (format!("/service-{n}/items"), vec![]),
            1 => (format!("/service-{n}/{{id}}/parts/{{part}}"), vec![]),
            2 => (format!("/service-{n}/{{id:[0-9]+}}"), vec![]),
            3 => (format!("/service-{n}/{{rest*}}"), vec![]),
            _ => ("/shared/{id}".to_owned(), vec![format!("*.host-{n}.example.com")]),
        };
        Entry {
            id: n.to_string(),
            priority: 0,
            hosts: hosts.iter().map(|host| host.parse().expect("a host")).collect(),
            path: Some(path.parse().expect("a pattern")),
            methods: vec![Method::GET, Method::POST],
            terms: 0,
            value: n,
        }
    };
    (0..count).map(entry).collect()
}

#[test]
fn answers_are_checked_and_looked_into_without_allocating_and_merged_with_one_allocation() {
    use gateway::aggregate::json::{Json, Merge, merge};
    let text = r#"{"user":{"name":"Ada","level":5},"orders":[{"id":1002,"total":34.90}]}"#;
    let answer = Json::parse(text.into()).expect("it is JSON");
    let bytes = bytes::Bytes::from_static(text.as_bytes());
    let parse = || assert!(Json::parse(bytes.clone()).is_ok());
    assert_eq!(allocations(parse), 0);
    use meta::language::Step;
    let path = [
        Step::Member("orders".into()),
        Step::Index(0),
        Step::Member("id".into()),
    ];
    assert_eq!(allocations(|| assert!(answer.find(&path).is_some())), 0);
    let nodes = [("a", &answer), ("b", &answer), ("c", &answer)];
    let splice = || assert!(merge(Merge::Object, nodes.into_iter()).is_ok());
    assert_eq!(allocations(splice), 1);
}

#[test]
fn a_lookup_allocates_nothing() {
    let router = Router::new(entries(10_000));
    let requests = [
        ("h", "/service-100/items", Method::GET, true),
        ("h", "/service-101/7/parts/8", Method::HEAD, true),
        ("h", "/service-102/77", Method::POST, true),
        ("h", "/service-102/%37", Method::GET, true),
        ("h", "/service-103/a/b/c", Method::GET, true),
        ("a.b.host-104.example.com", "/shared/1", Method::GET, true),
        ("h", "/service-102/x", Method::GET, false),
        ("h", "/nothing/here", Method::GET, false),
        ("h", "/service-100/items", Method::PUT, false),
    ];
    for (host, path, method, is_hit) in &requests {
        let find = || match router.find(host, path, method, |_, params| params.get("none").is_none()) {
            Lookup::Found { params, .. } => params.iter().all(|(_, value)| !value.is_empty()),
            Lookup::MethodNotAllowed(_) | Lookup::NotFound => false,
        };
        // The first run of a regex on a thread makes its scratch space.
        assert_eq!(find(), *is_hit, "{path}");
        let counted = allocation_counter::measure(|| {
            find();
        });
        assert_eq!(counted.count_total, 0, "{method} {path}");
    }
}

#[test]
fn five_thousand_routes_take_less_than_two_mebibytes() {
    let mut router = None;
    let counted = allocation_counter::measure(|| router = Some(Router::new(entries(5_000))));
    assert!(counted.bytes_current < 2 << 20, "{} bytes", counted.bytes_current);
    drop(router);
}

fn head() -> RequestHeader {
    let target = b"/users/7/files/a/b?page=7&name=plain&enc=a%20b&plus=a+b";
    let mut head = RequestHeader::build("GET", target, None).expect("a good head");
    for (name, value) in [
        ("host", "Api.Example.com:8080"),
        ("x-group", "beta"),
        ("x-version", "12"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("cookie", "session=0123456789abcdef; group=b"),
        ("cookie", "theme=dark"),
    ] {
        head.append_header(name, value).expect("a good field");
    }
    head
}

/// What a route `/users/{id}/files/{rest*}` keeps of the path.
fn params() -> SavedParams {
    let router = Router::new(vec![Entry {
        id: "r".into(),
        priority: 0,
        hosts: vec![],
        path: Some("/users/{id}/files/{rest*}".parse().expect("a pattern")),
        methods: vec![],
        terms: 0,
        value: (),
    }]);
    match router.find("", "/users/7/files/a/b", &Method::GET, |_, _| true) {
        Lookup::Found { params, .. } => SavedParams::new(&params),
        _ => unreachable!("the path matches"),
    }
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

#[test]
fn conditions_allocate_only_for_what_has_to_be_put_together() {
    let (head, params) = (head(), params());
    let request = Request::new(&head, CLIENT, MergeSlashes::No).with_params(&params);
    for (source, expected) in [
        ("header.x-group == \"beta\"", 0),
        ("header.x-version >= 2 && header.x-version < 100.5", 0),
        ("header.x-none || !header.x-group", 0),
        ("cookie.group == \"b\" && cookie.theme != \"light\"", 0),
        ("query.page == 7 && query.name == \"plain\"", 0),
        ("param.id > 6 && param.rest == \"a/b\"", 0),
        ("method in [\"GET\", \"HEAD\"] && host == \"api.example.com\"", 0),
        ("path ~ \"^/users/[0-9]+/\" && header.x-group !~ \"^al\"", 0),
        ("client_ip in [\"10.0.0.0/8\", \"192.0.2.0/24\"]", 0),
        ("query.page == header.x-version || param.id == query.page", 0),
        // Several fields of one name are joined.
        ("header.x-two == \"1, 2\"", 1),
        // What is percent-encoded or has a plus is decoded into a text of its own.
        ("query.enc == \"a b\"", 1),
        ("query.plus == \"a b\"", 1),
        ("client_ip == \"192.0.2.7\" && scheme == \"http\"", 0),
    ] {
        let condition = Condition::parse(source).expect("a good condition");
        let counted = allocations(|| _ = condition.holds(&request));
        assert_eq!(counted, expected, "{source}");
    }
}

#[test]
fn viewing_a_request_allocates_only_where_host_or_path_is_not_in_normal_form() {
    for (host, target, expected) in [
        ("api.example.com", "/users/7?page=7", 0),
        ("api.example.com:8080", "/users/7", 0),
        ("Api.example.com", "/users/7", 1),
        ("api.example.com", "/users/../7", 1),
        ("api.example.com", "/users/%41", 1),
    ] {
        let mut head = RequestHeader::build("GET", target.as_bytes(), None).expect("a good head");
        head.append_header("host", host).expect("a good field");
        let counted = allocations(|| drop(Request::new(&head, CLIENT, MergeSlashes::No)));
        assert_eq!(counted, expected, "{host} {target}");
    }
}

#[test]
fn a_template_allocates_its_text_and_a_rewrite_into_a_buffer_nothing() {
    let (head, params) = (head(), params());
    let request = Request::new(&head, CLIENT, MergeSlashes::No).with_params(&params);
    let url =
        UrlTemplate::parse("/v2/{param.id}/{param.rest}?name={query.name}&{query}").expect("a good template");
    let mut out = String::with_capacity(256);
    let counted = allocations(|| {
        out.clear();
        url.render_into(&mut out, &request);
    });
    assert_eq!(counted, 0, "{out}");
    let short = Template::parse("a template that is longer than {param.id}").expect("a good template");
    assert_eq!(allocations(|| drop(short.render(&request))), 1);
    // The text, and the bytes the value of the field shares.
    assert_eq!(allocations(|| drop(short.render_header_value(&request))), 2);
}

/// Nothing is checked and nothing resolved here.
struct Nobody;

#[async_trait]
impl Prober for Nobody {
    async fn probe(&self, _: &Target) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Resolve for Nobody {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }
}

fn cluster(registry: &Registry, load_balance: serde_json::Value) -> Arc<Cluster> {
    let server = |n: usize| {
        let value = json!({
            "id": format!("s{n}"), "address": format!("10.0.0.1:{}", n + 1), "weight": 1 + n % 3,
            "limit": { "requests_per_second": 1e6, "burst": 1000, "max_in_flight": 100 },
            "breaker": { "consecutive_failures": 1000, "failure_percent": 100, "slow_call": "1s" },
        });
        Arc::<model::Server>::new(serde_json::from_value(value).expect("a good server"))
    };
    let servers: Vec<_> = (0..20).map(server).collect();
    let ids: Vec<_> = (0..20).map(|n| format!("s{n}")).collect();
    let value = json!({ "id": "c", "servers": ids, "load_balance": load_balance });
    let model = Arc::new(serde_json::from_value(value).expect("a good cluster"));
    let clusters = registry.apply(&servers, &[model]);
    clusters.into_values().next().expect("there is one")
}

#[tokio::test]
async fn a_pick_and_its_permit_allocate_nothing_whatever_the_algorithm() {
    let registry = Registry::with(Handle::current(), Arc::new(Nobody), Arc::new(Nobody));
    for load_balance in [
        json!("round_robin"),
        json!("random"),
        json!("least_request"),
        json!("ip_hash"),
        json!({ "consistent_hash": "header.x-user" }),
    ] {
        let cluster = cluster(&registry, load_balance.clone());
        let mut key = 0_u64;
        let counted = allocations(|| {
            for _ in 0..100 {
                key += 1;
                let mut tried = Tried::new();
                // A first attempt, and a second at another server.
                for _ in 0..2 {
                    let picked = cluster.pick(Moment::now(), || hash_of(&key.to_le_bytes()), &mut tried);
                    let latency = Duration::from_millis(1);
                    picked
                        .expect("all are usable")
                        .permit
                        .finish(Outcome::Success { latency }, Moment::now());
                }
            }
        });
        assert_eq!(counted, 0, "{load_balance}");
    }
}

#[tokio::test]
async fn refusing_allocates_nothing_either() {
    let registry = Registry::with(Handle::current(), Arc::new(Nobody), Arc::new(Nobody));
    let cluster = cluster(&registry, json!("round_robin"));
    let held: Vec<_> =
        std::iter::from_fn(|| cluster.pick(Moment::now(), || 0, &mut Tried::new()).ok()).collect();
    assert_eq!(held.len(), 20 * 100);
    let counted = allocations(|| {
        for _ in 0..100 {
            let refused = cluster.pick(Moment::now(), || 0, &mut Tried::new());
            assert!(refused.is_err());
        }
    });
    assert_eq!(counted, 0);
}

#[test]
fn a_limit_for_each_key_allocates_nothing_for_a_key() {
    let rates = KeyedRates::new(1 << 12);
    let gates = Arc::new(KeyedGates::new(1 << 12));
    let rate = Rate::new(1.0, Duration::from_secs(60), 1).expect("a good rate");
    let mut client = 0_u32;
    let counted = allocations(|| {
        for _ in 0..1000 {
            client += 1;
            let mut key = KeyHasher::new(1);
            key.add_ip(std::net::Ipv4Addr::from_bits(client).into());
            key.add(b"tenant");
            let key = key.finish();
            let admitted = rates.take(key, &rate, Ticks::from_nanos(1));
            assert!(admitted.is_ok() && gates.enter(key, 1).is_some());
        }
    });
    assert_eq!(counted, 0);
}

/// Answers every request with the same bytes, and waits in between like a socket.
struct Echo {
    answer: &'static [u8],
    asked: bool,
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::take(&mut self.asked) {
            return Poll::Pending;
        }
        buffer.put_slice(self.answer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn begin(connection: &mut Connection<Echo>) {
    let started = connection.start(&Method::GET, b"/orders/17?full=1", RequestBody::None, |head| {
        for (name, value) in [
            ("host", "orders.internal:8080"),
            ("accept", "application/json"),
            ("x-request-id", "0f3b2c4d5e6f"),
        ] {
            head.header(name.as_bytes(), value.as_bytes())?;
        }
        Ok(())
    });
    started.expect("a connection that may serve again");
}

fn finish(connection: &mut Connection<Echo>) {
    let mut cx = Context::from_waker(Waker::noop());
    match connection.poll_progress(&mut cx) {
        Poll::Ready(Ok(Progress::Answer(_))) => {}
        other => unreachable!("{other:?}"),
    }
    while let Ok(Some(piece)) = connection.ready_chunk() {
        drop(piece);
    }
    assert!(connection.is_complete());
}

fn connection(answer: &'static str) -> Connection<Echo> {
    let answer = answer.as_bytes();
    let mut connection = Connection::new(Echo { answer, asked: false });
    // Its buffers get their size.
    begin(&mut connection);
    finish(&mut connection);
    connection
}

const SMALL: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn writing_a_head_on_a_used_connection_allocates_nothing() {
    let mut connection = connection(SMALL);
    let counted = allocation_counter::measure(|| begin(&mut connection));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn keeping_a_connection_and_taking_it_again_allocates_nothing() {
    let pool = Pool::new(2, Idleness::default());
    let now = Instant::now();
    pool.put(connection(SMALL), now);
    let counted = allocations(|| pool.put(pool.take(now).expect("the one put back"), now));
    assert_eq!(counted, 0);
    assert_eq!(pool.idle(), 1);
}

#[test]
fn a_whole_exchange_allocates_only_the_map_of_the_answers_head() {
    let pool = Pool::new(1, Idleness::default());
    let now = Instant::now();
    pool.put(connection(SMALL), now);
    let counted = allocations(|| {
        let mut connection = pool.take(now).expect("the one put back");
        begin(&mut connection);
        finish(&mut connection);
        pool.put(connection, now);
    });
    // The two tables of the head's map; names, values and the body share the buffer that was read into.
    assert_eq!(counted, 2);
}

/// A configuration of so many routes as people write them.
fn configuration(routes: usize) -> String {
    let route = |n: usize| {
        format!(
            "- id: route-{n:05}\n  match:\n    hosts: [api-{n}.example.com, \"*.svc-{n}.example.com\"]\n    methods: [GET, POST]\n    \
             path: /v1/service-{n}/{{id}}/items\n    when: header.x-version >= 2 && cookie.group == \"b\"\n  to:\n  - cluster: a\n    \
             weight: 90\n  - cluster: b\n    weight: 10\n  rewrite: /internal/{{param.id}}/items\n"
        )
    };
    let routes: String = (0..routes).map(route).collect();
    format!(
        "servers:\n- {{ id: s, address: \"127.0.0.1:9\" }}\nclusters:\n- {{ id: a, servers: [s] }}\n- {{ id: b, servers: [s] }}\nroutes:\n{routes}"
    )
}

#[test]
fn five_thousand_routes_as_written_and_as_checked_take_less_than_thirteen_megabytes() {
    let text = configuration(5_000);
    let kinds = FilterKinds::default();
    let (mut document, mut checked) = (None, None);
    let read = allocation_counter::measure(|| document = Some(Document::read(&text)));
    let document = document.expect("what was read");
    let check = allocation_counter::measure(|| checked = Some(check(&document, None, &kinds).checked));
    let checked = checked.expect("what was checked");
    assert_eq!(checked.routes().len(), 5_000);
    eprintln!(
        "as read {} bytes, as checked {}",
        read.bytes_current, check.bytes_current
    );
    eprintln!("while reading at most {} bytes", read.bytes_max);
    assert!(
        read.bytes_current < 3_000_000,
        "{} bytes as written",
        read.bytes_current
    );
    assert!(
        read.bytes_max < 4_000_000,
        "{} bytes while reading",
        read.bytes_max
    );
    assert!(
        check.bytes_current < 10_000_000,
        "{} bytes as checked",
        check.bytes_current
    );
}
