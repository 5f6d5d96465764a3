//! What one message says about caching: its `Cache-Control` (RFC 9111 §5.2), or the `Pragma` of old.
//!
//! Where a message is unclear the strict reading counts: a lifetime that is no number is 0, of several the shortest
//! is taken, and `no-cache="field"` and `private="field"` are read as if they had no field. `must-understand` is
//! ignored, so that the `no-store` beside it stands.

use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, PRAGMA},
};

use super::list::{split_list, split_pair};

const LONGEST_SECONDS: u64 = 1 << 31;

/// The caching directives of one message, of a request or of a response. Durations are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    /// Not to be stored at all.
    pub(crate) no_store: bool,
    /// Not to be used without asking the origin.
    pub(crate) no_cache: bool,
    /// Not to be stored by shared caches.
    pub(crate) private: bool,
    /// May be stored by shared caches, even if the request was authorized.
    pub(crate) public: bool,
    /// Once stale, not to be used without asking the origin.
    pub(crate) must_revalidate: bool,
    /// The same, for shared caches.
    pub(crate) proxy_revalidate: bool,
    /// The content is not to be changed on the way.
    pub(crate) no_transform: bool,
    /// Does not change while fresh (RFC 8246).
    pub(crate) immutable: bool,
    /// The client takes a stored answer or none.
    pub(crate) only_if_cached: bool,
    /// How long an answer is fresh, or how old one the client takes at most.
    pub(crate) max_age: Option<u64>,
    /// `max_age` for shared caches.
    pub(crate) s_maxage: Option<u64>,
    /// How long past its freshness the client takes an answer; [`u64::MAX`] for however long.
    pub(crate) max_stale: Option<u64>,
    /// How long the client wants an answer to stay fresh.
    pub(crate) min_fresh: Option<u64>,
    /// How long past its freshness an answer may be used while it is revalidated (RFC 5861 §3).
    pub(crate) stale_while_revalidate: Option<u64>,
    /// How long past its freshness an answer may be used instead of an error (RFC 5861 §4).
    pub(crate) stale_if_error: Option<u64>,
}

impl CacheControl {
    /// The directives of a message with these headers; `Pragma: no-cache` counts only without any `Cache-Control`
    /// (RFC 9111 §5.4).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut rules = Self::default();
        if headers.contains_key(CACHE_CONTROL) {
            headers
                .get_all(CACHE_CONTROL)
                .iter()
                .for_each(|value| rules.read(value));
        } else {
            rules.no_cache = headers.get_all(PRAGMA).iter().any(asks_no_cache);
        }
        rules
    }

    fn read(&mut self, value: &HeaderValue) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for directive in split_list(&text, b',') {
            let (name, argument) = split_pair(directive);
            self.set(&name.to_ascii_lowercase(), argument.as_deref());
        }
    }

    fn set(&mut self, name: &str, argument: Option<&str>) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "no-transform" => self.no_transform = true,
            "immutable" => self.immutable = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => shorten(&mut self.max_age, seconds_or(argument, 0)),
            "s-maxage" => shorten(&mut self.s_maxage, seconds_or(argument, 0)),
            "stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, seconds_or(argument, 0)),
            "stale-if-error" => shorten(&mut self.stale_if_error, seconds_or(argument, 0)),
            "max-stale" if argument.is_none() => shorten(&mut self.max_stale, u64::MAX),
            "max-stale" => shorten(&mut self.max_stale, seconds_or(argument, 0)),
            "min-fresh" => self.min_fresh = self.min_fresh.max(Some(seconds_or(argument, u64::MAX))),
            _ => {}
        }
    }
}

/// A number of seconds, and no more than the 68 years at which recipients may stop counting (RFC 9111 §1.2.2).
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(LONGEST_SECONDS).min(LONGEST_SECONDS))
}

fn seconds_or(argument: Option<&str>, strict: u64) -> u64 {
    argument.and_then(seconds).unwrap_or(strict)
}

fn shorten(duration: &mut Option<u64>, other: u64) {
    *duration = Some(duration.map_or(other, |present| present.min(other)));
}

