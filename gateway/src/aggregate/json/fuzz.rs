//! The properties that parsing and merging keep, as plain functions: the fuzz targets call them, and so do ordinary
//! tests over the targets' corpora. `serde_json` is the judge.
//!
//! What the judge does: as `IgnoredAny` from a `str` it checks the whole grammar, accepts lone surrogates and numbers
//! out of range, and knows no limit of depth and no byte order mark. As `Value` it refuses the first two and more
//! than 127 levels, and of duplicate members it keeps the last.

use std::collections::HashMap;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use meta::language::Step;

use super::{Json, Kind, MAX_DEPTH, Merge, OnCollision, Raw, merge};

/// What stands between the answers in the input of [`merge_keeps_values`]: never part of UTF-8.
pub const SEPARATOR: u8 = 0xff;

const NAMES: [&str; 3] = ["a", "b", "say \"c\""];

/// `input` is accepted exactly if the judge accepts it, and every part reads as it does for the judge.
pub fn parse_agrees(input: &[u8]) {
    let parsed = Json::parse(Bytes::copy_from_slice(input));
    assert_eq!(parsed.is_ok(), is_acceptable(input), "{parsed:?}");
    let Ok(json) = parsed else { return };
    assert_eq!(json, parse(json.as_bytes()), "parsing twice");
    if let Ok(value) = serde_json::from_slice(json.as_bytes()) {
        part_agrees(&json, &mut Vec::new(), &value);
    }
}

fn is_acceptable(input: &[u8]) -> bool {
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    str::from_utf8(text).is_ok_and(is_json) && depth(text) <= MAX_DEPTH
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// How deep brackets of a valid text go, by the book.
fn depth(text: &[u8]) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0u32, 0, false, false);
    for byte in text {
        match (in_string, byte) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn parse(text: &[u8]) -> Json {
    Json::parse(Bytes::copy_from_slice(text)).expect("a part of valid JSON is valid JSON")
}

/// The part of `json` at `path` reads like `value`, and so do all parts of it.
fn part_agrees(json: &Json, path: &mut Vec<Step>, value: &Value) {
    let part = json.find(path).expect("the judge found this part");
    assert_eq!(
        serde_json::from_slice::<Value>(part.as_bytes()).ok().as_ref(),
        Some(value)
    );
    match value {
        Value::Null => assert!(part.is_null() && part.text().is_none()),
        Value::Bool(_) => assert_eq!(part.kind(), Kind::Bool),
        Value::Number(_) => assert_eq!(part.kind(), Kind::Number),
        Value::String(text) => assert_eq!(part.text().as_ref(), Some(&text.into())),
        Value::Array(items) => items_agree(json, path, part, items),
        Value::Object(members) => members_agree(json, path, part, members),
    }
}

fn items_agree(json: &Json, path: &mut Vec<Step>, part: Raw<'_>, items: &[Value]) {
    assert_eq!(part.items().count(), items.len());
    for (index, item) in items.iter().enumerate() {
        at(path, Step::Index(index), |path| part_agrees(json, path, item));
    }
    at(path, Step::Index(items.len()), |path| {
        assert_eq!(json.find(path), None)
    });
}

fn members_agree(json: &Json, path: &mut Vec<Step>, part: Raw<'_>, members: &Map<String, Value>) {
    let names: HashMap<_, _> = part.members().map(|(key, value)| (key.text(), value)).collect();
    assert_eq!(names.len(), members.len());
    for (name, member) in members {
        at(path, Step::Member(name.as_str().into()), |path| {
            part_agrees(json, path, member)
        });
    }
}

fn at(path: &mut Vec<Step>, step: Step, check: impl FnOnce(&mut Vec<Step>)) {
    path.push(step);
    check(path);
    path.pop();
}

/// Merged answers are valid JSON, and mean what merging the judge's values means. The first byte of `input` says how
/// to merge, the rest are up to three answers around [`SEPARATOR`]s; an input with one that is not JSON is passed over.
pub fn merge_keeps_values(input: &[u8]) {
    let Some((mode, texts)) = input.split_first() else {
        return;
    };
    let texts = texts.split(|byte| *byte == SEPARATOR).take(NAMES.len());
    let answers: Result<Vec<_>, _> = texts.map(Bytes::copy_from_slice).map(Json::parse).collect();
    let Ok(answers) = answers else { return };
    let how = how(*mode);
    let merged = merge(how, NAMES.into_iter().zip(&answers)).ok();
    if let Some(merged) = &merged {
        assert!(str::from_utf8(merged).is_ok_and(is_json));
        assert_spliced(how, merged, &answers);
    }
    let values: Result<Vec<_>, _> = answers
        .iter()
        .map(|json| serde_json::from_slice(json.as_bytes()))
        .collect();
    if let Ok(values) = values {
        assert_means(merged.as_deref(), merge_values(how, values));
    }
}

fn assert_means(merged: Option<&[u8]>, expected: Option<Value>) {
    // One level more than the answers may be more than the judge reads.
    if merged.is_none_or(|merged| depth(merged) < MAX_DEPTH) {
        assert_eq!(
            merged.and_then(|merged| serde_json::from_slice(merged).ok()),
            expected
        );
    }
}

/// The mode a first byte stands for. Any byte stands for one.
fn how(mode: u8) -> Merge {
    match mode % 5 {
        0 => Merge::Object,
        1 => Merge::List,
        2 => Merge::Flat(OnCollision::Error),
        3 => Merge::Flat(OnCollision::First),
        _ => Merge::Flat(OnCollision::Last),
    }
}

/// A merged object or array has nothing but the answers, as they are.
fn assert_spliced(how: Merge, merged: &[u8], answers: &[Json]) {
    let quoted = [r#""a":"#, r#""b":"#, r#""say \"c\"":"#];
    let (open, names, close) = match how {
        Merge::Flat(_) => return,
        Merge::Object => ("{", quoted, "}"),
        Merge::List => ("[", [""; 3], "]"),
    };
    let parts = names.iter().zip(answers);
    let parts = parts.map(|(name, answer)| [name.as_bytes(), answer.as_bytes()].concat());
    let joined = parts.collect::<Vec<_>>().join(&b","[..]);
    assert_eq!(merged, [open.as_bytes(), &joined, close.as_bytes()].concat());
}

/// The same merge over values; `None` for a collision.
fn merge_values(how: Merge, values: Vec<Value>) -> Option<Value> {
    let named = NAMES.into_iter().map(String::from).zip(values);
    match how {
        Merge::Object => Some(Value::Object(named.collect())),
        Merge::List => Some(named.map(|(_, value)| value).collect()),
        Merge::Flat(on_collision) => {
            let mut merged = Map::new();
            for (name, value) in named {
                for (key, member) in members_of(name, value) {
                    match (merged.contains_key(&key), on_collision) {
                        (true, OnCollision::Error) => return None,
                        (true, OnCollision::First) => {}
                        _ => drop(merged.insert(key, member)),
                    }
                }
            }
            Some(Value::Object(merged))
        }
    }
}

fn members_of(name: String, value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => Map::from_iter([(name, other)]),
    }
}
