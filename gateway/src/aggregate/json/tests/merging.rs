//! Merging as a table. A name is also that of a file in the fuzz corpus.

use bytes::Bytes;

use super::{assert_is_seed, replay};
use crate::aggregate::json::Merge::{Flat, List, Object};
use crate::aggregate::json::OnCollision::{Error, First, Last};
use crate::aggregate::json::{Collision, Json, Merge, fuzz, merge};

/// How, the answers of `a`, `b` and `c`, and what comes out; a collision of a key in two nodes.
type Case = (
    &'static str,
    Merge,
    &'static [&'static str],
    Result<&'static str, [&'static str; 3]>,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("object", Object, &[r#"{"x":1}"#, "[2]", "null"], Ok(r#"{"a":{"x":1},"b":[2],"c":null}"#)),
    ("object-of-one", Object, &["1e400"], Ok(r#"{"a":1e400}"#)),
    ("object-spellings", Object, &["0.10", r#""\u0061\ud800""#, "{ \"x\" : 1 }"], Ok("{\"a\":0.10,\"b\":\"\\u0061\\ud800\",\"c\":{ \"x\" : 1 }}")),
    ("object-trimmed", Object, &[" 1 ", "\n[]\n"], Ok(r#"{"a":1,"b":[]}"#)),
    ("list", List, &[r#"{"x":1}"#, "[2]", "null"], Ok(r#"[{"x":1},[2],null]"#)),
    ("list-of-one", List, &["12345678901234567890"], Ok("[12345678901234567890]")),
    ("flat", Flat(Error), &[r#"{"x":1,"y":[2]}"#, r#"{"z":{"x":3}}"#], Ok(r#"{"x":1,"y":[2],"z":{"x":3}}"#)),
    ("flat-spaced", Flat(Error), &["{ \"x\" :\t1.0 ,\"y\":[ 2 ] }", "{ \"z\": 3 }"], Ok(r#"{"x":1.0,"y":[ 2 ],"z":3}"#)),
    ("flat-null-adds-nothing", Flat(Error), &["null", r#"{"x":1}"#, "null"], Ok(r#"{"x":1}"#)),
    ("flat-nulls", Flat(Error), &["null", "null", "null"], Ok("{}")),
    ("flat-empty-objects", Flat(Error), &["{}", "{ }", r#"{"x":{}}"#], Ok(r#"{"x":{}}"#)),
    ("flat-others-under-their-node", Flat(Error), &["[1]", r#"{"x":2}"#, "3"], Ok(r#"{"a":[1],"x":2,"c":3}"#)),
    ("flat-names-distinct-by-case", Flat(Error), &[r#"{"x":1}"#, r#"{"X":2}"#], Ok(r#"{"x":1,"X":2}"#)),
    ("flat-names-distinct-by-escape", Flat(Error), &[r#"{"\n":1}"#, r#"{"\\n":2}"#], Ok(r#"{"\n":1,"\\n":2}"#)),
    ("flat-inner-names-do-not-collide", Flat(Error), &[r#"{"p":{"x":1}}"#, r#"{"q":{"x":1}}"#], Ok(r#"{"p":{"x":1},"q":{"x":1}}"#)),
    ("error-duplicates-of-one-node", Flat(Error), &[r#"{"x":1,"y":2,"x":3}"#, r#"{"z":4}"#], Ok(r#"{"x":1,"y":2,"x":3,"z":4}"#)),
    ("error", Flat(Error), &[r#"{"x":1}"#, r#"{"y":1}"#, r#"{"z":0,"x":2}"#], Err(["x", "a", "c"])),
    ("error-equal-members", Flat(Error), &[r#"{"x":1}"#, r#"{"x":1}"#], Err(["x", "a", "b"])),
    ("error-spelled-otherwise", Flat(Error), &[r#"{"x":1}"#, "1", r#"{"\u0078":2}"#], Err(["x", "a", "c"])),
    ("error-with-the-name-of-a-node", Flat(Error), &[r#"{"b":1}"#, "[2]"], Err(["b", "a", "b"])),
    ("first", Flat(First), &[r#"{"x":1,"y":2}"#, r#"{"z":3,"x":4}"#, r#"{"x":5,"z":6}"#], Ok(r#"{"x":1,"y":2,"z":3}"#)),
    ("first-spelled-otherwise", Flat(First), &[r#"{"\u0078":1}"#, r#"{"x":2}"#], Ok(r#"{"\u0078":1}"#)),
    ("first-duplicates-stay", Flat(First), &[r#"{"x":1,"y":2,"x":3}"#, r#"{"x":4}"#], Ok(r#"{"x":1,"y":2,"x":3}"#)),
    ("first-duplicates-go", Flat(First), &[r#"{"x":1}"#, r#"{"x":2,"y":3,"x":4}"#], Ok(r#"{"x":1,"y":3}"#)),
    ("first-with-the-name-of-a-node", Flat(First), &["[1]", r#"{"a":2,"c":3}"#, "4"], Ok(r#"{"a":[1],"c":3}"#)),
    ("last", Flat(Last), &[r#"{"x":1,"y":2}"#, r#"{"z":3,"x":4}"#, r#"{"w":5,"z":6}"#], Ok(r#"{"y":2,"x":4,"w":5,"z":6}"#)),
    ("last-spelled-otherwise", Flat(Last), &[r#"{"x":1}"#, r#"{"\u0078":2}"#], Ok(r#"{"\u0078":2}"#)),
    ("last-duplicates-stay", Flat(Last), &[r#"{"x":1}"#, r#"{"x":2,"y":3,"\u0078":4}"#], Ok(r#"{"x":2,"y":3,"\u0078":4}"#)),
    ("last-duplicates-go", Flat(Last), &[r#"{"x":1,"y":2,"x":3}"#, r#"{"x":4}"#], Ok(r#"{"y":2,"x":4}"#)),
    ("last-with-the-name-of-a-node", Flat(Last), &["[1]", r#"{"a":2,"c":3}"#, "4"], Ok(r#"{"a":2,"c":4}"#)),
    ("last-all-replaced", Flat(Last), &[r#"{"x":1}"#, "null", r#"{"x":2}"#], Ok(r#"{"x":2}"#)),
];

fn parse(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn merged(how: Merge, nodes: &[(&str, &str)]) -> Result<String, Collision> {
    let nodes: Vec<_> = nodes.iter().map(|(name, text)| (*name, parse(text))).collect();
    let merged = merge(how, nodes.iter().map(|(name, json)| (*name, json)))?;
    Ok(String::from_utf8(merged).unwrap())
}

#[test]
fn answers_are_merged_as_the_table_says() {
    for (name, how, answers, expected) in CASES {
        let nodes: Vec<_> = ["a", "b", "c"].into_iter().zip(answers.iter().copied()).collect();
        let expected = expected
            .map(String::from)
            .map_err(|[key, first, second]| Collision {
                key: key.to_owned(),
                first: first.to_owned(),
                second: second.to_owned(),
            });
        assert_eq!(merged(*how, &nodes), expected, "{name}");
    }
}

#[test]
fn no_answers_make_an_empty_object_or_list() {
    assert_eq!(merged(Object, &[]).unwrap(), "{}");
    assert_eq!(merged(List, &[]).unwrap(), "[]");
    assert_eq!(merged(Flat(Last), &[]).unwrap(), "{}");
}

#[test]
fn a_node_name_is_written_as_a_string() {
    let nodes = [("a\"b\n\u{1}é", "1")];
    for how in [Object, Flat(Error)] {
        assert_eq!(merged(how, &nodes).unwrap(), "{\"a\\\"b\\n\\u0001é\":1}");
    }
}

#[test]
fn objects_and_lists_are_written_into_one_allocation_of_their_size() {
    let json = parse(r#"{"x":[1,2,3]}"#);
    for how in [Object, List] {
        let merged = merge(how, ["a", "b\n\u{1}\"\\", "é"].into_iter().zip([&json; 3])).unwrap();
        assert_eq!(merged.capacity(), merged.len(), "{how:?}");
    }
}

/// A vector that had to grow would have twice the room.
#[test]
fn flat_merges_are_written_without_growing() {
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(1000));
    let [long, short] = [parse(&long), parse(r#"{"y":2}"#)];
    for on_collision in [Error, First, Last] {
        let nodes = [("a", &long), ("b", &short), ("c", &Json::null())];
        let merged = merge(Flat(on_collision), nodes.into_iter()).unwrap();
        assert_eq!(
            merged.capacity(),
            long.as_bytes().len() + short.as_bytes().len() + "{}".len()
        );
    }
}

#[test]
fn a_collision_names_the_key_and_both_nodes() {
    let collision = merged(Flat(Error), &[("user", r#"{"id":1}"#), ("orders", r#"{"id":2}"#)]).unwrap_err();
    assert_eq!(
        collision.to_string(),
        r#"both `user` and `orders` answer with a member "id""#
    );
}

/// Quadratic time would take minutes here.
#[test]
fn many_members_are_merged_in_linear_time() {
    let object = |from: u32| {
        let members: Vec<_> = (from..from + 100_000).map(|id| format!("\"{id}\":0")).collect();
        parse(&format!("{{{}}}", members.join(",")))
    };
    let [a, b] = [object(0), object(50_000)];
    for on_collision in [First, Last] {
        let merged = merge(Flat(on_collision), [("a", &a), ("b", &b)].into_iter()).unwrap();
        let merged = Json::parse(Bytes::from(merged)).unwrap();
        assert_eq!(merged.raw().members().count(), 150_000);
    }
}

#[test]
fn the_corpus_of_merge_holds_the_table_and_keeps_the_property() {
    for (name, how, answers, _) in CASES {
        let mode = [Object, List, Flat(Error), Flat(First), Flat(Last)]
            .iter()
            .position(|mode| mode == how)
            .unwrap();
        let answers: Vec<_> = answers.iter().map(|answer| answer.as_bytes()).collect();
        // A readable byte that stands for the mode: '2' is 50, a multiple of five.
        let input = [&[b'2' + mode as u8][..], &answers.join(&fuzz::SEPARATOR)].concat();
        assert_is_seed("merge", name, &input);
    }
    replay("merge", fuzz::merge_keeps_values);
}
