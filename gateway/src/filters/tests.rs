//! Each kind of filter as a request meets it, and a kind of one's own.
#![allow(clippy::unwrap_used, clippy::panic)]

use meta::{check::check, document::Document, model, schema};
use serde_json::json;

use super::*;

/// A request `GET /users/7?x=1` from 192.0.2.7 on the route `/users/{id}`.
struct Client {
    head: RequestHeader,
    params: SavedParams,
    address: IpAddr,
}

impl Client {
    fn new(target: &str) -> Self {
        let mut head = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        for (name, value) in [("host", "Example.com:80"), ("x-user", "ada"), ("x-many", "1")] {
            head.append_header(name, value).unwrap();
        }
        head.append_header("x-many", "2").unwrap();
        Self {
            head,
            params: params(target),
            address: "192.0.2.7".parse().unwrap(),
        }
    }

    fn from(address: &str) -> Self {
        Self {
            address: address.parse().unwrap(),
            ..Self::new("/users/7")
        }
    }

    /// Meets the filters of a route in their order, until one ends it.
    fn meets(&mut self, filters: &[Arc<dyn AnyFilter>]) -> Verdict {
        let mut request = FilterRequest::new(&mut self.head, &self.params, self.address, MergeSlashes::No);
        let verdicts = filters.iter().map(|filter| filter.request(&mut request));
        verdicts
            .into_iter()
            .find(|verdict| !matches!(verdict, Verdict::GoOn))
            .unwrap_or(Verdict::GoOn)
    }

