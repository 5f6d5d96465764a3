//! What conditions and templates cost on a request: `cargo bench -p gateway --bench conditions`.
#![allow(missing_docs, reason = "the function criterion_group! makes has none")]

use std::{hint::black_box, net::IpAddr};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::edge::Request;
use meta::{
    language::{Condition, Template, UrlTemplate},
    pattern::MergeSlashes,
};
use pingora_http::RequestHeader;

const CONDITIONS: [(&str, &str); 10] = [
    ("header is text", "header.x-group == \"beta\""),
    ("header is number", "header.x-version >= 2"),
    ("header is absent", "header.x-none"),
    ("cookie", "cookie.group == \"b\""),
    ("query", "query.page == 7"),
    ("query, encoded", "query.name == \"a b\""),
    ("regex", "header.user-agent ~ \"(Firefox|Chrome)/[0-9]+\""),
    ("client_ip", "client_ip in [\"10.0.0.0/8\", \"192.0.2.0/24\"]"),
    ("one of", "method in [\"GET\", \"HEAD\"]"),
    (
        "five terms",
        "header.x-version >= 2 && cookie.group == \"b\" && (query.page < 10 || query.all) && !header.x-none",
    ),
];

fn head() -> RequestHeader {
    let target = b"/users/7/orders?page=7&name=a%20b&sort=up";
    let mut head = RequestHeader::build("GET", target, None).expect("a good head");
    for (name, value) in [
        ("host", "api.example.com:8080"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        ("accept", "application/json"),
        ("x-group", "beta"),
        ("x-version", "12"),
        ("cookie", "session=0123456789abcdef; group=b; theme=dark"),
    ] {
        head.append_header(name, value).expect("a good field");
    }
    head
}

fn client() -> IpAddr {
    [192, 0, 2, 7].into()
}

fn conditions(criterion: &mut Criterion) {
    let head = head();
    let mut group = criterion.benchmark_group("conditions");
    group.bench_function("view", |bench| {
        bench.iter(|| black_box(Request::new(black_box(&head), client(), MergeSlashes::No)));
    });
    let request = Request::new(&head, client(), MergeSlashes::No);
    for (name, source) in CONDITIONS {
        let condition = Condition::parse(source).expect("a good condition");
        group.bench_function(name, |bench| bench.iter(|| condition.holds(black_box(&request))));
    }
}

fn templates(criterion: &mut Criterion) {
    let head = head();
    let request = Request::new(&head, client(), MergeSlashes::No);
    let mut group = criterion.benchmark_group("templates");
    for source in [
        "fixed",
        "{header.x-group}",
        "{method} {path} from {client_ip} ({header.user-agent})",
    ] {
        let template = Template::parse(source).expect("a good template");
        group.bench_function(source, |bench| {
            bench.iter(|| template.render_header_value(black_box(&request)))
        });
    }
    for source in [
        "/v2{path}",
        "/orders/{query.page}?name={query.name}",
        "https://{host}{path}?{query}",
    ] {
        let template = UrlTemplate::parse(source).expect("a good template");
        let mut out = String::with_capacity(256);
        group.bench_function(source, |bench| {
            bench.iter(|| {
                out.clear();
                template.render_into(&mut out, black_box(&request));
            });
        });
    }
}

criterion_group!(benches, conditions, templates);
criterion_main!(benches);
