//! How long a merged answer may be cached: the most restrictive of what its nodes say (RFC 9111 §5.2.2).
//!
//! One limit: `must-revalidate` and `s-maxage` also permit shared caches to keep the answer to an authorized request
//! (RFC 9111 §3.5), and they are kept if one node says so. Who forwards such requests has to add `private`.

use std::time::SystemTime;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, DATE, EXPIRES, PRAGMA},
};

use crate::share::{cache_control::CacheControl, freshness};

/// The caching rules of several nodes' answers, as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Combined {
    rules: Option<CacheControl>,
    /// A node said something about caching.
    spoken: bool,
    /// A node said nothing about it.
    silent: bool,
}

impl Combined {
    /// Adds the answer of a node; `now` stands in for a missing `Date`.
    pub(crate) fn add(&mut self, headers: &HeaderMap, now: impl FnOnce() -> SystemTime) {
        // Most say nothing, and a look at the names is cheaper than reading rules that are not there.
        let may_say = |name: &HeaderName| [CACHE_CONTROL, EXPIRES, PRAGMA].contains(name);
        let rules = match headers.keys().any(may_say) {
            true => rules_of(headers, now),
            false => CacheControl::default(),
        };
        let silent = rules == CacheControl::default();
        self.silent |= silent;
        self.spoken |= !silent;
        self.rules = Some(self.rules.map_or(rules, |others| stricter(others, rules)));
    }

    /// The answer is one client's: nobody else may be given it, whatever the nodes say (RFC 9111 §3.5).
    pub(crate) fn make_private(&mut self) {
        if let Some(rules) = self.rules.as_mut().filter(|_| self.spoken) {
            rules.private = true;
        }
    }

    /// The `Cache-Control` of the merged answer; none if no node says anything.
    ///
    /// A node that is silent, or names no lifetime where others do, promises nothing. How long its part stays true
    /// would be a guess (RFC 9111 §4.2.2), and not one to make for it: the whole becomes `no-cache`.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        let mut rules = self.rules.filter(|_| self.spoken)?;
        rules.no_cache |= self.silent;
        let text = write(&rules);
        HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
    }
}

/// A node's rules as they are left when its answer arrives: lifetimes without the age it already has, and `Expires`
/// as `max-age`.
fn rules_of(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> CacheControl {
    let mut rules = CacheControl::of(headers);
    let age = freshness::age(headers).as_secs();
    rules.max_age = rules.max_age.or_else(|| expires(headers, now));
    let overdue = age.saturating_sub(shortest_lifetime(&rules).unwrap_or(0));
    let left = |lifetime: Option<u64>, gone: u64| lifetime.map(|seconds| seconds.saturating_sub(gone));
    rules.max_age = left(rules.max_age, age);
    rules.s_maxage = left(rules.s_maxage, age);
    rules.stale_while_revalidate = left(rules.stale_while_revalidate, overdue);
    rules.stale_if_error = left(rules.stale_if_error, overdue);
    rules
}

/// What both rules allow. The order in which nodes are added does not matter.
fn stricter(one: CacheControl, other: CacheControl) -> CacheControl {
    let unpromised = shortest_lifetime(&one).is_some() != shortest_lifetime(&other).is_some();
    CacheControl {
        no_store: one.no_store || other.no_store,
        no_cache: one.no_cache || other.no_cache || unpromised,
        private: one.private || other.private,
        public: one.public && other.public,
        must_revalidate: one.must_revalidate || other.must_revalidate,
        proxy_revalidate: one.proxy_revalidate || other.proxy_revalidate,
        no_transform: one.no_transform || other.no_transform,
        immutable: one.immutable && other.immutable,
        max_age: private_lifetime(&one, &other),
        s_maxage: one
            .s_maxage
            .or(other.s_maxage)
            .and(shorter(shared_lifetime(&one), shared_lifetime(&other))),
        stale_while_revalidate: shorter(one.stale_while_revalidate, other.stale_while_revalidate),
        stale_if_error: shorter(one.stale_if_error, other.stale_if_error),
        ..CacheControl::default()
    }
}

/// For private caches. A node that gives a lifetime to shared caches only leaves the others nothing.
fn private_lifetime(one: &CacheControl, other: &CacheControl) -> Option<u64> {
    match (one.max_age, other.max_age) {
        (None, None) => None,
        (one, other) => shorter(one, other).or(Some(0)),
    }
}

fn shared_lifetime(rules: &CacheControl) -> Option<u64> {
    rules.s_maxage.or(rules.max_age)
}

fn shortest_lifetime(rules: &CacheControl) -> Option<u64> {
    shorter(rules.max_age, rules.s_maxage)
        .or(rules.max_age)
        .or(rules.s_maxage)
}

/// The shorter of two durations; none unless there are both.
fn shorter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.min(other?))
}

