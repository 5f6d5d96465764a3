//! Who waits for whom, and how that reads.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// An aggregation of these nodes, each a mapping in YAML without braces, and with these members.
fn aggregation(nodes: &[&str], members: &str) -> Aggregation {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|node| format!("{{ cluster: c, {node} }}"))
        .collect();
    let text = format!("{{ id: home, nodes: [{}], {members} }}", nodes.join(", "));
    let tree = crate::document::read_tree(&text).unwrap();
    serde_json::from_value(tree.to_value()).unwrap()
}

fn plan(nodes: &[&str]) -> Plan {
    Plan::new(&aggregation(nodes, "")).unwrap()
}

const USER: &str = "name: user, url: /users";

#[test]
fn a_node_needs_whom_its_url_headers_body_and_condition_read() {
    for reads in [
        "url: '/vip/{node.user.level}'",
        "url: /vip, headers: { x-level: 'a{node.user}' }",
        "url: /vip, body: { deep: [1, { level: '{node.user.level}' }] }",
        "url: /vip, body: 'level {node.user.level}'",
        "url: /vip, when: header.x && node.user.level > 3",
    ] {
        let plan = plan(&[&format!("name: vip, {reads}"), USER]);
        assert_eq!([plan.needs(0), plan.needs(1)], [0b10, 0], "{reads}");
        assert_eq!(plan.stages(), [[1], [0]], "{reads}");
    }
    let plan = plan(&[
        USER,
        "name: vip, url: '/{param.user}/{body.user}', fallback: '{node.user}'",
    ]);
    assert_eq!(
        [plan.needs(0), plan.needs(1), plan.needs(2), plan.needs(99)],
        [0; 4]
    );
}

#[test]
fn what_the_response_reads_is_known_apart() {
    let nodes = [USER, "name: orders, url: /orders", "name: vip, url: /vip"];
    let response = "response: { a: ['{node.vip.level}'], b: 'dear {node.user.name}', c: '{node.nobody}' }";
    let plan = Plan::new(&aggregation(&nodes, response)).unwrap();
    assert_eq!(plan.response_needs(), 0b101);
    assert_eq!(self::plan(&nodes).response_needs(), 0);
}

#[test]
fn a_stage_begins_when_the_last_that_is_read_can_be_done() {
    let plan = plan(&[
        "name: last, url: '/{node.middle}/{node.first}'",
        "name: middle, url: '/{node.first}'",
        "name: first, url: /",
        "name: alone, url: /",
        "name: other, url: '/{node.alone}'",
    ]);
    assert_eq!(plan.stages(), [vec![2, 3], vec![1, 4], vec![0]]);
}

#[test]
fn a_cycle_is_named_from_the_node_that_is_listed_first() {
    let cases: &[(&[&str], &str)] = &[
        (&["name: a, url: '/{node.a.x}'"], "a → a"),
        (
            &["name: a, url: '/{node.b}'", "name: b, url: '/{node.a}'"],
            "a → b → a",
        ),
        (
            &[
                "name: free, url: '/{node.a}'",
                "name: a, url: '/{node.b}'",
                "name: b, url: '/{node.c}'",
                "name: c, url: '/{node.a}'",
            ],
            "a → c → b → a",
        ),
        // The shortest one.
        (
            &[
                "name: a, url: '/{node.c}'",
                "name: b, url: '/{node.a}'",
                "name: c, url: '/{node.b}{node.a}'",
            ],
            "a → c → a",
        ),
        // The first of two.
        (
            &[
                "name: a, url: '/{node.a}'",
                "name: b, url: '/{node.c}'",
                "name: c, url: '/{node.b}'",
            ],
            "a → a",
        ),
    ];
    for (nodes, expected) in cases {
        let cycle = Plan::new(&aggregation(nodes, "")).unwrap_err();
        assert_eq!(cycle.to_string(), *expected, "{nodes:?}");
    }
    let all = cycles(&aggregation(cases[4].0, ""));
    assert_eq!(
        all.iter().map(|cycle| cycle.nodes.clone()).collect::<Vec<_>>(),
        [vec![0], vec![1, 2]]
    );
}

#[test]
fn what_check_refuses_is_left_out() {
    let plan = plan(&[
        "name: a, url: '/{node.nobody}'",
        "name: a, url: /",
        "name: b, url: '/{node.a}'",
    ]);
    assert_eq!(
        [plan.needs(0), plan.needs(1), plan.needs(2)],
        [0, 0, 1],
        "of two the first"
    );
    let many: Vec<String> = (0..100)
        .map(|n| format!("name: n{n}, url: '/{{node.n{}}}'", n + 1))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let plan = self::plan(&many);
    assert_eq!(plan.needs(30), 1 << 31);
    assert_eq!([plan.needs(31), plan.needs(32)], [0, 0]);
    assert_eq!(plan.stages().len(), MOST_NODES);
    assert_eq!(self::plan(&[]).stages(), [[0; 0]; 0]);
    assert_eq!(self::plan(&[]).longest(|_| None), (vec![], Some(Duration::ZERO)));
}

