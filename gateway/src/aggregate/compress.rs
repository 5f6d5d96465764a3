//! Compresses the gateway's own answers: which coding the client prefers, and the compression.
//!
//! For bodies that are whole in memory; nothing is streamed. The levels are where more time stops to pay: what waits
//! behind a compression on the same core matters more than its last two percent. Medians over 200 bodies of JSON on
//! one of two busy shared cores (`cargo run --release --example measure`):
//!
//! | body  | gzip 2         | gzip 4         | brotli 2       | brotli 4       |
//! |-------|----------------|----------------|----------------|----------------|
//! | 20 kB | 27.2 %,  90 µs | 25.5 %, 151 µs | 25.3 %, 160 µs | 25.1 %, 272 µs |
//! | 50 kB | 26.3 %, 214 µs | 24.1 %, 380 µs | 24.1 %, 358 µs | 23.9 %, 566 µs |

use std::io::Write;

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};
use http::HeaderValue;

const GZIP_LEVEL: u32 = 2;
const BROTLI_QUALITY: i32 = 2;
/// 256 KiB. With the default of 4 MiB, setting up the encoder costs a further 0.1 ms a body.
const BROTLI_WINDOW_BITS: i32 = 18;

/// A content coding the gateway answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// The value of `Content-Encoding`; none for identity, which does not belong there (RFC 9110 §8.4.1).
    pub(crate) fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// The coding that a client's `Accept-Encoding` fields prefer (RFC 9110 §12.5.3); brotli before gzip before identity
/// where they are equal.
///
/// Identity is also the answer if nothing is acceptable, since an answer in the wrong coding beats none. Malformed
/// items are ignored; of a coding named twice, the last weight counts.
pub(crate) fn negotiate<'a>(accept_encoding: impl Iterator<Item = &'a HeaderValue>) -> Coding {
    let mut weights = Weights::default();
    let items = accept_encoding
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    items
        .filter_map(weighted)
        .for_each(|(name, weight)| weights.set(name, weight));
    weights.preferred()
}

/// `body` in `coding`.
pub(crate) fn compress(coding: Coding, body: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => body.to_vec(),
        Coding::Gzip => gzip(body),
        Coding::Brotli => brotli(body),
    }
}

/// A q-value in thousandths: 0 to 1000.
type Weight = u16;

/// What a client gave to each coding the gateway has.
#[derive(Default)]
struct Weights {
    brotli: Option<Weight>,
    gzip: Option<Weight>,
    identity: Option<Weight>,
    others: Option<Weight>,
}

impl Weights {
    fn set(&mut self, name: &str, weight: Weight) {
        let is = |known| name.eq_ignore_ascii_case(known);
        if is("br") {
            self.brotli = Some(weight);
        } else if is("gzip") || is("x-gzip") {
            self.gzip = Some(weight);
        } else if is("identity") {
            self.identity = Some(weight);
        } else if name == "*" {
            self.others = Some(weight);
        }
    }

    fn preferred(&self) -> Coding {
        let brotli = self.brotli.or(self.others).unwrap_or(0);
        let gzip = self.gzip.or(self.others).unwrap_or(0);
        // Without a weight identity is acceptable, after whatever has one.
        let identity = self.identity.or(self.others).unwrap_or(0);
        if brotli > 0 && brotli >= gzip.max(identity) {
            Coding::Brotli
        } else if gzip > 0 && gzip >= identity {
            Coding::Gzip
        } else {
            Coding::Identity
        }
    }
}

/// `coding` or `coding;q=weight`.
fn weighted(item: &str) -> Option<(&str, Weight)> {
    let Some((name, parameter)) = item.split_once(';') else {
        return Some((item.trim(), 1000));
    };
    let (q, digits) = parameter.trim().split_once('=')?;
    q.eq_ignore_ascii_case("q").then_some(())?;
    Some((name.trim(), weight(digits)?))
}

/// 0 to 1 with at most three decimals (RFC 9110 §12.4.2), in thousandths.
fn weight(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = decimals.bytes().chain(*b"000").take(3);
    let thousandths = padded.fold(0, |sum, digit| sum * 10 + Weight::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(room_for(body), Compression::new(GZIP_LEVEL));
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .expect("a Vec takes every byte")
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let parameters = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: body.len(),
        ..Default::default()
    };
    let mut compressed = room_for(body);
    brotli::BrotliCompress(&mut &*body, &mut compressed, &parameters).expect("a Vec takes every byte");
    compressed
}