/// The rules as a field value. Beside `no-cache` no lifetime is written: nothing may be used unasked anyway.
fn write(rules: &CacheControl) -> String {
    if rules.no_store {
        return "no-store".to_owned();
    }
    let usable = !rules.no_cache;
    let flags = [
        ("private", rules.private),
        ("public", rules.public && !rules.private),
        ("no-cache", rules.no_cache),
        ("must-revalidate", rules.must_revalidate),
        ("proxy-revalidate", rules.proxy_revalidate),
        ("no-transform", rules.no_transform),
        ("immutable", rules.immutable && usable),
    ];
    let durations = [
        ("max-age", rules.max_age),
        ("s-maxage", rules.s_maxage.filter(|_| !rules.private)),
        ("stale-while-revalidate", rules.stale_while_revalidate),
        ("stale-if-error", rules.stale_if_error),
    ];
    let flags = flags
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| name.to_owned());
    let durations = durations.into_iter().filter(|_| usable);
    let durations = durations.filter_map(|(name, seconds)| Some(format!("{name}={}", seconds?)));
    flags.chain(durations).collect::<Vec<_>>().join(", ")
}

/// The seconds from `Date` to `Expires`; 0 if that is past or no date, as `Expires: 0` is (RFC 9111 §5.3).
fn expires(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Option<u64> {
    let expires = date(headers.get(EXPIRES)?);
    let date = headers.get(DATE).and_then(date).unwrap_or_else(now);
    Some(
        expires
            .and_then(|expires| expires.duration_since(date).ok())
            .map_or(0, |left| left.as_secs()),
    )
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    freshness::date(value).map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const SUNDAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    /// The combination of nodes, each given as `name: value` lines.
    fn combined(nodes: &[&str]) -> Option<String> {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut combined = Combined::default();
        nodes.iter().for_each(|node| combined.add(&headers(node), || now));
        combined
            .value()
            .map(|value| value.to_str().expect("visible").to_owned())
    }

    fn headers(lines: &str) -> HeaderMap {
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or(("cache-control", line));
            (name.parse().expect("a name"), value.parse().expect("a value"))
        };
        lines
            .lines()
            .map(pair)
            .collect::<Vec<(http::HeaderName, HeaderValue)>>()
            .into_iter()
            .collect()
    }

    fn check(cases: &[(&[&str], &str)]) {
        for (nodes, expected) in cases {
            assert_eq!(
                combined(nodes).as_deref().unwrap_or("nothing"),
                *expected,
                "{nodes:?}"
            );
        }
    }

    #[test]
    fn silence_stays_silence_and_one_node_stays_as_it_is() {
        check(&[
            (&[], "nothing"),
            (&["", ""], "nothing"),
            (&["etag: x", "pragma: x", "x-unknown=1"], "nothing"),
            (
                &["public, max-age=60, immutable"],
                "public, immutable, max-age=60",
            ),
            (&["s-maxage=60"], "s-maxage=60"),
            (&["max-age=5, stale-if-error=9"], "max-age=5, stale-if-error=9"),
        ]);
    }

    #[test]
    fn what_restricts_is_kept_and_what_permits_needs_all() {
        check(&[
            (&["public, max-age=60", "no-store", "private"], "no-store"),
            (&["", "no-store"], "no-store"),
            (&["private", "public"], "private"),
            (&["public", "public"], "public"),
            (&["public, max-age=5", "max-age=5"], "max-age=5"),
            (&["max-age=5", "no-cache, max-age=9"], "no-cache"),
            (
                &["max-age=5, must-revalidate", "max-age=6"],
                "must-revalidate, max-age=5",
            ),
            (
                &["proxy-revalidate", "no-transform"],
                "proxy-revalidate, no-transform",
            ),
            (&["immutable, max-age=5", "max-age=6"], "max-age=5"),
            (
                &["immutable, max-age=5", "immutable, max-age=6"],
                "immutable, max-age=5",
            ),
            (
                &[
                    "max-age=5, stale-while-revalidate=7",
                    "max-age=6, stale-while-revalidate=3",
                ],
                "max-age=5, stale-while-revalidate=3",
            ),
            (
                &[
                    "max-age=5, stale-while-revalidate=7",
                    "max-age=6, stale-if-error=3",
                ],
                "max-age=5",
            ),
        ]);
    }

    #[test]
    fn the_shortest_lifetime_counts() {
        check(&[
            (&["max-age=60", "max-age=30", "max-age=90"], "max-age=30"),
            (&["max-age=60", "max-age=x"], "max-age=0"),
            (&["s-maxage=60", "s-maxage=30"], "s-maxage=30"),
            (
                &["max-age=9, s-maxage=60", "max-age=30"],
                "max-age=9, s-maxage=30",
            ),
            (
                &["max-age=100, s-maxage=10", "max-age=50"],
                "max-age=50, s-maxage=10",
            ),
            (&["s-maxage=60", "max-age=30"], "max-age=0, s-maxage=30"),
            (
                &["private, max-age=9", "max-age=9, s-maxage=60"],
                "private, max-age=9",
            ),
        ]);
    }

    #[test]
    fn a_node_that_promises_nothing_makes_the_whole_no_cache() {
        check(&[
            (&["max-age=60", ""], "no-cache"),
            (&["", "private, max-age=60, immutable"], "private, no-cache"),
            (&["", "private"], "private, no-cache"),
            (&["public, max-age=60", "public"], "public, no-cache"),
            (&["max-age=60", "pragma: no-cache"], "no-cache"),
            (&["max-age=60", "max-age=9\npragma: no-cache"], "max-age=9"),
        ]);
    }

    #[test]
    fn age_is_taken_off() {
        check(&[
            (&["max-age=60\nage: 20", "max-age=50"], "max-age=40"),
            (&["max-age=60, s-maxage=90\nage: 20"], "max-age=40, s-maxage=70"),
            (&["max-age=60\nage: 61"], "max-age=0"),
            (&["max-age=60\nage: x"], "max-age=60"),
            (&["max-age=60\nage: 5, 7"], "max-age=55"),
            (
                &["max-age=60, stale-if-error=30\nage: 70"],
                "max-age=0, stale-if-error=20",
            ),
            (
                &["max-age=60, stale-if-error=30\nage: 50"],
                "max-age=10, stale-if-error=30",
            ),
        ]);
    }

    #[test]
    fn expires_stands_in_for_max_age() {
        let expires = |rest: &str| combined(&[&format!("expires: {SUNDAY}{rest}")]);
        assert_eq!(
            expires("\ndate: Sun, 06 Nov 1994 08:48:37 GMT").as_deref(),
            Some("max-age=60")
        );
        assert_eq!(
            expires("\ndate: Sun, 06 Nov 1994 08:48:37 GMT\nage: 9").as_deref(),
            Some("max-age=51")
        );
        assert_eq!(
            expires("\ndate: Sun, 06 Nov 1994 08:50:00 GMT").as_deref(),
            Some("max-age=0")
        );
        assert_eq!(
            expires("\ncache-control: max-age=7").as_deref(),
            Some("max-age=7")
        );
        assert_eq!(expires("").as_deref(), Some("max-age=0"));
        check(&[
            (&["expires: 0"], "max-age=0"),
            (&["expires: Sun, 06 Nov 1994 08:49:47 GMT"], "max-age=10"),
            (&["expires: Sun, 06 Nov 1994 08:49:47 GMT\ndate: x"], "max-age=10"),
        ]);
    }

    proptest! {
        #[test]
        fn the_order_of_nodes_does_not_matter(
            (nodes, shuffled) in vec(node(), 0..6).prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle()))
        ) {
            let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
            let shuffled: Vec<_> = shuffled.iter().map(String::as_str).collect();
            prop_assert_eq!(combined(&nodes), combined(&shuffled));
        }
    }

    fn node() -> impl Strategy<Value = String> {
        let directive = select(vec![
            "public",
            "private",
            "no-cache",
            "immutable",
            "max-age=3",
            "max-age=9",
            "s-maxage=1",
            "s-maxage=20",
            "stale-if-error=4",
            "x",
        ]);
        vec(directive, 0..4).prop_map(|directives| directives.join(", "))
    }
}
