//! What the product promises about matching, sentence by sentence; and every lookup against a reference that is too simple
//! to be wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod reference;
mod worst_case;

use super::*;

/// An entry whose value is its id.
pub(super) fn entry(id: &str, path: &str) -> Entry<String> {
    Entry {
        id: id.to_owned(),
        priority: 0,
        hosts: Vec::new(),
        path: (!path.is_empty()).then(|| path.parse().unwrap()),
        methods: Vec::new(),
        terms: 0,
        value: id.to_owned(),
    }
}

fn hosts(entry: Entry<String>, hosts: &[&str]) -> Entry<String> {
    Entry {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        ..entry
    }
}

fn methods(entry: Entry<String>, methods: &[Method]) -> Entry<String> {
    Entry {
        methods: methods.to_vec(),
        ..entry
    }
}

/// The id found, `405 GET, HEAD`, or `404`.
fn find(router: &Router<String>, method: &Method, host: &str, path: &str) -> String {
    describe(router.find(host, path, method, |_, _| true))
}

fn describe(lookup: Lookup<'_, '_, String>) -> String {
    match lookup {
        Lookup::Found { value, .. } => value.clone(),
        Lookup::MethodNotAllowed(allow) => format!("405 {allow}"),
        Lookup::NotFound => "404".to_owned(),
    }
}

fn get(router: &Router<String>, path: &str) -> String {
    find(router, &Method::GET, "h", path)
}

/// Checks that of the entries, which all match, the first wins, then the second when it is gone, and so on, in whatever
/// order they are given.
#[track_caller]
fn check_order(entries: &[Entry<String>], host: &str, path: &str) {
    for first in 0..entries.len() {
        let mut rest = entries[first..].to_vec();
        assert_eq!(
            find(&Router::new(rest.clone()), &Method::GET, host, path),
            entries[first].id
        );
        rest.reverse();
        assert_eq!(
            find(&Router::new(rest), &Method::GET, host, path),
            entries[first].id
        );
    }
}

#[test]
fn priority_decides_before_everything_else() {
    let tail = Entry {
        priority: 1,
        ..entry("tail", "/*")
    };
    let all = Entry {
        priority: 2,
        ..entry("all", "")
    };
    check_order(&[all, tail, hosts(entry("exact", "/a/b"), &["h"])], "h", "/a/b");
}

#[test]
fn then_the_narrower_host() {
    let entries = [
        hosts(entry("exact", ""), &["a.b.c"]),
        hosts(entry("longer", "/*"), &["*.b.c"]),
        hosts(entry("shorter", "/x"), &["*.c"]),
        entry("none", "/x"),
    ];
    check_order(&entries, "a.b.c", "/x");
}

#[test]
fn then_the_narrower_path() {
    let patterns = [
        "/a/1/c",
        "/a/{x}/c",
        "/a/1/*",
        "/a/{x:[0-9]+}/{y}",
        "/a/{x}/{y}",
        "/a/{x}/*",
        "/a/*",
        "/{x:a}/{y:1}/{z:c}",
        "/{x}/{y}/{z}",
        "/{x}/*",
        "/*",
        "",
    ];
    check_order(
        &patterns.map(|pattern| entry(&format!("<{pattern}>"), pattern)),
        "h",
        "/a/1/c",
    );
}

#[test]
fn then_listed_methods_then_condition_terms_then_the_id() {
    let entries = [
        methods(
            Entry {
                terms: 1,
                ..entry("d", "/a")
            },
            &[Method::GET],
        ),
        methods(entry("c", "/a"), &[Method::GET]),
        Entry {
            terms: 2,
            ..entry("e", "/a")
        },
        Entry {
            terms: 1,
            ..entry("z", "/a")
        },
        entry("a", "/a"),
        entry("b", "/a"),
    ];
    check_order(&entries, "h", "/a");
}

#[test]
fn an_entry_with_several_hosts_stands_by_the_one_it_matched() {
    let both = hosts(entry("both", "/*"), &["a.x.org", "*.org"]);
    let wild = hosts(entry("wild", "/*"), &["*.x.org"]);
    let router = Router::new(vec![both, wild]);
    assert_eq!(find(&router, &Method::GET, "a.x.org", "/"), "both");
    assert_eq!(find(&router, &Method::GET, "b.x.org", "/"), "wild");
    assert_eq!(find(&router, &Method::GET, "b.y.org", "/"), "both");
}

#[test]
fn overlapping_patterns_are_both_reachable() {
    let router = Router::new(vec![
        entry("x", "/r/{n:[0-9]+}/x"),
        entry("y", "/r/{s}/y"),
        entry("z", "/r/1/z"),
    ]);
    assert_eq!(get(&router, "/r/1/x"), "x");
    assert_eq!(get(&router, "/r/1/y"), "y");
    assert_eq!(get(&router, "/r/1/z"), "z");
    assert_eq!(get(&router, "/r/a/x"), "404");
}

#[test]
fn a_refused_condition_falls_through_to_the_next() {
    let router = Router::new(vec![
        entry("exact", "/a"),
        entry("param", "/{x}"),
        entry("tail", "/*"),
    ]);
    let without =
        |refused: &[&str]| describe(router.find("h", "/a", &Method::GET, |id, _| !refused.contains(&&**id)));
    assert_eq!(without(&[]), "exact");
    assert_eq!(without(&["exact"]), "param");
    assert_eq!(without(&["exact", "param"]), "tail");
    assert_eq!(without(&["exact", "param", "tail"]), "404");
}

