//! What `freshness` promises, as tables.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::key;
use crate::share::freshness::{Asked, Lifetime, Limits, Lookup, Rule, age, may_look_up, shareable, storable};

const SECOND: Duration = Duration::from_secs(1);

/// Fresh for 60 s, stale for 600 s more.
const RULE: Rule = Rule {
    ttl: Duration::from_secs(60),
    stale_if_error: Duration::from_secs(600),
    keep_authorized: false,
    keep_cookies: false,
};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, value.parse().expect("a header value"));
    }
    headers
}

fn looked_up(method: &Method, lines: &[(&str, &str)], rule: &Rule, keyed: &[HeaderName]) -> Lookup {
    let headers = headers(lines);
    let asked = Asked {
        key: key("a"),
        keyed,
        method,
        headers: &headers,
    };
    may_look_up(&asked, rule)
}

fn get(lines: &[(&str, &str)]) -> Lookup {
    looked_up(&Method::GET, lines, &RULE, &[])
}

/// Seconds of freshness and staleness of a 200 with these headers.
fn kept(lines: &[(&str, &str)]) -> Option<(u64, u64)> {
    seconds_of(storable(
        &[],
        StatusCode::OK,
        &headers(lines),
        Duration::ZERO,
        &RULE,
    ))
}

fn seconds_of(lifetime: Option<Lifetime>) -> Option<(u64, u64)> {
    lifetime.map(|lifetime| (lifetime.fresh_for.as_secs(), lifetime.stale_for.as_secs()))
}

#[test]
fn only_get_and_head_are_looked_up() {
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(
            looked_up(&method, &[], &RULE, &[]),
            Lookup::Use(Limits::default()),
            "{method}"
        );
    }
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        assert_eq!(looked_up(&method, &[], &RULE, &[]), Lookup::Bypass, "{method}");
    }
}

#[test]
fn partial_and_conditional_requests_and_no_store_bypass() {
    for line in [
        ("range", "bytes=0-1"),
        ("if-range", "\"a\""),
        ("if-match", "*"),
        ("if-none-match", "\"a\""),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("cache-control", "no-store"),
        ("cache-control", "no-store, only-if-cached"),
    ] {
        assert_eq!(get(&[line]), Lookup::Bypass, "{line:?}");
    }
}

#[test]
fn authorized_requests_bypass_unless_the_rule_or_the_key_allows_them() {
    let lines = [("authorization", "Bearer x")];
    let lenient = Rule {
        keep_authorized: true,
        ..RULE
    };
    assert_eq!(get(&lines), Lookup::Bypass);
    assert_eq!(
        looked_up(&Method::GET, &lines, &lenient, &[]),
        Lookup::Use(Limits::default())
    );
    let keyed = [header::AUTHORIZATION];
    assert_eq!(
        looked_up(&Method::GET, &lines, &RULE, &keyed),
        Lookup::Use(Limits::default())
    );
}

#[test]
fn a_client_that_insists_gets_the_backends_answer() {
    for line in [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("cache-control", "max-age=0, max-stale=5"),
        ("pragma", "no-cache"),
    ] {
        assert_eq!(get(&[line]), Lookup::Refresh, "{line:?}");
    }
}

#[test]
fn pragma_counts_only_without_cache_control() {
    let limits = Limits {
        max_age: Some(5 * SECOND),
        ..Limits::default()
    };
    assert_eq!(
        get(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]),
        Lookup::Use(limits)
    );
}

#[test]
fn the_clients_limits_are_read() {
    let limits = Limits {
        max_age: Some(9 * SECOND),
        min_fresh: 2 * SECOND,
        max_stale: 3 * SECOND,
    };
    let line = ("cache-control", "max-age=9, min-fresh=2, max-stale=3");
    assert_eq!(get(&[line]), Lookup::Use(limits));
    assert_eq!(
        get(&[line, ("cache-control", "only-if-cached")]),
        Lookup::OnlyIfCached(limits)
    );
}

#[test]
fn only_if_cached_with_no_cache_accepts_what_has_no_age() {
    let limits = Limits {
        max_age: Some(Duration::ZERO),
        ..Limits::default()
    };
    assert_eq!(
        get(&[("cache-control", "only-if-cached, no-cache")]),
        Lookup::OnlyIfCached(limits)
    );
}

#[test]
fn statuses_cacheable_by_default_are_kept() {
    for status in 100..600 {
        let status = StatusCode::from_u16(status).expect("a status");
        let kept = storable(&[], status, &HeaderMap::new(), Duration::ZERO, &RULE).is_some();
        assert_eq!(
            kept,
            [200, 203, 204, 301, 404, 410].contains(&status.as_u16()),
            "{status}"
        );
    }
}

#[test]
fn the_backend_can_shorten_the_lifetime_but_not_lengthen_it() {
    for (line, fresh) in [
        ("", 60),
        ("public", 60),
        ("max-age=10", 10),
        ("max-age=61", 60),
        ("s-maxage=10, max-age=20", 10),
        ("s-maxage=20, max-age=10", 20),
        ("max-age=x", 0),
        ("max-age=0", 0),
        ("s-maxage=0, max-age=50", 0),
        ("no-cache", 0),
        ("no-cache=\"x-a\", max-age=50", 0),
    ] {
        assert_eq!(kept(&[("cache-control", line)]), Some((fresh, 600)), "{line}");
    }
}

