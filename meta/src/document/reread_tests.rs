#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A configuration as people write one, with what makes reading part of it hard.
fn any_configuration() -> impl Strategy<Value = String> {
    let object = prop_oneof![
        "[a-c]{1,2}".prop_map(|id| format!("- id: {id}\n")),
        "[a-c]{1,2}".prop_map(|id| format!("- id: {id}\n  body: |\n    x\n\n    - y\n  n: 1\n")),
        "[a-c]{1,2}".prop_map(|id| format!("-  id: {id}\n   text: \"a\n     b\"\n\n# a comment\n")),
        "[a-c]{1,2}".prop_map(|id| format!("- {{ id: {id}, list: [1,\n  2] }}\n")),
        "[a-c]{1,2}".prop_map(|id| format!("-\n  id: {id}\n  to:\n  - a\n  - b\n")),
        "[a-c]{1,2}".prop_map(|id| format!("- id: {id}\n  last:\n")),
    ];
    let list = || proptest::collection::vec(object.clone(), 0..5).prop_map(|objects| objects.concat());
    (
        list(),
        list(),
        prop::sample::select(vec!["", "# end\n", "clusters: []\n", "...\n"]),
    )
        .prop_map(|(servers, routes, end)| format!("# begin\nservers:\n{servers}routes:\n{routes}{end}"))
}

fn all_of(document: &Document) -> impl PartialEq + std::fmt::Debug + use<> {
    let of_object = |object: &RawObject| {
        let node = object.node.as_ref().unwrap();
        let pointers = ["", "/id", "/body", "/n", "/text", "/list/1", "/to/1", "/last"];
        let places: Vec<_> = pointers
            .map(|pointer| (node.key_position(pointer), node.position(pointer)))
            .into();
        (object.kind, object.id.clone(), object.value.clone(), places)
    };
    let objects: Vec<_> = document.objects.iter().map(of_object).collect();
    (
        objects,
        document.broken.clone(),
        document.problems.clone(),
        document.complete,
        document.aliased,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn rereading_gives_what_reading_gives(
        before in any_configuration(),
        edits in proptest::collection::vec((0usize..300, 0usize..30, prop_oneof![
            "[a-c0-9 ]{0,3}",
            "[\\[\\]{}|>&*#:!%@\t-]",
            prop::sample::select(vec![
                "\n", "- id: z\n", "\n- id: z", "  x: 1\n", "servers:\n", "routes:\n- id: q\n", "---\n", "...\n", "\"", "'", "&a ", "*a",
                "\r", "\r\n", "\0", "é", " ", "    ", "|\n", "? k\n", "- ", "\n\n", "# c\n",
            ]).prop_map(str::to_owned),
        ]), 1..4),
    ) {
        // One edit after the other, each time from what the last gave.
        let (mut text, mut document) = (before.clone(), Document::read(&before));
        for (from, length, insert) in edits {
            let chars: Vec<char> = text.chars().collect();
            let from = from.min(chars.len());
            let to = (from + length % 7).min(chars.len());
            let next: String = chars[..from].iter().copied().chain(insert.chars()).chain(chars[to..].iter().copied()).collect();
            let reread = document.reread(&text, &next);
            prop_assert_eq!(all_of(&reread), all_of(&Document::read(&next)), "{:?} -> {:?}", text, next);
            (text, document) = (next, reread);
        }
    }
}

#[test]
fn rereading_shares_what_is_the_same() {
    let text: String = (0..100).map(|n| format!("- id: r{n}\n  x: {n}\n")).collect();
    let before = format!("servers:\n- id: s\nroutes:\n{text}");
    let document = Document::read(&before);
    for (from, to, new) in [
        ("x: 50\n", "x: 50\n  y: 1\n", 1),
        ("- id: r50\n  x: 50\n", "", 1),
        ("- id: r50\n", "- id: new\n- id: r50\n", 3),
        ("  x: 99\n", "  x: 98\n", 1),
        ("  x: 99\n", "  x: 99\n- id: r100\n", 2),
    ] {
        let after = document.reread(&before, &before.replace(from, to));
        let old = |object: &&RawObject| {
            document
                .objects
                .iter()
                .any(|old| Arc::ptr_eq(&old.value, &object.value))
        };
        let shared = after.objects.iter().filter(old).count();
        assert!(
            after.objects.len() - shared <= new,
            "{from:?} to {to:?}: {shared} of {}",
            after.objects.len()
        );
    }
}
