//! What hostile patterns, paths and hosts can make a lookup do, in visited nodes.

use super::*;

/// 10,000 patterns with a literal or a parameter at each of the last 16 levels, none of which ends as the path does.
fn hostile() -> Vec<Entry<String>> {
    let pattern = |n: usize| {
        let level = |bit: usize| {
            if n >> bit & 1 == 1 {
                "/a".to_owned()
            } else {
                format!("/{{p{bit}}}")
            }
        };
        (0..16).map(level).collect::<String>() + &format!("/end{n}")
    };
    (0..10_000).map(|n| entry(&n.to_string(), &pattern(n))).collect()
}

fn visits(router: &Router<String>, path: &str) -> usize {
    router.walk("h", path, |_, _| true)
}

#[test]
fn a_miss_among_patterns_with_a_choice_at_every_level_visits_each_node_at_most_once() {
    let router = Router::new(hostile());
    let path = "/a".repeat(16) + "/miss";
    let visited = visits(&router, &path);
    assert!(visited <= 10_000 * 17, "{visited} nodes visited");
    assert_eq!(get(&router, &path), "404");
}

#[test]
fn a_hit_prunes_what_cannot_beat_it() {
    let mut entries = hostile();
    entries.push(entry("best", &"/a".repeat(17)));
    let router = Router::new(entries);
    assert!(visits(&router, &"/a".repeat(17)) <= 18);
    assert_eq!(get(&router, &"/a".repeat(17)), "best");
}

#[test]
fn thousands_of_segments_cost_no_more_than_the_deepest_pattern() {
    let deepest = "/a".repeat(meta::pattern::MAX_SEGMENTS);
    let router = Router::new(vec![entry("deep", &deepest), entry("tail", "/a/a/{rest*}")]);
    let long = "/a".repeat(100_000);
    assert!(visits(&router, &long) <= meta::pattern::MAX_SEGMENTS + 1);
    assert_eq!(get(&router, &long), "tail");
    assert_eq!(get(&router, &deepest), "deep");
    assert_eq!(get(&router, &format!("/{}", "/".repeat(100_000))), "404");
}

#[test]
fn a_host_of_many_labels_is_looked_up_by_few_of_its_suffixes() {
    let router = Router::new(vec![hosts(entry("wild", "/"), &["*.b.c"]), entry("any", "/")]);
    assert_eq!(
        find(&router, &Method::GET, &("a.".repeat(120) + "b.c"), "/"),
        "wild"
    );
    assert_eq!(
        find(&router, &Method::GET, &("a.".repeat(100_000) + "b.c"), "/"),
        "any"
    );
}

#[test]
fn conditions_of_entries_that_cannot_win_are_not_asked() {
    let entries = (0..1000)
        .map(|n| entry(&format!("{n:04}"), "/{x}"))
        .chain([entry("exact", "/a")])
        .collect();
    let router = Router::new(entries);
    let mut asked = 0;
    router.find("h", "/a", &Method::GET, |_, _| {
        asked += 1;
        true
    });
    assert_eq!(asked, 1);
}