#[test]
fn the_longest_chain_is_the_one_whose_timeouts_add_up_to_most() {
    let plan = plan(&[
        "name: slow, url: /",
        "name: a, url: /",
        "name: b, url: '/{node.a}'",
        "name: c, url: '/{node.b}{node.a}'",
    ]);
    let longest = |timeouts: [u64; 4]| {
        let timeout = |node: usize| {
            Some(timeouts[node])
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis)
        };
        let (chain, length) = plan.longest(timeout);
        (chain, length.map(|length| length.as_millis()))
    };
    assert_eq!(longest([500, 100, 200, 300]), (vec![1, 2, 3], Some(600)));
    assert_eq!(longest([700, 100, 200, 300]), (vec![0], Some(700)));
    assert_eq!(
        longest([600, 100, 200, 300]),
        (vec![1, 2, 3], Some(600)),
        "most nodes"
    );
    // 0 stands for no timeout, which is longer than any.
    assert_eq!(longest([700, 100, 0, 300]), (vec![1, 2, 3], None));
    assert_eq!(longest([0, 100, 200, 300]), (vec![0], None));
    assert_eq!(longest([0, 100, 0, 300]), (vec![1, 2, 3], None));
}

#[test]
fn a_plan_reads_well() {
    let orders = "name: orders, url: /orders";
    let vip = "name: vip, url: '/vip/{node.user.level}'";
    let timed = |node: &str, timeout: &str| format!("{node}, timeout: {timeout}");
    let (user_300, vip_500) = (timed(USER, "300ms"), timed(vip, "500ms"));
    let cases: &[(&[&str], &str, &str)] = &[
        (
            &[&user_300, orders, &vip_500],
            "timeout: 800ms, response: { a: '{node.user}', b: '{node.vip}' }",
            "aggregation \"home\": user, orders → vip (reads user)\n\
             longest call: orders, at most the timeout of 800ms\n\
             answer: its response, which reads user, vip",
        ),
        (
            &[&user_300, &timed(orders, "100ms"), &vip_500],
            "timeout: 800ms",
            "aggregation \"home\": user, orders → vip (reads user)\n\
             longest chain: user 300ms → vip 500ms = 800ms, within the timeout of 800ms\n\
             answer: an object of user, orders, vip",
        ),
        (
            &[&user_300, &vip_500],
            "timeout: 750ms, merge: flat",
            "aggregation \"home\": user → vip (reads user)\n\
             longest chain: user 300ms → vip 500ms = 800ms, more than the timeout of 750ms\n\
             answer: one object with the members of user, vip",
        ),
        (
            &[USER, &vip_500],
            "merge: list",
            "aggregation \"home\": user → vip (reads user)\n\
             longest chain: user → vip 500ms, at most the timeout of 10s\n\
             answer: a list of user, vip",
        ),
        (
            &[&user_300, &timed(orders, "2s")],
            "response: { a: 1 }",
            "aggregation \"home\": user, orders\n\
             longest call: orders 2s, within the timeout of 10s\n\
             answer: its response, which reads no node",
        ),
        (
            &[&user_300],
            "timeout: 1s",
            "aggregation \"home\": user, passed on as it is\n\
             longest call: user 300ms, within the timeout of 1s",
        ),
        (
            &[USER],
            "merge: object",
            "aggregation \"home\": user\n\
             longest call: user, at most the timeout of 10s\n\
             answer: an object of user",
        ),
    ];
    for (nodes, members, expected) in cases {
        let aggregation = aggregation(nodes, members);
        assert_eq!(Plan::new(&aggregation).unwrap().describe(&aggregation), *expected);
    }
}

/// Nodes that read each other at random; `reads` has a pair of reader and read for each edge.
fn random(count: usize, reads: &[(usize, usize)]) -> Aggregation {
    let node = |at: usize| {
        let own = reads.iter().filter(|(reader, _)| reader % count == at);
        let body: Vec<String> = own
            .map(|(_, read)| format!("{{node.n{}}}", read % count))
            .collect();
        json!({ "name": format!("n{at}"), "cluster": "c", "url": "/", "body": body })
    };
    let nodes: Vec<Json> = (0..count).map(node).collect();
    serde_json::from_value(json!({ "id": "x", "nodes": nodes })).unwrap()
}

proptest! {
    #[test]
    fn every_node_has_its_stage_after_all_it_needs_or_there_is_a_cycle(
        count in 1usize..=32,
        reads in proptest::collection::vec((0usize..32, 0usize..32), 0..40),
    ) {
        let aggregation = random(count, &reads);
        let edges: Vec<(usize, usize)> = reads.iter().map(|(reader, read)| (reader % count, read % count)).collect();
        match Plan::new(&aggregation) {
            Ok(plan) => {
                let stages = plan.stages();
                let stage = |node| stages.iter().position(|stage| stage.contains(&node)).unwrap();
                prop_assert_eq!(stages.concat().len(), count);
                for (reader, read) in edges {
                    prop_assert!(has(plan.needs(reader), read) && stage(reader) > stage(read));
                }
                let (chain, length) = plan.longest(|_| Some(Duration::from_secs(1)));
                prop_assert_eq!(chain.len(), stages.len());
                prop_assert_eq!(length, Some(Duration::from_secs(stages.len() as u64)));
            }
            Err(cycle) => {
                let after = cycle.nodes.iter().skip(1).chain([&cycle.nodes[0]]);
                for (read, reader) in cycle.nodes.iter().zip(after) {
                    prop_assert!(edges.contains(&(*reader, *read)), "{}", cycle);
                }
                prop_assert_eq!(cycle.nodes.iter().min(), cycle.nodes.first());
            }
        }
    }

    #[test]
    fn a_graph_in_which_each_reads_only_earlier_ones_has_no_cycle(
        count in 1usize..=32,
        reads in proptest::collection::vec((0usize..32, 0usize..32), 0..80),
    ) {
        let forward: Vec<(usize, usize)> = reads
            .iter()
            .map(|(one, other)| (one % count, other % count))
            .filter(|(reader, read)| reader > read)
            .collect();
        prop_assert!(Plan::new(&random(count, &forward)).is_ok());
    }
}
