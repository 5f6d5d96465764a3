//! What those get who ask while another's call is being made.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method};

use super::{
    key,
    scene::{RULE, Scene, get, how_often, seen},
};
use crate::share::{
    Answers, Concurrent, Served, Sharing,
    freshness::{Asked, Rule},
};

#[tokio::test]
async fn a_fill_is_one_call_for_all_who_ask_meanwhile_even_if_only_the_cache_is_on() {
    let scene = Scene::holding();
    let outcomes = scene.crowd(1000, || get(&[])).await;
    assert_eq!(scene.calls(), 1);
    assert_eq!(
        (
            how_often(&outcomes, Served::Filled),
            how_often(&outcomes, Served::Shared)
        ),
        (1, 999)
    );
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Fresh, 1));
}

#[tokio::test]
async fn without_a_cache_concurrent_requests_are_coalesced_only_if_told_and_nothing_is_kept() {
    let scene = Scene::holding();
    let outcomes = scene.crowd(10, || get(&[]).rule(None).coalesced()).await;
    assert_eq!((scene.calls(), how_often(&outcomes, Served::Shared)), (1, 9));
    assert_eq!(
        seen(&scene.ask(get(&[]).rule(None).coalesced()).await),
        (Served::Filled, 2)
    );

    let scene = Scene::holding();
    let outcomes = scene.crowd(10, || get(&[]).rule(None)).await;
    assert_eq!((scene.calls(), how_often(&outcomes, Served::Passed)), (10, 10));
    assert_eq!(
        (scene.sharing.answers.entries(), scene.sharing.answers.misses()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_not_given_to_those_who_waited_because_of_the_cache() {
    for (status, lines) in [
        (200, &[("set-cookie", "a=b")] as &[_]),
        (200, &[("cache-control", "private")]),
        (200, &[("cache-control", "no-store")]),
        (200, &[("cache-control", "no-cache, must-revalidate")]),
        (200, &[("vary", "cookie")]),
        (302, &[]),
        (500, &[("set-cookie", "a=b")]),
    ] {
        let scene = Scene::holding();
        scene.say(status, lines);
        let outcomes = scene.crowd(5, || get(&[])).await;
        let mut numbers: Vec<_> = outcomes.iter().map(|outcome| seen(outcome).1).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5], "{status} {lines:?}");
        assert_eq!(
            (
                how_often(&outcomes, Served::Filled),
                how_often(&outcomes, Served::Passed)
            ),
            (1, 4)
        );
        assert_eq!(scene.sharing.answers.entries(), 0);
    }
}

#[tokio::test]
async fn with_explicit_coalescing_only_answers_for_one_client_are_not_given_to_others() {
    for (status, lines, calls) in [
        (200, &[("set-cookie", "a=b")] as &[_], 5),
        (200, &[("cache-control", "private")], 5),
        (200, &[("vary", "cookie")], 5),
        (200, &[("cache-control", "no-store")], 1),
        (302, &[], 1),
        (500, &[], 1),
    ] {
        for rule in [None, Some(RULE)] {
            let scene = Scene::holding();
            scene.say(status, lines);
            scene.crowd(5, || get(&[]).rule(rule).coalesced()).await;
            assert_eq!(scene.calls(), calls, "{status} {lines:?}");
        }
    }
}

#[tokio::test]
async fn cookies_are_given_to_others_if_the_rule_says_so() {
    let scene = Scene::holding();
    scene.say(200, &[("set-cookie", "a=b")]);
    let lenient = Rule {
        keep_cookies: true,
        ..RULE
    };
    scene.crowd(5, || get(&[]).rule(lenient)).await;
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn what_bypasses_is_neither_looked_up_nor_kept_nor_shared() {
    for line in [
        ("authorization", "Bearer x"),
        ("range", "bytes=0-1"),
        ("cache-control", "no-store"),
    ] {
        let scene = Scene::holding();
        let outcomes = scene.crowd(5, || get(&[line]).coalesced()).await;
        assert_eq!(
            (scene.calls(), how_often(&outcomes, Served::Passed)),
            (5, 5),
            "{line:?}"
        );
        assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 6));
        assert_eq!(seen(&scene.ask(get(&[line])).await), (Served::Passed, 7));
    }
}

#[tokio::test]
async fn an_answer_is_kept_even_if_who_began_the_call_is_gone() {
    let scene = Scene::holding();
    let mut leader = Box::pin(scene.ask(get(&[])));
    assert!(futures::poll!(leader.as_mut()).is_pending());
    let mut follower = Box::pin(scene.ask(get(&[])));
    assert!(futures::poll!(follower.as_mut()).is_pending());
    drop(leader);
    scene.let_answer.add_permits(1);
    assert_eq!(seen(&follower.await), (Served::Shared, 1));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Fresh, 1));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_dropped_and_keeps_nothing() {
    let scene = Scene::holding();
    let mut only = Box::pin(scene.ask(get(&[])));
    assert!(futures::poll!(only.as_mut()).is_pending());
    drop(only);
    assert!(scene.sharing.flights.is_empty());
    scene.let_answer.add_permits(1);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 2));
}

#[test]
fn an_answer_can_be_awaited_on_any_thread() {
    fn sent(_: impl Send) {}
    let sharing = Sharing::<&'static str>::new(Arc::new(Answers::new(0)));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let asked = Asked {
        key: key("a"),
        keyed: &[],
        method: &method,
        headers: &headers,
    };
    let ask = || std::future::ready(Err("refused"));
    sent(sharing.answer(asked, Some(&RULE), Concurrent::Coalesced, || Duration::ZERO, ask));
}
