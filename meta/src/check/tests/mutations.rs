//! Whatever is done to a text: what runs is whole, and what was not touched stays as it was.

use proptest::prelude::*;

use super::*;

const GOOD: &str = "\
servers:
- id: s1
  address: 127.0.0.1:1
- id: s2
  address: users.internal:2
  weight: 3
  limit: { requests_per_second: 500, burst: 50, max_in_flight: 200 }
- id: s3
  address: '[::1]:3'
  health_check: { path: /health, interval: 5s, status: [200, 204] }
- { id: both, address: 127.0.0.1:4 }
clusters:
- id: c1
  servers: [s1, { id: s2, weight: 2 }]
- id: c2
  servers:
  - s3
  - both
  retry: { attempts: 3, on: [connect, 503] }
  timeout: { total: 30s }
  limit: { max_in_flight: auto, queue: { size: 5, wait: 1s } }
  breaker: { consecutive_failures: 5, slow_call: 2s, failure_status: [500, 503] }
- { id: both, servers: [both], load_balance: { consistent_hash: header.x } }
routes:
- id: r1
  match: { path: '/a/{id}', when: param.id != \"7\" && header.x }
  to: [{ cluster: c1, weight: 9 }, { cluster: c2 }]
  sticky: cookie.user
  limit: { rate: 100/1m, key: [client_ip, param.id], missing: share }
  priority_class: critical
- id: r2
  match:
    path: /b/*
    hosts: [example.com, '*.example.org']
  to:
  - cluster: c2
  mirror: { cluster: both, percent: 5 }
  filters:
  - headers: { request: { set: { x-a: '{path}' } } }
  - access: { allow: [10.0.0.0/8] }
- { id: both, to: [{ cluster: both }], rewrite: '/x{path}' }
- { id: r4, match: { path: /c }, filters: [{ reply: { body: hello } }] }
aggregations:
- id: a1
  match: { path: '/home/{id}' }
  timeout: 800ms
  nodes:
  - { name: user, cluster: c1, url: '/users/{param.id}', timeout: 300ms }
  - name: orders
    cluster: c2
    url: /orders?user={node.user.id}
    required: false
    fallback: []
    headers: { x-level: '{node.user.level}' }
  - { name: both, cluster: both, url: /x, when: node.user.level > 3, cache: { ttl: 1s, key: [header.x] } }
  response: { user: '{node.user}', total: '{node.orders.total}' }
- { id: both, nodes: [{ name: s1, cluster: both, url: '{path}' }] }
";

#[derive(Clone, Debug)]
enum Damage {
    DeleteLine(usize),
    RepeatLine(usize, usize),
    SwapLines(usize, usize),
    Indent(usize),
    Word(usize, &'static str),
    Byte(usize, char),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let words = [
        "s1",
        "c1",
        "both",
        "r1",
        "~",
        "0",
        "-1",
        "[]",
        "{}",
        "id",
        "x: y",
        "'",
        "127.0.0.1:1",
        "to",
        "nodes",
        "{node.s1}",
        "{node.both.x}",
        "{node.user}",
        "&a",
        "*a",
        "<<",
        "|",
        "? ",
    ];
    let any = any::<usize>;
    prop_oneof![
        any().prop_map(Damage::DeleteLine),
        (any(), any()).prop_map(|(line, to)| Damage::RepeatLine(line, to)),
        (any(), any()).prop_map(|(one, other)| Damage::SwapLines(one, other)),
        any().prop_map(Damage::Indent),
        (any(), proptest::sample::select(words.to_vec())).prop_map(|(at, word)| Damage::Word(at, word)),
        (any(), proptest::char::range(' ', '~')).prop_map(|(at, with)| Damage::Byte(at, with)),
        any().prop_map(Damage::Cut),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let count = lines.len().max(1);
    if lines.is_empty() {
        lines.push("");
    }
    let indented;
    match *damage {
        Damage::DeleteLine(line) => drop(lines.remove(line % count)),
        Damage::RepeatLine(line, to) => lines.insert(to % count, lines[line % count]),
        Damage::SwapLines(one, other) => lines.swap(one % count, other % count),
        Damage::Indent(line) => {
            indented = format!(" {}", lines[line % count]);
            lines[line % count] = &indented;
        }
        Damage::Word(at, with) => {
            return spliced(text, at, |c| c.is_alphanumeric() || c == '-' || c == '.', with);
        }
        Damage::Byte(at, with) => return spliced(text, at, |_| false, &with.to_string()),
        Damage::Cut(at) => return text.chars().take(at % (text.len() + 1)).collect(),
    }
    lines.join("\n") + "\n"
}

/// Puts `with` in the place of the character at `at` and what goes `on` after it.
fn spliced(text: &str, at: usize, on: fn(char) -> bool, with: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at % chars.len().max(1);
    let rest = chars.iter().skip(at + 1).skip_while(|c| on(**c));
    chars
        .iter()
        .take(at)
        .chain(&with.chars().collect::<Vec<_>>())
        .chain(rest)
        .collect()
}

/// The object that `checked` has for a raw one, as a pointer and as a value.
fn running(checked: &Checked, kind: Kind, id: &str) -> Option<*const ()> {
    fn of<T>(entry: Option<&Entry<T>>) -> Option<*const ()> {
        entry.map(|entry| Arc::as_ptr(&entry.object).cast())
    }
    match kind {
        Kind::Server => of(checked.servers.get(id)),
        Kind::Cluster => of(checked.clusters.get(id)),
        Kind::Route => of(checked.routes.get(id)),
        Kind::Aggregation => of(checked.aggregations.get(id)),
    }
}

/// What holds of a report on `after`, when `before` was the text of all that ran.
fn assert_untouched_stays(before: &Document, running_before: &Checked, after: &Document, report: &Report) {
    for old in &before.objects {
        let (kind, id) = (old.kind, old.id.as_str());
        let was = running(running_before, kind, id);
        let is = running(&report.checked, kind, id);
        let gone = after.complete
            && after.find(kind, id).is_none()
            && !after.broken.contains(&(kind, id.to_owned()));
        let broken = report
            .quarantined
            .iter()
            .any(|object| object.kind == kind && object.id == id);
        let unchanged = after.find(kind, id).is_some_and(|new| new.value == old.value);
        if unchanged || broken {
            prop_assert_same(was, is, old);
        } else if !gone {
            assert!(is.is_some(), "{kind}/{id} was lost");
        }
    }
}

fn prop_assert_same(was: Option<*const ()>, is: Option<*const ()>, object: &RawObject) {
    assert!(
        was == is && is.is_some(),
        "{}/{} is another one",
        object.kind,
        object.id
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_to_a_text_what_runs_is_whole_and_the_untouched_stays(
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let before = Document::read(GOOD);
        let mut proxy = Proxy::running(GOOD);
        let running_before = proxy.running.clone().unwrap();
        let text = damages.iter().fold(GOOD.to_owned(), |text, one| damaged(&text, one));
        let report = proxy.takes(&text);
        assert_untouched_stays(&before, &running_before, &Document::read(&text), &report);
        // A broken object is never alone with its fate: somebody is told why.
        for object in &report.quarantined {
            prop_assert!(!object.problems.is_empty(), "{object:?}");
        }
    }

    #[test]
    fn after_any_number_of_damaged_texts_the_good_one_runs_as_written(
        texts in proptest::collection::vec(proptest::collection::vec(damage(), 1..4), 1..6),
    ) {
        let good = first(GOOD);
        let mut proxy = Proxy::running(GOOD);
        let mut text = GOOD.to_owned();
        for (at, damages) in texts.iter().enumerate() {
            // Every second time on top of the damage before.
            let from = if at % 2 == 0 { GOOD } else { &text };
            text = damages.iter().fold(from.to_owned(), |text, one| damaged(&text, one));
            let (before, running_before) = (proxy.running.clone().unwrap(), proxy.running.clone());
            let report = proxy.takes(&text);
            for object in report.quarantined.iter().filter(|object| object.serving == Serving::LastGood) {
                let was = running(&before, object.kind, &object.id);
                prop_assert!(was.is_some() && was == running(&report.checked, object.kind, &object.id));
            }
            // Checking the same again changes nothing.
            let again = check(&Document::read(&text), running_before.as_ref(), &FilterKinds::default());
            prop_assert_eq!(problems(&again), problems(&report));
        }
        let report = proxy.takes(GOOD);
        prop_assert_eq!(problems(&report), problems(&good));
        prop_assert_eq!(runs(&report), runs(&good));
        prop_assert!(report.quarantined.is_empty());
        let routes = |checked: &Checked| checked.routes().cloned().collect::<Vec<_>>();
        prop_assert_eq!(routes(&report.checked), routes(&good.checked));
        let aggregations = |checked: &Checked| checked.aggregations().cloned().collect::<Vec<_>>();
        prop_assert_eq!(aggregations(&report.checked), aggregations(&good.checked));
    }

    #[test]
    fn a_damaged_text_alone_gives_something_whole(damages in proptest::collection::vec(damage(), 1..6)) {
        let text = damages.iter().fold(GOOD.to_owned(), |text, one| damaged(&text, one));
        first(&text);
    }
}
