#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Any value, written in any style: what is inside braces may be anything, what is in lines of its own too.
fn any_value(depth: u32) -> BoxedStrategy<String> {
    let scalar = prop_oneof![
        "[a-zé][a-z0-9]{0,8}",
        "'[a-zé]{0,4}(''){0,2}[a-z]{0,4}'",
        r#""[a-zé]{0,4}(\\n|\\"|\\u00e9|\\x41){0,3}[a-z]{0,4}""#,
        prop::sample::select(vec![
            "~",
            "true",
            "-1",
            "0",
            "18446744073709551615",
            "-9223372036854775808",
            "1.5",
            "-0.0",
            "1e300",
            "''",
            "\"\"",
        ])
        .prop_map(str::to_owned),
    ];
    if depth == 0 {
        return scalar.boxed();
    }
    let inner = any_value(depth - 1);
    let list = proptest::collection::vec(inner.clone(), 0..4);
    let mapping = proptest::collection::hash_map("[a-dé~]{1,3}", inner, 0..4);
    prop_oneof![
        2 => scalar,
        1 => (list, any::<bool>()).prop_map(|(items, lines)| {
            let end = if lines { ",\n      " } else { ", " };
            format!("[{}]", items.join(end))
        }),
        1 => (mapping, any::<bool>()).prop_map(|(entries, lines)| {
            let end = if lines { ",\n      " } else { ", " };
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            format!("{{{}}}", entries.join(end))
        }),
    ]
    .boxed()
}

fn any_object() -> impl Strategy<Value = String> {
    let entry = prop_oneof![
        3 => any_value(3),
        1 => any_value(2).prop_map(|value| format!("\n  - {value}\n\n  # why\n  - b: {value}\n    a: 1")),
        1 => any_value(2).prop_map(|value| format!("\n    z: {value}\n    c/d: x")),
        1 => Just("|\n    lines\n\n    of text".to_owned()),
        1 => Just("&anchor { a: [1] }\n  again: *anchor".to_owned()),
    ];
    let entries = proptest::collection::btree_map("[e-h]{1,2}", entry, 0..5);
    (entries, any::<bool>(), any::<u8>()).prop_map(|(entries, id_first, id)| {
        let mut lines: Vec<String> = entries
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        // An alias stands once only, so that no key is there twice.
        let mut anchors = 0;
        lines.retain(|line| !line.contains("&anchor") || std::mem::replace(&mut anchors, 1) == 0);
        let at = if id_first { 0 } else { lines.len() };
        lines.insert(at, format!("id: x{id}"));
        format!("- {}\n", lines.join("\n  "))
    })
}

/// The pointers of everything in `node`, and of something that is not.
fn pointers(node: &Node, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    found.push(format!("{here}/nothing"));
    for (at, item) in node.items().iter().enumerate() {
        pointers(item, &format!("{here}/{at}"), found);
    }
    for entry in node.entries() {
        let token = entry.key.replace('~', "~0").replace('/', "~1");
        pointers(&entry.value, &format!("{here}/{token}"), found);
    }
}

proptest! {
    #[test]
    fn packed_objects_know_their_value_and_every_place(
        servers in proptest::collection::vec(any_object(), 1..4),
        routes in proptest::collection::vec(any_object(), 0..3),
        shift in 0usize..4,
    ) {
        let text = format!("{}servers:\n{}routes:\n{}", "# comment\n".repeat(shift), servers.concat(), routes.concat());
        let tree = read_tree(&text).unwrap();
        let document = Document::read(&text);
        prop_assert_eq!(document.objects.len(), servers.len() + routes.len(), "{}", text);
        for (at, object) in document.objects.iter().enumerate() {
            let around = match at.checked_sub(servers.len()) {
                None => format!("/servers/{at}"),
                Some(at) => format!("/routes/{at}"),
            };
            let whole = tree.find(&around).unwrap();
            prop_assert_eq!(object.value.unpack().to_string(), whole.to_value().to_string());
            let placed = object.node.as_ref().unwrap();
            prop_assert_eq!(placed.start(), whole.start());
            let mut all = Vec::new();
            pointers(whole, "", &mut all);
            for pointer in all {
                let place = |offset| (placed.position_in(&pointer, offset), whole.position_in(&pointer, offset));
                prop_assert_eq!(placed.position(&pointer), whole.position(&pointer), "{} in {}", pointer, text);
                prop_assert_eq!(placed.key_position(&pointer), whole.key_position(&pointer), "{} in {}", pointer, text);
                for offset in 0..8 {
                    let (found, expected) = place(offset);
                    prop_assert_eq!(found, expected, "{} at {} in {}", pointer, offset, text);
                }
            }
        }
    }
}

#[test]
fn values_are_equal_packed_however_they_are_written_if_their_keys_stand_in_the_same_order() {
    let one = Document::read("servers:\n- id: a\n  list: [1, 'x']\n  map: { b: 2, a: 1 }\n");
    let other =
        Document::read("servers: [{\"id\": \"a\", \"list\": [1,\n\"x\"],\n\"map\": {\"b\": 2, \"a\": 1}}]");
    let value = json!({"id": "a", "list": [1, "x"], "map": {"b": 2, "a": 1}});
    assert_eq!(one.objects[0].value, other.objects[0].value);
    assert_eq!(*one.objects[0].value, Packed::from(value.clone()));
    let moved = json!({"id": "a", "list": [1, "x"], "map": {"a": 1, "b": 2}});
    assert_eq!(moved, value, "the order of keys is no matter of JSON");
    assert_ne!(*one.objects[0].value, Packed::from(moved));
    assert_ne!(Packed::from(json!(1)), Packed::from(json!(1.0)));
    assert_eq!(one.objects[0].value.unpack(), value);
}

#[test]
fn an_aliased_collection_is_read_like_a_written_one() {
    let text = "servers: &s\n- id: a\n  x: [1, 2]\nclusters: *s\n";
    let document = Document::read(text);
    assert_eq!(document.problems, []);
    assert_eq!(document.objects[0].value, document.objects[1].value);
    let place = |at: usize| document.objects[at].node.as_ref().unwrap().position("/x/1");
    assert_eq!(place(0), Some(crate::problem::Position { line: 3, column: 10 }));
    assert_eq!(place(0), place(1));
}
