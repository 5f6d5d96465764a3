//! Random texts against `serde_json`, by the properties of the fuzz targets.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use crate::aggregate::json::{Json, fuzz, push_string};

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t  ")]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
    ]
}

/// Few short names, so that some are equal, and every character in one of its spellings.
fn string() -> impl Strategy<Value = String> {
    let spelled = prop_oneof![
        4 => "[a-c]",
        1 => Just(r"\u0061".to_owned()),
        1 => "\\\\[\"\\\\/bfnrt]",
        1 => "\\\\u[0-9a-cA-C][0-9a-f]{3}",
        1 => Just(r"\ud83e\uDD80".to_owned()),
        1 => "[^\"\\\\\\x00-\\x1f]{1,12}",
    ];
    prop::collection::vec(spelled, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (space(), string(), space(), space(), value, space());
    let member = member.prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    let members = (space(), prop::collection::vec(member, 0..5));
    members.prop_map(|(space, members)| format!("{{{}{space}}}", members.join(",")))
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![number(), string(), "null|true|false"];
    scalar.prop_recursive(5, 60, 5, |value| {
        let item = (space(), value.clone(), space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let items = (space(), prop::collection::vec(item, 0..5));
        let array = items.prop_map(|(space, items)| format!("[{}{space}]", items.join(",")));
        prop_oneof![array, object(value)]
    })
}

/// Bytes that matter in JSON, and any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        prop::sample::select(&b"{}[],:\"\\/0123456789+-.eEutfn \n\t\r\0\x1f\x7f\x80\xc3\xff"[..]),
        any::<u8>()
    ]
}

#[derive(Debug, Clone)]
enum Mutation {
    Replace,
    Insert,
    Remove,
    Cut,
}

fn mutation() -> impl Strategy<Value = (Mutation, prop::sample::Index, u8)> {
    use Mutation::*;
    let kind = prop_oneof![4 => Just(Replace), 4 => Just(Insert), 4 => Just(Remove), 1 => Just(Cut)];
    (kind, any::<prop::sample::Index>(), byte())
}

fn mutate(text: &mut Vec<u8>, (mutation, index, byte): &(Mutation, prop::sample::Index, u8)) {
    if text.is_empty() {
        return text.push(*byte);
    }
    let at = index.index(text.len());
    match mutation {
        Mutation::Replace => text[at] = *byte,
        Mutation::Insert => text.insert(at, *byte),
        Mutation::Remove => drop(text.remove(at)),
        Mutation::Cut => text.truncate(at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn valid_texts_are_accepted_and_read_as_the_judge_reads_them(text in json()) {
        prop_assert!(Json::parse(Bytes::from(text.clone())).is_ok());
        fuzz::parse_agrees(text.as_bytes());
    }

    #[test]
    fn mutated_texts_are_judged_alike(
        text in json(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let mut text = text.into_bytes();
        mutations.iter().for_each(|mutation| mutate(&mut text, mutation));
        fuzz::parse_agrees(&text);
    }

    #[test]
    fn any_few_bytes_are_judged_alike(text in prop::collection::vec(byte(), 0..12)) {
        fuzz::parse_agrees(&text);
    }

    #[test]
    fn merging_keeps_values(
        mode in any::<u8>(),
        answers in prop::collection::vec(prop_oneof![3 => object(json()).boxed(), 1 => json().boxed()], 1..4),
    ) {
        let answers: Vec<_> = answers.into_iter().map(String::into_bytes).collect();
        fuzz::merge_keeps_values(&[&[mode][..], &answers.join(&fuzz::SEPARATOR)].concat());
    }

    #[test]
    fn a_written_string_means_what_was_written(text in any::<String>()) {
        let mut out = Vec::new();
        push_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), Value::from(text.clone()));
        let json = Json::parse(Bytes::from(out)).unwrap();
        prop_assert_eq!(json.raw().text().unwrap(), text);
    }
}
