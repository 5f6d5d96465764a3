//! The claims of the decoder, one test each.

use std::io::Write;

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use http::HeaderValue;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{body::TAIL_BYTES, *};

const MAX_BYTES: usize = 1 << 20;

fn decoder(coding: &str, max_bytes: usize) -> Result<Decoder, ContentFault> {
    let value = HeaderValue::from_str(coding).expect("a value");
    Decoder::new(&[(CONTENT_ENCODING, value)].into_iter().collect(), max_bytes)
}

fn decode(coding: &str, body: &[u8]) -> Result<Bytes, ContentFault> {
    decode_pieces(coding, &[body])
}

fn decode_pieces(coding: &str, pieces: &[&[u8]]) -> Result<Bytes, ContentFault> {
    let mut decoder = decoder(coding, MAX_BYTES)?;
    pieces
        .iter()
        .try_for_each(|piece| decoder.push(Bytes::copy_from_slice(piece)))?;
    decoder.finish()
}

fn encode(coding: &str, body: &[u8]) -> Vec<u8> {
    let level = Compression::new(6);
    let encoded = match coding {
        "identity" => Ok(body.to_vec()),
        "gzip" => finish(GzEncoder::new(Vec::new(), level), body, GzEncoder::finish),
        "deflate" => finish(ZlibEncoder::new(Vec::new(), level), body, ZlibEncoder::finish),
        "raw" => finish(
            DeflateEncoder::new(Vec::new(), level),
            body,
            DeflateEncoder::finish,
        ),
        _ => finish(CompressorWriter::new(Vec::new(), 4096, 4, 18), body, |coder| {
            Ok(coder.into_inner())
        }),
    };
    encoded.expect("a Vec takes every byte")
}

fn finish<W: Write>(
    mut coder: W,
    body: &[u8],
    end: fn(W) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    coder.write_all(body)?;
    end(coder)
}

#[test]
fn a_single_plain_piece_is_not_copied() {
    let piece = Bytes::from_static(b"{}");
    for coding in ["", "identity", "Identity, ,identity"] {
        let mut decoder = decoder(coding, MAX_BYTES).expect("identity");
        decoder.push(piece.clone()).expect("small");
        assert_eq!(
            decoder.finish().expect("whole").as_ptr(),
            piece.as_ptr(),
            "{coding}"
        );
    }
}

#[test]
fn codings_are_undone_in_reverse_order_whatever_their_case() {
    let both = encode("br", &encode("gzip", b"{}"));
    assert_eq!(decode("GZIP, identity,, Br", &both), Ok(Bytes::from("{}")));
    assert_eq!(decode("br, gzip", &both), Err(ContentFault::Corrupt));
    let fields = ["x-gzip", "br"].map(|coding| (CONTENT_ENCODING, HeaderValue::from_static(coding)));
    let mut decoder = Decoder::new(&HeaderMap::from_iter(fields), MAX_BYTES).expect("known codings");
    decoder.push(Bytes::from(both)).expect("whole");
    assert_eq!(decoder.finish(), Ok(Bytes::from("{}")));
}

#[test]
fn unknown_and_too_many_codings_are_refused() {
    for coding in [
        "zstd",
        "compress",
        "gzip, zstd",
        "gzip;q=1",
        "*",
        "gzip gzip",
        "é",
        "br,br,br,br",
    ] {
        assert_eq!(
            decoder(coding, MAX_BYTES).err(),
            Some(ContentFault::Coding),
            "{coding}"
        );
    }
}

#[test]
fn deflate_may_be_raw() {
    let body = b"{}".repeat(1000);
    for coding in ["deflate", "raw"] {
        assert_eq!(
            decode("deflate", &encode(coding, &body)),
            Ok(Bytes::from(body.clone())),
            "{coding}"
        );
    }
    let mut stored = DeflateEncoder::new(Vec::new(), Compression::none());
    stored.write_all(&body).expect("a Vec");
    assert_eq!(
        decode("deflate", &stored.finish().expect("a Vec")),
        Ok(Bytes::from(body))
    );
}