#[test]
fn the_age_on_arrival_and_the_backends_delay_count_against_the_lifetime() {
    for (age, fresh) in [
        ("0", 50),
        ("20", 30),
        ("50", 0),
        ("999999999999999999999", 0),
        ("x", 50),
        ("-1", 50),
    ] {
        assert_eq!(
            kept(&[("cache-control", "max-age=50"), ("age", age)]),
            Some((fresh, 600)),
            "{age}"
        );
    }
    let lines = headers(&[("cache-control", "max-age=50"), ("age", "20")]);
    let late = storable(&[], StatusCode::OK, &lines, 5 * SECOND, &RULE);
    assert_eq!(seconds_of(late), Some((25, 600)));
}

#[test]
fn expires_counts_from_date_if_there_is_no_max_age() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (lines, fresh) in [
        (vec![DATE, ("expires", "Sun, 06 Nov 1994 08:49:57 GMT")], 20),
        (
            vec![DATE, ("expires", "Sun, 06 Nov 1994 08:49:57 GMT"), ("age", "5")],
            15,
        ),
        (vec![DATE, ("expires", "Sun, 06 Nov 1994 09:49:37 GMT")], 60),
        (vec![DATE, ("expires", "Sun, 06 Nov 1994 08:49:36 GMT")], 0),
        (vec![DATE, ("expires", "0")], 0),
        (vec![DATE, ("expires", "Sunday, 06-Nov-94 08:49:57 GMT")], 0),
        (vec![("expires", "Sun, 06 Nov 2094 08:49:57 GMT")], 0),
        (vec![DATE, ("expires", "0"), ("cache-control", "max-age=7")], 7),
    ] {
        assert_eq!(kept(&lines), Some((fresh, 600)), "{lines:?}");
    }
}

#[test]
fn the_backend_can_shorten_or_forbid_stale_use() {
    for (line, stale) in [
        ("must-revalidate", 0),
        ("proxy-revalidate", 0),
        ("stale-if-error=5", 5),
        ("stale-if-error=601", 600),
        ("s-maxage=60", 600),
    ] {
        assert_eq!(kept(&[("cache-control", line)]), Some((60, stale)), "{line}");
    }
}

#[test]
fn what_is_never_good_for_anything_is_not_stored() {
    for line in [
        "no-cache, must-revalidate",
        "max-age=0, must-revalidate",
        "s-maxage=0, proxy-revalidate",
    ] {
        assert_eq!(kept(&[("cache-control", line)]), None, "{line}");
    }
    let nothing = storable(
        &[],
        StatusCode::OK,
        &HeaderMap::new(),
        Duration::ZERO,
        &Rule::default(),
    );
    assert_eq!(nothing, None);
}

#[test]
fn no_store_and_private_are_never_stored() {
    for line in [
        "no-store",
        "private",
        "private=\"set-cookie\"",
        "public, no-store, max-age=50",
    ] {
        assert_eq!(kept(&[("cache-control", line)]), None, "{line}");
    }
}

#[test]
fn cookies_are_shared_only_if_the_rule_says_so() {
    let lines = headers(&[("set-cookie", "a=b")]);
    let lenient = Rule {
        keep_cookies: true,
        ..RULE
    };
    for (rule, shared) in [(RULE, false), (lenient, true)] {
        assert_eq!(
            storable(&[], StatusCode::OK, &lines, Duration::ZERO, &rule).is_some(),
            shared
        );
        assert_eq!(shareable(&[], &lines, &rule), shared);
    }
}

#[test]
fn an_answer_is_shared_only_if_the_key_has_all_it_varies_by() {
    let keyed = [header::ACCEPT, header::ACCEPT_LANGUAGE];
    for (lines, shared) in [
        (vec![], true),
        (vec![("vary", "Accept")], true),
        (vec![("vary", "accept , ,Accept-Language")], true),
        (vec![("vary", "accept"), ("vary", "cookie")], false),
        (vec![("vary", "accept, cookie")], false),
        (vec![("vary", "*")], false),
        (vec![("vary", "accept, *")], false),
        (vec![("vary", "\u{e9}")], false),
    ] {
        let found = storable(&keyed, StatusCode::OK, &headers(&lines), Duration::ZERO, &RULE);
        assert_eq!(found.is_some(), shared, "{lines:?}");
        assert_eq!(shareable(&keyed, &headers(&lines), &RULE), shared, "{lines:?}");
    }
}

#[test]
fn private_answers_are_not_shareable_and_no_store_ones_are() {
    for (line, shared) in [("private", false), ("no-store", true), ("no-cache", true)] {
        assert_eq!(
            shareable(&[], &headers(&[("cache-control", line)]), &RULE),
            shared,
            "{line}"
        );
    }
}

#[test]
fn the_first_age_counts_and_nonsense_counts_as_none() {
    for (said, seconds) in [("7", 7), ("5, 9", 5), ("x", 0), ("-1", 0), ("", 0)] {
        let headers = HeaderMap::from_iter([(header::AGE, http::HeaderValue::from_static(said))]);
        assert_eq!(age(&headers), Duration::from_secs(seconds), "{said}");
    }
}
