//! `key`: what makes two requests identical, in 128 bits.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName};

/// The secret of this process, from the system's randomness.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Which requests are identical: those whose parts, put into a [`KeyBuilder`] in the same order, are.
///
/// Only this hash is compared, never the parts, so two requests with one hash would get each other's answers. The hash is
/// SipHash, a keyed pseudo-random function, under a secret that no request and no answer reveals: a collision cannot be
/// computed, only met. Among 2^32 different requests, 50 days of 1,000 new ones a second, one is met with a probability of
/// 2^-65. (foldhash takes 15 ns for 75 bytes instead of 170 and says of itself that its secret can be derived from timings.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u128);

impl Key {
    /// Some of its bits, as good as random.
    pub(super) fn bits(self) -> usize {
        self.0 as usize
    }
}

/// Builds a [`Key`] part by part.
///
/// Every part goes in behind its length: ("a", "bc") and ("ab", "c") differ, and a header that is absent differs from an empty
/// one. The method is no part: GET fills, HEAD reads what GET filled, and an unsafe method drops it.
pub(crate) struct KeyBuilder {
    high: DefaultHasher,
    low: DefaultHasher,
}

impl KeyBuilder {
    /// A key without parts.
    pub(crate) fn new() -> Self {
        Self {
            high: half(0),
            low: half(1),
        }
    }

    /// Adds bytes: the route (whose rules then hold for all who share), the cluster, the host and the target as the backend
    /// sees them.
    #[must_use]
    pub(crate) fn part(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    /// Adds each of `keyed` with all its values in `headers`, or that it has none.
    #[must_use]
    pub(crate) fn headers(mut self, keyed: &[HeaderName], headers: &HeaderMap) -> Self {
        for name in keyed {
            self.add(name.as_str().as_bytes());
            self.add_number(headers.get_all(name).iter().count());
            for value in headers.get_all(name) {
                self.add(value.as_bytes());
            }
        }
        self
    }

    /// The key of the parts so far.
    pub(crate) fn finish(&self) -> Key {
        Key(u128::from(self.high.finish()) << 64 | u128::from(self.low.finish()))
    }

    fn add(&mut self, bytes: &[u8]) {
        self.add_number(bytes.len());
        self.high.write(bytes);
        self.low.write(bytes);
    }

    fn add_number(&mut self, number: usize) {
        self.high.write_usize(number);
        self.low.write_usize(number);
    }
}

impl Default for KeyBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// One pseudo-random function gives two independent ones when their inputs begin differently.
fn half(number: u8) -> DefaultHasher {
    let mut hasher = SECRET.build_hasher();
    hasher.write_u8(number);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};
    use proptest::prelude::*;

    fn key(parts: &[Vec<u8>]) -> Key {
        parts
            .iter()
            .fold(KeyBuilder::new(), |key, part| key.part(part))
            .finish()
    }

    fn headers_key(values: &[&'static str]) -> Key {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_static(value));
        }
        KeyBuilder::new()
            .headers(&[header::ACCEPT_LANGUAGE], &headers)
            .finish()
    }

    #[test]
    fn where_a_part_ends_matters() {
        assert_ne!(
            key(&[b"a".into(), b"bc".into()]),
            key(&[b"ab".into(), b"c".into()])
        );
        assert_ne!(key(&[b"a".into()]), key(&[b"a".into(), b"".into()]));
    }

    #[test]
    fn an_absent_header_differs_from_an_empty_one_and_values_from_their_concatenation() {
        let keys = [
            headers_key(&[]),
            headers_key(&[""]),
            headers_key(&["de", "en"]),
            headers_key(&["deen"]),
            headers_key(&["en", "de"]),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(
                keys[at + 1..].iter().all(|other| other != one),
                "key {at} is met again"
            );
        }
    }

    #[test]
    fn a_value_is_not_taken_for_the_name_of_the_next_header() {
        let key = |name| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("accept-language"))]);
            let keyed = [header::ACCEPT, header::ACCEPT_LANGUAGE];
            KeyBuilder::new().headers(&keyed, &headers).finish()
        };
        assert_ne!(key(header::ACCEPT), key(header::ACCEPT_LANGUAGE));
    }

    #[test]
    fn which_headers_are_keyed_matters() {
        let none = HeaderMap::new();
        let of = |name| KeyBuilder::new().headers(&[name], &none).finish();
        assert_ne!(of(header::ACCEPT), of(header::ACCEPT_LANGUAGE));
    }

    #[test]
    fn headers_that_are_not_keyed_do_not_matter() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("curl"));
        let key = |headers| KeyBuilder::new().headers(&[header::ACCEPT], headers).finish();
        assert_eq!(key(&headers), key(&HeaderMap::new()));
    }

    #[test]
    fn the_two_halves_are_independent() {
        let Key(both) = key(&[b"target".into()]);
        assert_ne!((both >> 64) as u64, both as u64);
    }

    proptest! {
        #[test]
        fn keys_are_equal_exactly_when_their_parts_are(
            one in proptest::collection::vec(proptest::collection::vec(0_u8..2, 0..3), 0..4),
            other in proptest::collection::vec(proptest::collection::vec(0_u8..2, 0..3), 0..4),
        ) {
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }
}