#[test]
fn a_body_without_a_byte_is_empty() {
    for coding in ["", "gzip", "deflate", "br", "gzip, br"] {
        assert_eq!(decode_pieces(coding, &[]), Ok(Bytes::new()), "{coding}");
        assert_eq!(decode(coding, b""), Ok(Bytes::new()), "{coding}");
    }
}

#[test]
fn a_stream_cut_at_any_byte_is_corrupt() {
    let body: Vec<u8> = (0..300_u32)
        .flat_map(|number| (number * number).to_string().into_bytes())
        .collect();
    for coding in ["gzip", "deflate", "br"] {
        let coded = encode(coding, &body);
        for end in 1..coded.len() {
            assert_eq!(
                decode(coding, &coded[..end]),
                Err(ContentFault::Corrupt),
                "{coding} at {end}"
            );
        }
    }
}

#[test]
fn a_stream_may_arrive_byte_by_byte() {
    let body = b"[1, 2, 3]".repeat(2000);
    for (coding, named) in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("raw", "deflate"),
        ("br", "br"),
    ] {
        let coded = encode(coding, &body);
        let pieces: Vec<_> = coded.chunks(1).collect();
        assert_eq!(
            decode_pieces(named, &pieces),
            Ok(Bytes::from(body.clone())),
            "{coding}"
        );
    }
}

#[test]
fn what_follows_a_stream_is_corrupt() {
    for (coding, named) in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("raw", "deflate"),
        ("br", "br"),
    ] {
        let coded = encode(coding, b"{}");
        for rest in [&b"x"[..], b"\0", b"garbage"] {
            assert_eq!(
                decode(named, &[&coded, rest].concat()),
                Err(ContentFault::Corrupt),
                "{coding}"
            );
            assert_eq!(
                decode_pieces(named, &[&coded, rest]),
                Err(ContentFault::Corrupt),
                "{coding}"
            );
        }
    }
    for coding in ["deflate", "br"] {
        let coded = encode(coding, b"{}");
        assert_eq!(
            decode_pieces(coding, &[&coded, &coded]),
            Err(ContentFault::Corrupt),
            "{coding}"
        );
    }
}

#[test]
fn gzip_may_have_several_members() {
    let (one, empty, other) = (encode("gzip", b"[1,"), encode("gzip", b""), encode("gzip", b"2]"));
    let whole = [&one[..], &empty, &other].concat();
    assert_eq!(decode("gzip", &whole), Ok(Bytes::from("[1,2]")));
    assert_eq!(
        decode_pieces("gzip", &[&one, &empty, &other]),
        Ok(Bytes::from("[1,2]"))
    );
    assert_eq!(
        decode("gzip", &whole[..whole.len() - 1]),
        Err(ContentFault::Corrupt)
    );
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    for (coding, from_end) in [("gzip", 1), ("gzip", 5), ("deflate", 1)] {
        let mut coded = encode(coding, b"{}");
        let at = coded.len() - from_end;
        coded[at] ^= 1;
        assert_eq!(decode(coding, &coded), Err(ContentFault::Corrupt), "{coding}");
    }
}