    fn answer(&mut self, filters: &[Arc<dyn AnyFilter>]) -> Answer {
        match self.meets(filters) {
            Verdict::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// What the filters make of a response, from the last to the first.
    fn gets(&self, filters: &[Arc<dyn AnyFilter>], fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        let view = Request::new(&self.head, self.address, MergeSlashes::No).with_params(&self.params);
        filters
            .iter()
            .rev()
            .for_each(|filter| filter.response(&view, &mut response));
        response.headers.clone()
    }

    fn all(&self, name: &str) -> Vec<String> {
        all(&self.head.headers, name)
    }
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// What `/users/{id}` keeps of a target.
fn params(target: &str) -> SavedParams {
    let router = crate::router::Router::new(vec![crate::router::Entry {
        id: "r".into(),
        priority: 0,
        hosts: vec![],
        path: Some("/users/{id}".parse().unwrap()),
        methods: vec![],
        terms: 0,
        value: (),
    }]);
    let path = target.split('?').next().unwrap();
    match router.find("", path, &http::Method::GET, |_, _| true) {
        crate::router::Lookup::Found { params, .. } => SavedParams::new(&params),
        _ => SavedParams::default(),
    }
}

/// The filters of a route as they come out of a configuration, which has to be sound.
fn filters(specs: Json) -> Box<[Arc<dyn AnyFilter>]> {
    filters_of(&Filters::default(), specs)
}

fn filters_of(known: &Filters, specs: Json) -> Box<[Arc<dyn AnyFilter>]> {
    let route = json!({ "id": "r", "match": { "path": "/users/{id}" }, "to": [{ "cluster": "c" }], "filters": specs });
    let text = json!({ "routes": [route], "clusters": [{ "id": "c" }] }).to_string();
    let report = check(&Document::read(&text), None, known.kinds());
    assert!(!report.has_errors(), "{:?}", report.problems);
    let made = known.make(&report.checked.routes().next().unwrap().filters);
    assert_eq!(made.len(), specs.as_array().unwrap().len());
    made
}

#[test]
fn access_lets_in_whom_it_allows_and_not_whom_it_denies() {
    let both = json!([{ "access": { "allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.6.0.0/16"] } }]);
    let deny = json!([{ "access": { "deny": ["192.0.2.7", "::1"] } }]);
    for (config, client, is_let_in) in [
        (&both, "10.1.2.3", true),
        (&both, "::ffff:10.1.2.3", true),
        (&both, "10.6.6.6", false),
        (&both, "11.0.0.1", false),
        (&both, "2001:db8::7", true),
        (&both, "2001:db9::7", false),
        (&deny, "192.0.2.7", false),
        (&deny, "::ffff:192.0.2.7", false),
        (&deny, "::1", false),
        (&deny, "192.0.2.8", true),
    ] {
        let verdict = Client::from(client).meets(&filters(config.clone()));
        match is_let_in {
            true => assert!(matches!(verdict, Verdict::GoOn), "{client}: {verdict:?}"),
            false => assert!(
                matches!(verdict, Verdict::Refuse(Refusal::AccessDenied)),
                "{client}: {verdict:?}"
            ),
        }
    }
}

#[test]
fn headers_are_removed_then_set_then_added() {
    let filters = filters(json!([{ "headers": { "request": {
        "remove": ["x-many", "X-Absent"],
        "set": { "x-user": "{header.x-user}-{param.id}", "x-both": "set" },
        "add": { "x-many": "3", "x-both": "added" },
    } } }]));
    let mut client = Client::new("/users/7?x=1");
    assert!(matches!(client.meets(&filters), Verdict::GoOn));
    assert_eq!(client.all("x-many"), ["3"]);
    assert_eq!(client.all("x-user"), ["ada-7"]);
    assert_eq!(client.all("x-both"), ["set", "added"]);
    assert_eq!(client.all("host"), ["Example.com:80"]);
}

#[test]
fn every_value_of_a_headers_filter_is_what_the_client_sent() {
    let filters = filters(json!([{ "headers": { "request": {
        "remove": ["x-user"],
        "set": { "a": "{header.b}", "b": "{header.x-many}", "x-many": "{header.x-user}" },
        "add": { "c": "{header.x-many}{header.none}" },
    } } }]));
    let mut client = Client::new("/users/7");
    client.meets(&filters);
    let (a, b, c, many) = (
        client.all("a"),
        client.all("b"),
        client.all("c"),
        client.all("x-many"),
    );
    assert_eq!(
        (a, b, c, many),
        (
            vec![String::new()],
            vec!["1, 2".into()],
            vec!["1, 2".into()],
            vec!["ada".into()]
        )
    );
    assert!(client.all("x-user").is_empty());
}

#[test]
fn a_value_cannot_end_its_header_field() {
    let filters = filters(json!([{ "headers": { "request": { "set": { "x-a": "[{query.x}]" } } } }]));
    let mut client = Client::new("/users/7?x=1%0d%0aX-Evil:%20yes%00");
    client.meets(&filters);
    assert_eq!(client.all("x-a"), ["[1  X-Evil: yes ]"]);
    assert!(client.all("x-evil").is_empty());
}

#[test]
fn filters_meet_the_request_in_order_and_the_response_in_reverse() {
    let set = |value: &str| json!({ "headers": { "request": { "set": { "x-last": format!("{{header.x-last}}{value}") } }, "response": { "set": { "x-last": value } } } });
    let filters = filters(json!([set("1"), set("2"), set("3")]));
    let mut client = Client::new("/users/7");
    client.meets(&filters);
    assert_eq!(client.all("x-last"), ["123"]);
    assert_eq!(all(&client.gets(&filters, &[]), "x-last"), ["1"]);
}

#[test]
fn headers_of_the_response_change_with_values_of_the_request() {
    let filters = filters(json!([{ "headers": { "response": {
        "remove": ["server", "x-b"],
        "set": { "x-a": "{param.id} {client_ip}" },
        "add": { "set-cookie": "a=1" },
    } } }]));
    let got = Client::new("/users/7").gets(
        &filters,
        &[
            ("server", "x"),
            ("x-b", "1"),
            ("x-a", "old"),
            ("set-cookie", "b=2"),
        ],
    );
    assert!(all(&got, "server").is_empty() && all(&got, "x-b").is_empty());
    assert_eq!(all(&got, "x-a"), ["7 192.0.2.7"]);
    assert_eq!(all(&got, "set-cookie"), ["b=2", "a=1"]);
}

#[test]
fn a_redirect_keeps_the_query_unless_it_says_which() {
    for (to, target, location) in [
        ("/people/{param.id}", "/users/7?x=1&y=%20", "/people/7?x=1&y=%20"),
        ("/people/{param.id}?z=2", "/users/7?x=1", "/people/7?z=2"),
        ("/people?", "/users/7?x=1", "/people?"),
        ("/people?{query}", "/users/7?x=1", "/people?x=1"),
        (
            "https://{host}{path}",
            "/users/7?x=1",
            "https://example.com/users/7?x=1",
        ),
        ("https://{host}{path}", "/users/7", "https://example.com/users/7"),
        (
            "/people/{param.id}",
            "/users/%2F%2Fevil.com",
            "/people/%2F%2Fevil.com",
        ),
        ("{path}", "//evil.com/a", "/.//evil.com/a"),
    ] {
        let answer = Client::new(target).answer(&filters(json!([{ "redirect": { "to": to } }])));
        assert_eq!(answer.status, 308);
        assert_eq!(all(&answer.headers, "location"), [location], "{to} {target}");
        assert!(answer.body.is_empty());
    }
    let answer =
        Client::new("/users/7").answer(&filters(json!([{ "redirect": { "to": "/", "status": 302 } }])));
    assert_eq!(answer.status, 302);
}

#[test]
fn a_reply_renders_its_fields_and_its_body() {
    let reply = |config: Json| Client::new("/users/7?x=a%0db").answer(&filters(json!([{ "reply": config }])));
    let answer = reply(json!({}));
    assert_eq!(
        (answer.status, answer.body.len(), answer.headers.len()),
        (200, 0, 0)
    );
    let answer = reply(
        json!({ "status": 418, "body": "{param.id} {{}} {header.x-user}", "headers": { "x-a": "{query.x}" } }),
    );
    assert_eq!(answer.status, 418);
    assert_eq!(answer.body, "7 {} ada");
    assert_eq!(
        all(&answer.headers, "content-type"),
        ["text/plain; charset=utf-8"]
    );
    assert_eq!(all(&answer.headers, "x-a"), ["a b"]);
    let answer = reply(json!({ "body": "[]", "headers": { "Content-Type": "application/json" } }));
    assert_eq!(all(&answer.headers, "content-type"), ["application/json"]);
    assert_eq!(answer.body, "[]");
}

#[test]
fn the_first_filter_that_answers_ends_it() {
    let filters = filters(json!([
        { "access": { "deny": ["192.0.2.0/24"] } },
        { "reply": { "body": "hello" } },
        { "redirect": { "to": "/" } },
    ]));
    assert!(matches!(
        Client::new("/users/7").meets(&filters),
        Verdict::Refuse(Refusal::AccessDenied)
    ));
    assert_eq!(Client::from("10.0.0.1").answer(&filters).body, "hello");
}

/// Writes its word into the request and the path's id into the response; sends away whoever has the word already.
struct Stamp(StampConfig);

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct StampConfig {
    /// The word.
    word: String,
}

impl FilterConfig for StampConfig {
    const NAME: &'static str = "stamp";

    fn flaws(&self) -> Vec<(String, String)> {
        let empty = self.word.is_empty();
        empty
            .then(|| ("/word".to_owned(), "a stamp has a word".to_owned()))
            .into_iter()
            .collect()
    }

    fn values(&self) -> Vec<(String, meta::language::Value)> {
        vec![("/word".into(), meta::language::Value::parse("param.id").unwrap())]
    }
}

impl Filter for Stamp {
    type Config = StampConfig;

    fn new(config: StampConfig) -> Self {
        Self(config)
    }

    fn request(&self, request: &mut FilterRequest<'_>) -> Verdict {
        if request.view().head().headers.contains_key("x-stamp") {
            return Verdict::Refuse(Refusal::BadRequest);
        }
        let _ = request.head_mut().insert_header("x-stamp", self.0.word.as_str());
        Verdict::GoOn
    }
}

fn with_stamp() -> Filters {
    let mut filters = Filters::default();
    filters.add::<Stamp>();
    filters
}

#[test]
fn a_kind_of_ones_own_is_made_and_meets_requests() {
    let filters = filters_of(&with_stamp(), json!([{ "stamp": { "word": "seen" } }]));
    let mut client = Client::new("/users/7");
    assert!(matches!(client.meets(&filters), Verdict::GoOn));
    assert_eq!(client.all("x-stamp"), ["seen"]);
    assert!(matches!(
        client.meets(&filters),
        Verdict::Refuse(Refusal::BadRequest)
    ));
    assert!(client.gets(&filters, &[]).is_empty());
}

#[test]
fn a_kind_of_ones_own_is_named_checked_and_in_the_schema() {
    let known = with_stamp();
    assert_eq!(
        known.kinds().names().collect::<Vec<_>>(),
        ["access", "headers", "redirect", "reply", "stamp"]
    );
    let schema = schema::objects(known.kinds());
    let stamp = &schema["$defs"]["Filter"]["properties"]["stamp"];
    let name = stamp["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(schema["$defs"][name]["properties"]["word"]["type"], "string");
    for (config, path, expected) in [
        (
            json!({ "word": "" }),
            "/{id}",
            "filters[0].stamp.word: a stamp has a word",
        ),
        (
            json!({ "wort": "a", "word": "b" }),
            "/{id}",
            "filters[0].stamp.wort: unknown key \"wort\"; did you mean \"word\"? allowed: word",
        ),
        (
            json!({ "word": "a" }),
            "/",
            "filters[0].stamp.word: there is no parameter \"id\"; the path has no parameters",
        ),
    ] {
        let route = json!({ "id": "r", "match": { "path": path }, "to": [{ "cluster": "c" }], "filters": [{ "stamp": config }] });
        let text = json!({ "routes": [route], "clusters": [{ "id": "c" }] }).to_string();
        let errors: Vec<String> = check(&Document::read(&text), None, known.kinds())
            .problems
            .iter()
            .filter(|problem| problem.severity == meta::problem::Severity::Error)
            .map(|problem| problem.to_string().split_once("routes/r: ").unwrap().1.to_owned())
            .collect();
        assert_eq!(errors, [expected], "{config}");
    }
}

#[test]
fn a_kind_of_the_same_name_replaces_the_one_before() {
    struct Quiet;
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct QuietReply {}
    impl FilterConfig for QuietReply {
        const NAME: &'static str = "reply";
    }
    impl Filter for Quiet {
        type Config = QuietReply;
        fn new(_: QuietReply) -> Self {
            Self
        }
    }
    let mut known = Filters::default();
    known.add::<Quiet>();
    assert_eq!(known.kinds().names().count(), 4);
    let filters = filters_of(&known, json!([{ "reply": {} }]));
    assert!(matches!(Client::new("/users/7").meets(&filters), Verdict::GoOn));
}

#[test]
fn what_was_not_checked_is_left_out() {
    let spec = |kind: &str, config: Json| model::FilterSpec {
        kind: kind.into(),
        config,
    };
    let specs = [
        spec("none", json!({})),
        spec("redirect", json!({})),
        spec("reply", json!({})),
    ];
    assert_eq!(Filters::default().make(&specs).len(), 1);
}
