//! A matcher that looks at every entry, compared with the router on random entries and requests.

use meta::pattern::Segment;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// The entries in order; each asked alone.
fn reference(
    entries: &[Entry<String>],
    host: &str,
    path: &str,
    method: &Method,
    refused: &[String],
) -> String {
    let mut places: Vec<_> = entries
        .iter()
        .flat_map(|entry| Precedence::of(entry).map(move |place| (place, entry)))
        .collect();
    places.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0));
    let known = places.iter().filter(|((_, pattern), entry)| {
        pattern.is_none_or(|pattern| pattern.matches(host))
            && entry.path.as_ref().is_none_or(|pattern| matches(pattern, path))
            && !refused.contains(&entry.id)
    });
    let known: Vec<&Entry<String>> = known.map(|(_, entry)| *entry).collect();
    let takes = |entry: &Entry<String>, method: &Method| {
        let as_get = *method == Method::HEAD && entry.methods.contains(&Method::GET);
        entry.methods.is_empty() || entry.methods.contains(method) || as_get
    };
    if let Some(found) = known.iter().find(|entry| takes(entry, method)) {
        return found.id.clone();
    }
    let all = [Method::GET, Method::HEAD, Method::POST, Method::PUT];
    let allow: Vec<_> = all
        .iter()
        .filter(|method| known.iter().any(|entry| takes(entry, method)))
        .collect();
    if allow.is_empty() {
        return "404".to_owned();
    }
    format!(
        "405 {}",
        allow
            .iter()
            .map(|method| method.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// One pattern against one path, segment by segment.
fn matches(pattern: &PathPattern, path: &str) -> bool {
    let mut rest = path
        .strip_prefix('/')
        .map(|path| path.split('/').collect::<Vec<_>>())
        .unwrap_or_default();
    for segment in pattern.segments() {
        if rest.is_empty() {
            return false;
        }
        let text = rest.remove(0);
        let is_match = match segment {
            Segment::Literal(literal) => **literal == *text,
            Segment::Parameter(_) => !text.is_empty(),
            Segment::Constrained(_, constraint) => constraint.matches(text),
            Segment::Tail(_) => return true,
        };
        if !is_match {
            return false;
        }
    }
    rest.is_empty()
}

const HOSTS: [&str; 6] = ["a.b.c", "*.b.c", "*.c", "x.c", "*.a.b.c", "b.c"];
const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::HEAD];

fn any_path() -> impl Strategy<Value = Option<PathPattern>> {
    let segment = select(vec!["a", "b", "1", "", "{N}", "{N}", "{N:[0-9]}", "{N:[a1]}"]);
    let tail = select(vec!["", "", "", "/*", "/{rest*}"]);
    let pattern = (proptest::collection::vec(segment, 0..5), tail).prop_map(|(segments, tail)| {
        let numbered = segments
            .iter()
            .enumerate()
            .map(|(n, segment)| format!("/{}", segment.replace('N', &format!("p{n}"))));
        let text = numbered.collect::<String>() + tail;
        if text.is_empty() {
            None
        } else {
            Some(text.parse().unwrap())
        }
    });
    prop_oneof![9 => pattern, 1 => Just(None)]
}

fn any_entries() -> impl Strategy<Value = Vec<Entry<String>>> {
    let parts = (
        0..3i32,
        prop_oneof![2 => Just(vec![]), 1 => subsequence(HOSTS.to_vec(), 1..3)],
        any_path(),
        prop_oneof![1 => Just(vec![]), 2 => subsequence(METHODS.to_vec(), 1..3)],
        0..2usize,
    );
    proptest::collection::vec(parts, 0..12).prop_map(|entries| {
        let numbered = entries.into_iter().enumerate();
        let entries = numbered.map(|(n, (priority, hosts, path, methods, terms))| Entry {
            priority,
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            path,
            methods,
            terms,
            ..entry(&n.to_string(), "")
        });
        entries.collect()
    })
}

fn any_request() -> impl Strategy<Value = (String, String, Method)> {
    let path = proptest::collection::vec(select(vec!["a", "b", "1", "2", "", "%31"]), 0..6)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    let host = select(vec!["a.b.c", "b.c", "x.c", "y.x.c", "z.a.b.c", "c", "other"]).prop_map(str::to_owned);
    let method = select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT]);
    (host, path, method)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_lookup_is_what_asking_all_entries_in_order_gives(
        entries in any_entries(),
        requests in proptest::collection::vec(any_request(), 8),
        refused in subsequence((0..12).map(|n: i32| n.to_string()).collect::<Vec<_>>(), 0..4),
    ) {
        let router = Router::new(entries.clone());
        for (host, path, method) in &requests {
            let found = describe(router.find(host, path, method, |id, _| !refused.contains(id)));
            prop_assert_eq!(found, reference(&entries, host, path, method, &refused), "{} {}{}", method, host, path);
        }
    }

    #[test]
    fn the_order_of_insertion_never_matters(
        (entries, shuffled) in any_entries().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        requests in proptest::collection::vec(any_request(), 8),
    ) {
        let (router, shuffled) = (Router::new(entries), Router::new(shuffled));
        for (host, path, method) in &requests {
            prop_assert_eq!(find(&router, method, host, path), find(&shuffled, method, host, path));
        }
    }
}