/// What JSON usually comes down to, so that the result seldom has to move.
fn room_for(body: &[u8]) -> Vec<u8> {
    Vec::with_capacity(body.len() / 3 + 64)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::{collection::vec, prelude::*};

    use super::{Coding::*, *};

    fn negotiated(fields: &[&'static str]) -> Coding {
        let values: Vec<_> = fields.iter().map(|text| HeaderValue::from_static(text)).collect();
        negotiate(values.iter())
    }

    #[test]
    fn the_coding_with_the_highest_weight_is_preferred() {
        let cases = [
            ("", Identity),
            ("gzip", Gzip),
            ("x-gzip", Gzip),
            ("br", Brotli),
            ("BR", Brotli),
            ("GZip;Q=0.3", Gzip),
            ("gzip, deflate, br", Brotli),
            ("gzip, deflate, br, zstd", Brotli),
            ("deflate, zstd", Identity),
            ("gzip;q=0.5, br;q=0.5", Brotli),
            ("gzip;q=0.501, br;q=0.5", Gzip),
            ("gzip;q=1.000,br;q=0.999", Gzip),
            ("gzip ; q=0.2 , br ; q=0.1", Gzip),
            ("gzip;q=0.5, identity", Identity),
            ("gzip;q=0.5, identity;q=0.5", Gzip),
            ("gzip;q=0.001", Gzip),
            ("br;q=0.1, br;q=0, gzip;q=0.1", Gzip),
        ];
        for (field, coding) in cases {
            assert_eq!(negotiated(&[field]), coding, "{field}");
        }
    }

    #[test]
    fn a_weight_of_zero_excludes() {
        let cases = [
            ("gzip;q=0", Identity),
            ("gzip;q=0.000, br", Brotli),
            ("br;q=0, gzip;q=0", Identity),
            ("br;q=0, *", Gzip),
            ("*;q=0", Identity),
            ("*;q=0, gzip", Gzip),
            ("identity;q=0", Identity),
            ("identity;q=0, gzip;q=0.1", Gzip),
            ("identity;q=0, *;q=0", Identity),
        ];
        for (field, coding) in cases {
            assert_eq!(negotiated(&[field]), coding, "{field}");
        }
    }

    #[test]
    fn a_star_stands_for_what_is_not_named() {
        let cases = [
            ("*", Brotli),
            ("*;q=0.1", Brotli),
            ("br;q=0.2, *;q=0.8", Gzip),
            ("gzip;q=0.8, *;q=0.2", Gzip),
            ("gzip;q=0.2, *;q=0.8", Brotli),
            ("identity;q=0.5, *;q=0.1", Identity),
        ];
        for (field, coding) in cases {
            assert_eq!(negotiated(&[field]), coding, "{field}");
        }
    }

    #[test]
    fn malformed_items_are_ignored() {
        for item in [
            "br;q=2",
            "br;q=1.001",
            "br;q=0.0001",
            "br;q=",
            "br;q=-1",
            "br;q=.5",
            "br;x=1",
            "br;",
            "b r",
        ] {
            assert_eq!(negotiated(&[item, "gzip;q=0.1"]), Gzip, "{item}");
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        assert_eq!(negotiated(&[]), Identity);
        assert_eq!(negotiated(&["gzip", "br"]), Brotli);
        assert_eq!(negotiated(&["gzip", "br;q=0"]), Gzip);
    }

    fn decompress(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let read = match coding {
            Identity => return bytes.to_vec(),
            Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain),
            Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain),
        };
        read.expect("a whole stream");
        plain
    }

    #[test]
    fn json_shrinks_to_a_third_at_most() {
        let items =
            (0..500).map(|id| format!(r#"{{"id":{id},"name":"item {id}","price":{}.5}}"#, id * 37 % 1000));
        let body = items.collect::<Vec<_>>().join(",");
        for coding in [Gzip, Brotli] {
            assert!(
                compress(coding, body.as_bytes()).len() < body.len() / 3,
                "{coding:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_decompresses_to_the_same(body in vec(any::<u8>(), 0..5000), times in 1_usize..20) {
            let body = body.repeat(times);
            for coding in [Identity, Gzip, Brotli] {
                prop_assert_eq!(&decompress(coding, &compress(coding, &body)), &body);
            }
        }

        #[test]
        fn any_field_is_negotiated_without_panic(text in "[ -~é]{0,40}") {
            if let Ok(value) = HeaderValue::from_str(&text) {
                negotiate(std::iter::once(&value));
            }
        }
    }
}