#[test]
fn a_wrong_method_falls_through_to_the_next() {
    let router = Router::new(vec![
        methods(entry("get", "/a"), &[Method::GET]),
        entry("tail", "/*"),
    ]);
    assert_eq!(find(&router, &Method::POST, "h", "/a"), "tail");
}

#[test]
fn a_known_path_with_a_wrong_method_says_which_are_right() {
    let purge = Method::from_bytes(b"PURGE").unwrap();
    let router = Router::new(vec![
        methods(entry("a", "/a"), &[Method::PUT, Method::GET]),
        methods(entry("b", "/{x}"), std::slice::from_ref(&purge)),
        methods(entry("refused", "/a"), &[Method::PATCH]),
    ]);
    let lookup = router.find("h", "/a", &Method::DELETE, |id, _| id != "refused");
    assert_eq!(describe(lookup), "405 GET, HEAD, PURGE, PUT");
    assert_eq!(find(&router, &purge, "h", "/a"), "b");
    assert_eq!(
        find(&router, &Method::from_bytes(b"LINK").unwrap(), "h", "/b"),
        "405 PURGE"
    );
    assert_eq!(
        describe(router.find("h", "/a", &Method::DELETE, |_, _| false)),
        "404"
    );
    assert_eq!(get(&router, "/a/b"), "404");
}

#[test]
fn head_is_served_by_get() {
    let router = Router::new(vec![methods(entry("get", "/a"), &[Method::GET])]);
    assert_eq!(find(&router, &Method::HEAD, "h", "/a"), "get");
    let router = Router::new(vec![methods(entry("head", "/a"), &[Method::HEAD])]);
    assert_eq!(get(&router, "/a"), "405 HEAD");
}

#[test]
fn two_hosts_may_own_the_same_path() {
    let router = Router::new(vec![
        hosts(entry("a", "/x"), &["a.com"]),
        hosts(entry("b", "/x"), &["b.com", "*.b.com"]),
    ]);
    assert_eq!(find(&router, &Method::GET, "a.com", "/x"), "a");
    assert_eq!(find(&router, &Method::GET, "b.com", "/x"), "b");
    assert_eq!(find(&router, &Method::GET, "x.y.b.com", "/x"), "b");
    assert_eq!(find(&router, &Method::GET, "c.com", "/x"), "404");
    assert_eq!(find(&router, &Method::GET, ".b.com", "/x"), "404");
}

#[test]
fn colons_and_other_legal_characters_are_ordinary() {
    let router = Router::new(vec![
        entry("custom", "/v1/things:cancel"),
        entry("param", "/v1/{thing}"),
    ]);
    assert_eq!(get(&router, "/v1/things:cancel"), "custom");
    assert_eq!(get(&router, "/v1/a:b;c=d,e"), "param");
}

#[test]
fn a_tail_begins_below_its_slash_and_may_be_empty() {
    let router = Router::new(vec![entry("tail", "/api/{rest*}")]);
    for (path, rest) in [
        ("/api/", Some("")),
        ("/api/a", Some("a")),
        ("/api/a//b/", Some("a//b/")),
        ("/api", None),
    ] {
        match router.find("h", path, &Method::GET, |_, _| true) {
            Lookup::Found { params, .. } => {
                assert_eq!(params.get("rest"), rest, "{path}");
                assert!(params.is_tail("rest") && !params.is_tail("api"));
            }
            _ => assert_eq!(rest, None, "{path}"),
        }
    }
}

#[test]
fn a_parameter_is_one_whole_segment_that_is_not_empty() {
    let router = Router::new(vec![entry("p", "/a/{x}/b"), entry("r", "/c/{x:.*}")]);
    assert_eq!(get(&router, "/a/1/b"), "p");
    assert_eq!(get(&router, "/a/1%2F2/b"), "p");
    for no in ["/a//b", "/a/1/2/b", "/a/1/b/", "/c/", "/c"] {
        assert_eq!(get(&router, no), "404", "{no}");
    }
}

#[test]
fn a_constraint_sees_the_decoded_segment_and_the_parameter_keeps_the_raw_one() {
    let router = Router::new(vec![entry("p", "/{x:[a-z ]+}/{y}/{rest*}")]);
    let lookup = router.find("h", "/a%20b/%2F/c/d", &Method::GET, |_, params| {
        params.get("y") == Some("%2F")
    });
    let Lookup::Found { params, .. } = lookup else {
        panic!("not found")
    };
    assert_eq!(
        params.iter().collect::<Vec<_>>(),
        [("x", "a%20b"), ("y", "%2F"), ("rest", "c/d")]
    );
    assert_eq!(params.get("z"), None);
}

#[test]
fn what_is_not_a_path_matches_only_entries_of_every_path() {
    let router = Router::new(vec![entry("tail", "/*")]);
    assert_eq!(get(&router, "*"), "404");
    assert_eq!(get(&router, ""), "404");
    let router = Router::new(vec![entry("tail", "/*"), entry("all", "")]);
    assert_eq!(get(&router, "*"), "all");
}

#[test]
fn an_empty_router_finds_nothing() {
    assert_eq!(get(&Router::new(Vec::new()), "/"), "404");
}

#[test]
fn an_entry_may_name_a_host_twice() {
    let router = Router::new(vec![hosts(entry("a", "/"), &["a.com", "A.com."])]);
    assert_eq!(find(&router, &Method::GET, "a.com", "/"), "a");
}