#[test]
fn a_body_may_have_the_most_bytes_allowed_and_not_one_more() {
    let body = vec![b' '; 5000];
    for coding in ["identity", "gzip", "deflate", "br"] {
        for (max_bytes, expected) in [(5000, Ok(())), (4999, Err(ContentFault::TooLarge))] {
            let mut decoder = decoder(coding, max_bytes).expect("known");
            assert_eq!(
                decoder.push(Bytes::from(encode(coding, &body))),
                expected,
                "{coding}"
            );
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_costs_more_than_the_limit() {
    for (coding, state_bytes) in [
        ("gzip", 48 << 10),
        ("deflate", 48 << 10),
        ("br", 1 << 20),
        ("gzip, br", 1 << 20),
    ] {
        let layers = coding.split(", ");
        let bomb = Bytes::from(layers.fold(vec![0; 32 << 20], |body, layer| encode(layer, &body)));
        let mut decoder = decoder(coding, MAX_BYTES).expect("known");
        let pieces = bomb.chunks(1000);
        let pushed = pieces.map(|piece| {
            let result = decoder.push(bomb.slice_ref(piece));
            assert!(
                decoder.held() <= MAX_BYTES + TAIL_BYTES + state_bytes,
                "{coding}: {}",
                decoder.held()
            );
            result
        });
        let fault = pushed.take(1100).find_map(Result::err);
        assert_eq!(fault, Some(ContentFault::TooLarge), "{coding}");
    }
}

#[test]
fn empty_blocks_cannot_go_on_forever() {
    let mut decoder = decoder("gzip", 1000).expect("known");
    let member = Bytes::from(encode("gzip", b""));
    let fault = (0..1000).find_map(|_| decoder.push(member.clone()).err());
    assert_eq!(fault, Some(ContentFault::TooLarge));
}

#[test]
fn a_brotli_window_of_more_than_4_mib_is_refused() {
    for (window_bits, expected) in [
        (10, None),
        (16, None),
        (17, None),
        (18, None),
        (22, None),
        (24, Some(ContentFault::TooLarge)),
    ] {
        let mut coder = CompressorWriter::new(Vec::new(), 4096, 4, window_bits);
        coder.write_all(b"{}").expect("a Vec");
        assert_eq!(decode("br", &coder.into_inner()).err(), expected, "{window_bits}");
    }
}

#[test]
fn the_large_window_extension_of_brotli_is_refused() {
    let parameters = BrotliEncoderParams {
        large_window: true,
        lgwin: 30,
        ..Default::default()
    };
    let mut coded = Vec::new();
    brotli::BrotliCompress(&mut &b"{}"[..], &mut coded, &parameters).expect("a Vec");
    assert_eq!(decode("br", &coded), Err(ContentFault::Corrupt));
    let mut plain = Vec::new();
    brotli::BrotliDecompress(&mut &coded[..], &mut plain).expect("the crate takes it");
    assert_eq!(plain, b"{}");
}

#[test]
fn a_body_of_tiny_pieces_costs_little_more_than_its_length() {
    let mut decoder = decoder("", MAX_BYTES).expect("identity");
    for _ in 0..100_000 {
        decoder.push(Bytes::from_static(b"x")).expect("small");
    }
    assert!(decoder.held() < 100_000 + 2 * TAIL_BYTES);
    assert_eq!(decoder.finish().map(|body| body.len()), Ok(100_000));
}

fn cut(body: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(body);
    let mut pieces: Vec<_> = lengths
        .iter()
        .map(|&length| rest.split_to(length.min(rest.len())))
        .collect();
    pieces.push(rest);
    pieces
}

proptest! {
    #[test]
    fn what_was_coded_is_decoded_in_any_pieces(
        codings in vec(select(vec!["identity", "gzip", "deflate", "br"]), 0..=3),
        seed in vec(any::<u8>(), 0..2000),
        times in 1_usize..30,
        lengths in vec(0_usize..9000, 0..20),
    ) {
        let body = seed.repeat(times);
        let coded = codings.iter().fold(body.clone(), |body, coding| encode(coding, &body));
        let mut decoder = decoder(&codings.join(","), MAX_BYTES).expect("known");
        for piece in cut(&coded, &lengths) {
            prop_assert_eq!(decoder.push(piece), Ok(()));
        }
        prop_assert_eq!(decoder.finish(), Ok(Bytes::from(body)));
    }

    #[test]
    fn a_damaged_stream_is_a_fault_or_other_bytes_but_no_panic(
        coding in select(vec!["gzip", "deflate", "br"]),
        body in "[a-z{}\":, ]{0,500}",
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut coded = encode(coding, body.as_bytes());
        for (at, byte) in damage {
            let at = at.index(coded.len());
            coded[at] = byte;
        }
        drop(decode(coding, &coded));
    }

    #[test]
    fn any_bytes_are_a_fault_or_a_body(
        coding in select(vec!["gzip", "deflate", "br"]),
        bytes in vec(any::<u8>(), 0..300),
    ) {
        drop(decode(coding, &bytes));
    }
}