fn asks_no_cache(pragma: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(pragma.as_bytes());
    split_list(&text, b',').any(|directive| directive.eq_ignore_ascii_case("no-cache"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> CacheControl {
        let values = values
            .iter()
            .map(|value| HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        CacheControl::of(&values.map(|value| (CACHE_CONTROL, value)).collect())
    }

    #[test]
    fn each_directive_is_read() {
        let none = CacheControl::default;
        let cases = [
            ("", none()),
            (
                "no-store",
                CacheControl {
                    no_store: true,
                    ..none()
                },
            ),
            (
                "no-cache",
                CacheControl {
                    no_cache: true,
                    ..none()
                },
            ),
            (
                "private",
                CacheControl {
                    private: true,
                    ..none()
                },
            ),
            (
                "public",
                CacheControl {
                    public: true,
                    ..none()
                },
            ),
            (
                "must-revalidate",
                CacheControl {
                    must_revalidate: true,
                    ..none()
                },
            ),
            (
                "proxy-revalidate",
                CacheControl {
                    proxy_revalidate: true,
                    ..none()
                },
            ),
            (
                "no-transform",
                CacheControl {
                    no_transform: true,
                    ..none()
                },
            ),
            (
                "immutable",
                CacheControl {
                    immutable: true,
                    ..none()
                },
            ),
            (
                "only-if-cached",
                CacheControl {
                    only_if_cached: true,
                    ..none()
                },
            ),
            (
                "max-age=60",
                CacheControl {
                    max_age: Some(60),
                    ..none()
                },
            ),
            (
                "s-maxage=60",
                CacheControl {
                    s_maxage: Some(60),
                    ..none()
                },
            ),
            (
                "max-stale=60",
                CacheControl {
                    max_stale: Some(60),
                    ..none()
                },
            ),
            (
                "max-stale",
                CacheControl {
                    max_stale: Some(u64::MAX),
                    ..none()
                },
            ),
            (
                "min-fresh=60",
                CacheControl {
                    min_fresh: Some(60),
                    ..none()
                },
            ),
            (
                "stale-while-revalidate=60",
                CacheControl {
                    stale_while_revalidate: Some(60),
                    ..none()
                },
            ),
            (
                "stale-if-error=60",
                CacheControl {
                    stale_if_error: Some(60),
                    ..none()
                },
            ),
        ];
        for (text, rules) in cases {
            assert_eq!(of(&[text]), rules, "{text}");
        }
    }

    #[test]
    fn case_spaces_quotes_and_unknown_directives_do_not_matter() {
        let expected = CacheControl {
            private: true,
            max_age: Some(60),
            ..Default::default()
        };
        for text in [
            "Private, MAX-AGE=60",
            " private ,, max-age = 60 ",
            r#"private, max-age="60""#,
            r#"private="set-cookie, no-store", max-age=60"#,
            r#"private="a\", public", max-age=60"#,
            r#"community="UCI, no-store", private, max-age=60, x="é""#,
            "private, must-understand, max-age=60",
        ] {
            assert_eq!(of(&[text]), expected, "{text}");
        }
        assert_eq!(of(&["private", "max-age=60"]), expected);
    }

    #[test]
    fn the_strict_reading_counts() {
        for text in [
            "max-age",
            "max-age=",
            "max-age=x",
            "max-age=-1",
            "max-age=1.5",
            "max-age=+1",
            "max-age=9, max-age=0",
        ] {
            assert_eq!(of(&[text]).max_age, Some(0), "{text}");
        }
        assert_eq!(of(&["max-age=99999999999999999999"]).max_age, Some(1 << 31));
        assert_eq!(of(&["max-stale=x"]).max_stale, Some(0));
        assert_eq!(of(&["min-fresh=x"]).min_fresh, Some(u64::MAX));
        assert_eq!(
            of(&["min-fresh=5", "min-fresh=7, min-fresh=6"]).min_fresh,
            Some(7)
        );
        assert!(of(&[r#"no-cache="set-cookie""#]).no_cache);
        assert!(of(&[r#"x="never closed, no-store"#]).no_store);
        assert!(of(&["must-understand, no-store"]).no_store);
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let pragma = |value: &'static str| (PRAGMA, HeaderValue::from_static(value));
        let control = (CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
        assert!(CacheControl::of(&[pragma("x, No-Cache")].into_iter().collect()).no_cache);
        assert!(!CacheControl::of(&[pragma("x")].into_iter().collect()).no_cache);
        assert!(!CacheControl::of(&[pragma("no-cache"), control].into_iter().collect()).no_cache);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(text in r#"[a-z=", \\0-9é-]{0,40}"#) {
            of(&[&text]);
        }
    }
}
