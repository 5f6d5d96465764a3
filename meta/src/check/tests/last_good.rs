//! What serves in place of what cannot be used.

use super::*;

const GOOD: &str = "\
servers:
- { id: s1, address: 127.0.0.1:1 }
- { id: s2, address: 127.0.0.1:2 }
clusters:
- { id: c1, servers: [s1] }
- { id: c2, servers: [s2] }
routes:
- { id: r1, match: { path: /1 }, to: [{ cluster: c1 }] }
- { id: r2, match: { path: /2 }, to: [{ cluster: c2 }] }
aggregations:
- { id: a1, match: { path: /3 }, nodes: [{ name: n1, cluster: c1, url: /n }, { name: n2, cluster: c2, url: '/{node.n1}' }] }
- { id: a2, match: { path: /4 }, nodes: [{ name: n2, cluster: c2, url: /n }] }
";
const RUNNING: &str = "s1=127.0.0.1:1 s2=127.0.0.1:2 c1=[s1] c2=[s2] r1=[c1] r2=[c2] a1=[c1,c2] a2=[c2]";

#[test]
fn a_broken_object_is_served_by_its_last_good_version_and_nothing_else_changes() {
    for (kind, from, to) in [
        ("servers/s1", "127.0.0.1:1", "127.0.0.1"),
        ("servers/s1", "id: s1,", "id: s1, weight: 0,"),
        ("clusters/c1", "[s1]", "[s1, s1]"),
        ("clusters/c1", "[s1]", "[s1, s3]"),
        ("clusters/c1", "[s1] }", "[s1], load_balance: fair }"),
        ("routes/r1", "cluster: c1", "cluster: c3"),
        ("routes/r1", "path: /1", "path: 1"),
        (
            "routes/r1",
            "}] }\n- { id: r2",
            "}], mirror: { cluster: c3 } }\n- { id: r2",
        ),
        ("aggregations/a1", "n1, cluster: c1", "n1, cluster: c3"),
        ("aggregations/a1", "{node.n1}", "{node.n3}"),
        ("aggregations/a1", "url: /n }", "url: '/{node.n2}' }"),
        ("aggregations/a2", "[{ name: n2, cluster: c2, url: /n }]", "[]"),
    ] {
        let mut proxy = Proxy::running(GOOD);
        let before = proxy.running.clone().unwrap();
        let report = proxy.takes(&GOOD.replacen(from, to, 1));
        assert_eq!(runs(&report), RUNNING, "{to}");
        assert_eq!(shown(&report.quarantined), [format!("{kind} LastGood")], "{to}");
        assert!(!report.quarantined[0].problems.is_empty(), "{to}");
        assert_same(&before, &report.checked);
    }
}

#[test]
fn the_last_good_version_keeps_serving_for_any_number_of_broken_revisions() {
    let mut proxy = Proxy::running(GOOD);
    let before = proxy.running.clone().unwrap();
    for broken in ["127.0.0.1", "nowhere", "127.0.0.1", "127.0.0.1:0:0", "[]"] {
        let report = proxy.takes(&GOOD.replace("127.0.0.1:1", broken));
        assert_eq!(runs(&report), RUNNING, "{broken}");
        assert_same(&before, &report.checked);
    }
    let report = proxy.takes(GOOD);
    assert_eq!(shown(&report.quarantined), [""; 0]);
    assert_same(&before, &report.checked);
}

