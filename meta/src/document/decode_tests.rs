#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{
    document::read_tree,
    model::{Cluster, Server},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Sample {
    id: String,
    path: Option<String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    inner: BTreeMap<String, Inner>,
    #[serde(default)]
    list: Vec<Inner>,
    kind: Option<Shape>,
    either: Option<Either>,
    when: Option<Language>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Inner {
    address: String,
    weight: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum Shape {
    Round,
    Cornered { corners: u8 },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Either {
    Number(u32),
    Text { text: String },
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Language;

impl TryFrom<String> for Language {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.find('!') {
            Some(at) => Err(format!("'!' means nothing here at character {}", at + 1)),
            None => Ok(Self),
        }
    }
}

fn flaws<T: DeserializeOwned>(value: Value) -> Vec<(String, String)> {
    let flaws = decode::<T>(&value).err().unwrap_or_default();
    flaws
        .into_iter()
        .map(|flaw| (flaw.pointer, flaw.message))
        .collect()
}

fn sample(value: Value) -> Vec<(String, String)> {
    flaws::<Sample>(value)
}

fn one(pointer: &str, message: &str) -> Vec<(String, String)> {
    vec![(pointer.into(), message.into())]
}

#[test]
fn what_is_right_is_read() {
    let server: Server = decode(&json!({"id": "a", "address": "127.0.0.1:1"})).unwrap();
    assert_eq!(server.id.as_str(), "a");
}

#[test]
fn each_sort_of_mistake_is_told_in_plain_words_with_its_pointer() {
    let allowed = "allowed: id, path, ports, inner, list, kind, either, when";
    for (value, pointer, message) in [
        (
            json!({"id": "x", "pahtt": 1}),
            "/pahtt",
            format!("unknown key \"pahtt\"; did you mean \"path\"? {allowed}"),
        ),
        (
            json!({"id": "x", "zzzzzz": 1}),
            "/zzzzzz",
            format!("unknown key \"zzzzzz\"; {allowed}"),
        ),
        (
            json!({"id": "x", "a`, `b": 1}),
            "/a`, `b",
            format!("unknown key \"a`, `b\"; {allowed}"),
        ),
        (json!({"path": "x"}), "", "\"id\" is missing".into()),
        (
            json!({"id": 5}),
            "/id",
            "expected text, found the number 5".into(),
        ),
        (
            json!({"id": null}),
            "/id",
            "expected text, found nothing (null)".into(),
        ),
        (
            json!({"id": "x", "ports": "x, expected y"}),
            "/ports",
            "expected a list, found text \"x, expected y\"".into(),
        ),
        (
            json!({"id": "x", "ports": [1, 70000]}),
            "/ports/1",
            "expected a whole number from 0 to 65535, found the number 70000".into(),
        ),
        (
            json!({"id": "x", "ports": [1, true]}),
            "/ports/1",
            "expected a whole number from 0 to 65535, found true".into(),
        ),
        (
            json!({"id": "x", "inner": {"a/b~": {"address": []}}}),
            "/inner/a~1b~0/address",
            "expected text, found a list".into(),
        ),
        (
            json!({"id": "x", "inner": {"k": {}}}),
            "/inner/k",
            "\"address\" is missing".into(),
        ),
        (
            json!({"id": "x", "inner": {"k": "v"}}),
            "/inner/k",
            "expected a mapping, found text \"v\"".into(),
        ),
        (
            json!({"id": "x", "list": [{"address": "a"}, {"address": "b", "wieght": 1}]}),
            "/list/1/wieght",
            "unknown key \"wieght\"; did you mean \"weight\"? allowed: address, weight".into(),
        ),
        (
            json!({"id": "x", "kind": "ruond"}),
            "/kind",
            "unknown value \"ruond\"; did you mean \"round\"? allowed: round, cornered".into(),
        ),
        (
            json!({"id": "x", "kind": {"corner": {}}}),
            "/kind",
            "unknown value \"corner\"; did you mean \"cornered\"? allowed: round, cornered".into(),
        ),
        (
            json!({"id": "x", "kind": {"cornered": {"corners": "x"}}}),
            "/kind/cornered/corners",
            "expected a whole number from 0 to 255, found text \"x\"".into(),
        ),
        (
            json!({"id": "x", "kind": 7}),
            "/kind",
            "expected text or a mapping, found the number 7".into(),
        ),
        (
            json!({"id": "x", "either": []}),
            "/either",
            "a list does not have one of the shapes that are allowed here".into(),
        ),
        (json!([]), "", "expected a mapping, found a list".into()),
        (json!(null), "", "expected a mapping, found nothing (null)".into()),
    ] {
        assert_eq!(sample(value.clone()), one(pointer, &message), "{value}");
    }
}

#[test]
fn all_flaws_are_told_and_none_that_follows_from_another() {
    let value = json!({
        "id": [], "pth": 1, "ports": [1, "a", 2, "b", 3, "c"], "kind": {"cornered": {"corners": "x"}},
        "list": [{"address": 1}, {"address": "ok"}, {"adress": "a"}, {"weight": -1}, 7],
        "inner": {"k": {"address": {}, "weight": "x"}},
    });
    let found = sample(value);
    let mut pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/id",
            "/inner/k/address",
            "/inner/k/weight",
            "/kind/cornered/corners",
            "/list/0/address",
            "/list/2/adress",
            "/list/3",
            "/list/3/weight",
            "/list/4",
            "/ports/1",
            "/ports/3",
            "/ports/5",
            "/pth",
        ],
        "{found:#?}"
    );
}

#[test]
fn flaws_behind_visitors_of_our_own_types_have_their_pointer() {
    assert_eq!(
        flaws::<Cluster>(json!({"id": "c", "servers": ["a", {"id": "b", "wight": 1}, {"id": "B"}, 5], "load_balance": {"consistent_hsh": "path"}})),
        [
            ("/servers/1/wight".into(), "unknown key \"wight\"; did you mean \"weight\"? allowed: id, weight".into()),
            ("/servers/2/id".into(), "\"B\" is no id: an id is 1 to 63 of a-z, 0-9, \".\", \"_\" and \"-\", and starts with a letter or a digit".into()),
            ("/servers/3".into(), "expected the id of a server, or { id, weight }, found the number 5".into()),
            ("/load_balance".into(), "unknown value \"consistent_hsh\"; did you mean \"consistent_hash\"? allowed: round_robin, random, least_request, ip_hash, consistent_hash".into()),
        ]
    );
    assert_eq!(
        flaws::<Cluster>(json!({"id": "c", "retry": {"on": [502, 200, "conect"]}})),
        [
            (
                "/retry/on/1".into(),
                "expected connect, timeout or a status from 400 to 599, found the number 200".into()
            ),
            (
                "/retry/on/2".into(),
                "expected connect, timeout or a status from 400 to 599, found text \"conect\"".to_owned()
            ),
        ]
    );
}

#[test]
fn a_flaw_of_a_character_is_located_there_and_that_of_a_key_at_the_key() {
    let node = read_tree("id: x\nwhen: \"a \\\"!\"\npaht: /x\nlist:\n- address: a\n- weight: 1\n").unwrap();
    let flaws = decode::<Sample>(&node.to_value()).unwrap_err();
    let places: Vec<(String, usize, usize)> = flaws
        .iter()
        .map(|flaw| (flaw.pointer.clone(), node.locate(flaw).unwrap()))
        .map(|(pointer, place)| (pointer, place.line, place.column))
        .collect();
    assert_eq!(flaws.iter().find_map(|flaw| flaw.offset), Some(3));
    assert_eq!(
        places,
        [
            ("/when".into(), 2, 12),
            ("/paht".into(), 3, 1),
            ("/list/1".into(), 6, 3)
        ]
    );
}

#[test]
fn so_many_flaws_end_somewhere() {
    let many: Vec<Value> = (0..10_000).map(|n| json!(n.to_string())).collect();
    assert_eq!(sample(json!({"id": "x", "ports": many})).len(), MAX_FLAWS);
}

proptest::proptest! {
    #[test]
    fn whatever_is_wrong_at_least_one_flaw_is_told_and_every_pointer_leads_somewhere(
        ids in proptest::collection::vec("[a-c]{0,2}", 0..4),
        keys in proptest::collection::btree_map("id|path|ports|list|inner|kind|either|when|x", "[0-9]|\\[\\]|\\{\\}|\\[\\{\\}\\]|\"a!\"|null", 0..8),
    ) {
        let mut value: Value = keys.iter().map(|(key, text)| (key.clone(), serde_json::from_str::<Value>(text).unwrap())).collect();
        value["list"] = ids.iter().map(|id| json!({"address": id, "q": id})).collect();
        if let Err(flaws) = decode::<Sample>(&value) {
            proptest::prop_assert!(!flaws.is_empty());
            for flaw in flaws {
                proptest::prop_assert!(value.pointer(&flaw.pointer).is_some(), "{flaw:?} {value}");
            }
        }
    }
}