#[test]
fn an_object_that_never_was_good_is_left_out_with_everything_built_on_it() {
    let report = first(&GOOD.replace("127.0.0.1:1", "nowhere"));
    assert_eq!(runs(&report), "s2=127.0.0.1:2 c2=[s2] r2=[c2] a2=[c2]");
    let expected = [
        "servers/s1 Nothing",
        "clusters/c1 Nothing",
        "routes/r1 Nothing",
        "aggregations/a1 Nothing",
    ];
    assert_eq!(shown(&report.quarantined), expected);
    let reasons: Vec<String> = report.quarantined[1..]
        .iter()
        .flat_map(|object| object.problems.iter().map(|problem| problem.message.clone()))
        .collect();
    let expected = [
        "the server \"s1\" has problems of its own and never had a good version",
        "the cluster \"c1\" has problems of its own and never had a good version",
        "the cluster \"c1\" has problems of its own and never had a good version",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn an_object_whose_text_cannot_be_read_is_not_said_to_be_missing() {
    let text = "servers: [{ id: s1, address: 127.0.0.1:1, address: 127.0.0.1:2 }]\nclusters: [{ id: c1, servers: [s1] }]\n";
    let report = first(text);
    let own = problems(&report)
        .into_iter()
        .find(|problem| problem.contains("clusters/c1"))
        .unwrap();
    assert!(
        own.ends_with("the server \"s1\" has problems of its own and never had a good version"),
        "{own}"
    );
    assert_eq!(
        shown(&report.quarantined),
        ["servers/s1 Nothing", "clusters/c1 Nothing"]
    );
}

#[test]
fn what_a_last_good_version_needs_is_kept_though_it_was_deleted() {
    let mut proxy = Proxy::running(GOOD);
    let before = proxy.running.clone().unwrap();
    let gone = "\
servers:
- { id: s2, address: 127.0.0.1:2 }
clusters:
- { id: c2, servers: [s2] }
routes:
- { id: r1, match: { path: /1 }, to: [{ cluster: c1 }] }
- { id: r2, match: { path: /2 }, to: [{ cluster: c2 }] }
aggregations:
- { id: a1, match: { path: /3 }, nodes: [{ name: n1, cluster: c1, url: /n }, { name: n2, cluster: c2, url: '/{node.n1}' }] }
- { id: a2, match: { path: /4 }, nodes: [{ name: n2, cluster: c2, url: /n }] }
";
    for _ in 0..3 {
        let report = proxy.takes(gone);
        assert_eq!(runs(&report), RUNNING);
        assert_eq!(
            shown(&report.quarantined),
            ["routes/r1 LastGood", "aggregations/a1 LastGood"]
        );
        // Both are told, though either of them brings the cluster back.
        assert_eq!(
            problems(&report),
            [
                "6:50: routes/r1: to[0].cluster: there is no cluster \"c1\"; did you mean \"c2\"?",
                "9:63: aggregations/a1: nodes[0].cluster: there is no cluster \"c1\"; did you mean \"c2\"?",
            ]
        );
        assert_same(&before, &report.checked);
    }
    let report = proxy.takes(&gone.replace("cluster: c1", "cluster: c2"));
    assert_eq!(
        runs(&report),
        "s2=127.0.0.1:2 c2=[s2] r1=[c2] r2=[c2] a1=[c2,c2] a2=[c2]"
    );
    assert_eq!(shown(&report.quarantined), [""; 0]);
}

#[test]
fn a_deleted_server_serves_on_in_a_cluster_whose_text_still_names_it() {
    let mut proxy = Proxy::running(GOOD);
    let report = proxy.takes(&GOOD.replace("- { id: s1, address: 127.0.0.1:1 }\n", ""));
    assert_eq!(runs(&report), RUNNING);
    assert_eq!(shown(&report.quarantined), ["clusters/c1 LastGood"]);
    let report = proxy.takes(GOOD);
    assert_eq!(shown(&report.quarantined), [""; 0]);
}

#[test]
fn what_is_deleted_together_with_its_users_is_gone() {
    let mut proxy = Proxy::running(GOOD);
    let report = proxy.takes("servers:\n- { id: s1, address: 127.0.0.1:1 }\nclusters:\n- { id: c1, servers: [s1] }\nroutes:\n- { id: r1, to: [{ cluster: c1 }] }\n");
    assert_eq!(runs(&report), "s1=127.0.0.1:1 c1=[s1] r1=[c1]");
    assert_eq!(shown(&report.quarantined), [""; 0]);
    assert_eq!(runs(&proxy.takes("{}")), "");
}

#[test]
fn a_chain_of_broken_objects_stands_on_what_each_last_was() {
    let mut proxy = Proxy::running(GOOD);
    let broken = GOOD
        .replace("127.0.0.1:1", "nowhere")
        .replace("[s1]", "[s1, s9]")
        .replace("cluster: c1", "cluster: c9");
    let report = proxy.takes(&broken);
    assert_eq!(runs(&report), RUNNING);
    let expected = [
        "servers/s1 LastGood",
        "clusters/c1 LastGood",
        "routes/r1 LastGood",
        "aggregations/a1 LastGood",
    ];
    assert_eq!(shown(&report.quarantined), expected);
    // The server is mended: only the others are still what they were.
    let report = proxy.takes(&broken.replace("nowhere", "127.0.0.1:7"));
    assert_eq!(runs(&report), RUNNING.replace("127.0.0.1:1", "127.0.0.1:7"));
    assert_eq!(shown(&report.quarantined), expected[1..]);
}

#[test]
fn a_last_good_version_uses_the_present_version_of_what_it_refers_to() {
    let mut proxy = Proxy::running(GOOD);
    let report = proxy.takes(&GOOD.replace("path: /1", "path: 1").replace("[s1]", "[s2, s1]"));
    assert_eq!(runs(&report), RUNNING.replace("[s1]", "[s2,s1]"));
    assert_eq!(shown(&report.quarantined), ["routes/r1 LastGood"]);
}

#[test]
fn a_deleted_server_that_comes_back_different_is_used_by_whoever_kept_it() {
    let mut proxy = Proxy::running(GOOD);
    proxy.takes(&GOOD.replace("- { id: s1, address: 127.0.0.1:1 }\n", ""));
    let report = proxy.takes(&GOOD.replace("127.0.0.1:1", "127.0.0.1:9"));
    assert_eq!(runs(&report), RUNNING.replace("127.0.0.1:1", "127.0.0.1:9"));
    assert_eq!(shown(&report.quarantined), [""; 0]);
}

#[test]
fn what_may_stand_behind_the_end_of_an_unfinished_text_is_kept() {
    let mut proxy = Proxy::running(GOOD);
    let before = proxy.running.clone().unwrap();
    // Cut anywhere, and with rubbish that ends the reading there.
    for (at, _) in GOOD.char_indices() {
        let report = proxy.takes(&format!("{}\t\"[", &GOOD[..at]));
        assert_eq!(runs(&report), RUNNING, "cut at {at}");
        assert_same(&before, &report.checked);
        let unused = |problem: &String| problem.contains("uses this");
        assert!(
            !problems(&report).iter().any(unused),
            "cut at {at}: {:?}",
            problems(&report)
        );
    }
    for text in ["", "[]", "servers: 3", "\u{feff}", "a: b"] {
        assert_eq!(runs(&proxy.takes(text)), RUNNING, "{text:?}");
    }
}

#[test]
fn an_unfinished_text_still_applies_what_stands_before_its_end() {
    let mut proxy = Proxy::running(GOOD);
    let (head, _) = GOOD.split_once("- { id: c2").unwrap();
    let text = format!("{}- {{ id: c2, servers: [s2", head.replace("[s1]", "[s1, s2]"));
    let report = proxy.takes(&text);
    assert_eq!(runs(&report), RUNNING.replace("[s1]", "[s1,s2]"));
    assert_eq!(shown(&report.quarantined), ["clusters/c2 LastGood"]);
}

#[test]
fn an_item_without_an_id_may_be_any_so_nothing_is_deleted_meanwhile() {
    let mut proxy = Proxy::running(GOOD);
    let report = proxy.takes("servers:\n- { address: 127.0.0.1:1 }\n- { id: s2, address: 127.0.0.1:2 }\n");
    assert_eq!(runs(&report), RUNNING);
    assert_eq!(shown(&report.quarantined), ["servers/ Nothing"]);
    assert_eq!(report.quarantined[0].problems.len(), 1);
    assert_eq!(
        runs(&proxy.takes("servers:\n- { id: s2, address: 127.0.0.1:2 }\n")),
        "s2=127.0.0.1:2"
    );
}

#[test]
fn an_object_whose_text_comes_back_is_the_same_object() {
    let mut proxy = Proxy::running(GOOD);
    let before = proxy.running.clone().unwrap();
    proxy.takes(
        &GOOD
            .replace("127.0.0.1:1", "nowhere")
            .replace("cluster: c2", "cluster: c9"),
    );
    let report = proxy.takes(GOOD);
    assert_same(&before, &report.checked);
}

#[test]
fn only_what_changed_is_read_again() {
    let mut proxy = Proxy::running(GOOD);
    let before = proxy.running.clone().unwrap();
    // Comments and style are no change.
    let report = proxy.takes(&format!(
        "# again\n{}",
        GOOD.replace("path: /1", "path:   \"/1\"")
    ));
    assert_same(&before, &report.checked);
    let report = proxy.takes(&GOOD.replace("path: /1", "path: /3"));
    let kept: Vec<bool> = before
        .routes()
        .zip(report.checked.routes())
        .map(|(old, new)| Arc::ptr_eq(old, new))
        .collect();
    assert_eq!(kept, [false, true]);
}

#[test]
fn another_order_of_keys_is_a_change_of_its_object_alone() {
    let with = |response: &str| GOOD.replace("id: a2,", &format!("id: a2, response: {response},"));
    let mut proxy = Proxy::running(&with("{ b: 1, a: 2 }"));
    let before = proxy.running.clone().unwrap();
    let report = proxy.takes(&with("{ a: 2, b: 1 }"));
    let old = before.aggregations().collect::<Vec<_>>();
    let new = report.checked.aggregations().collect::<Vec<_>>();
    assert!(Arc::ptr_eq(old[0], new[0]) && !Arc::ptr_eq(old[1], new[1]));
    assert_eq!(
        serde_json::to_string(&new[1].response).unwrap(),
        r#"{"a":2,"b":1}"#
    );
}

fn assert_same(before: &Checked, after: &Checked) {
    fn assert_each<'a, T: 'a>(
        before: impl ExactSizeIterator<Item = &'a Arc<T>>,
        after: impl ExactSizeIterator<Item = &'a Arc<T>>,
    ) {
        assert_eq!(before.len(), after.len());
        assert!(
            before
                .zip(after)
                .all(|(before, after)| Arc::ptr_eq(before, after))
        );
    }
    assert_each(before.servers(), after.servers());
    assert_each(before.clusters(), after.clusters());
    assert_each(before.routes(), after.routes());
    assert_each(before.aggregations(), after.aggregations());
}
