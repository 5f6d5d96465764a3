//! What those get who ask later, also when the backend fails.

use std::time::Duration;

use http::Method;
use tokio::task::yield_now;

use super::scene::{Scene, get, how_often, seen};
use crate::share::{Served, Unanswered};

#[tokio::test]
async fn an_answer_is_kept_while_fresh_and_its_age_told() {
    let scene = Scene::new();
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 1));
    scene.pass(59);
    let again = scene.ask(get(&[])).await;
    assert_eq!(seen(&again), (Served::Fresh, 1));
    assert_eq!(again.unwrap().age, Some(Duration::from_secs(59)));
    scene.pass(1);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 2));
}

#[tokio::test]
async fn other_values_of_keyed_headers_have_other_answers() {
    let scene = Scene::new();
    scene.say(200, &[("vary", "accept")]);
    assert_eq!(
        seen(&scene.ask(get(&[("accept", "a")])).await),
        (Served::Filled, 1)
    );
    assert_eq!(
        seen(&scene.ask(get(&[("accept", "b")])).await),
        (Served::Filled, 2)
    );
    assert_eq!(
        seen(&scene.ask(get(&[("accept", "a")])).await),
        (Served::Fresh, 1)
    );
}

#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let scene = Scene::holding();
    scene.fail();
    let outcomes = scene.crowd(5, || get(&[])).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(Unanswered::Failed("refused"))))
    );
    assert_eq!(scene.calls(), 1);

    let scene = Scene::holding();
    scene.say(503, &[]);
    let outcomes = scene.crowd(5, || get(&[])).await;
    assert_eq!((scene.calls(), how_often(&outcomes, Served::Shared)), (1, 4));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 2));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 3));
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_failure_while_it_may() {
    let scene = Scene::new();
    scene.ask(get(&[])).await.unwrap();
    scene.pass(659);
    scene.fail();
    let stale = scene.ask(get(&[])).await;
    assert_eq!(seen(&stale), (Served::Stale, 1));
    assert_eq!(stale.unwrap().age, Some(Duration::from_secs(659)));
    scene.say(503, &[]);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Stale, 1));
    scene.pass(1);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 4));
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_all_who_waited() {
    let scene = Scene::holding();
    scene.let_answer.add_permits(1);
    scene.ask(get(&[])).await.unwrap();
    scene.pass(100);
    scene.fail();
    let outcomes = scene.crowd(5, || get(&[])).await;
    assert_eq!((scene.calls(), how_often(&outcomes, Served::Stale)), (2, 5));
}

#[tokio::test]
async fn an_answer_that_became_too_old_during_the_call_does_not_stand_in() {
    let scene = Scene::holding();
    scene.let_answer.add_permits(1);
    scene.ask(get(&[])).await.unwrap();
    scene.pass(650);
    scene.fail();
    let late = async {
        yield_now().await;
        scene.pass(10);
        scene.let_answer.add_permits(1);
    };
    let (outcome, ()) = futures::join!(scene.ask(get(&[])), late);
    assert!(matches!(outcome, Err(Unanswered::Failed(_))));
}

#[tokio::test]
async fn what_must_be_revalidated_does_not_stand_in_and_what_said_no_cache_does() {
    let scene = Scene::new();
    scene.say(200, &[("cache-control", "max-age=5, must-revalidate")]);
    scene.ask(get(&[])).await.unwrap();
    scene.pass(5);
    scene.fail();
    assert!(scene.ask(get(&[])).await.is_err());

    scene.say(200, &[("cache-control", "no-cache")]);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 3));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 4));
    scene.fail();
    assert_eq!(
        seen(&scene.ask(get(&[("cache-control", "max-stale")])).await),
        (Served::Stale, 4)
    );
    assert_eq!(scene.calls(), 5);
}

#[tokio::test]
async fn a_client_that_insists_gets_the_backends_answer_or_its_failure_and_others_that_answer() {
    let scene = Scene::new();
    let insists = || get(&[("cache-control", "no-cache")]);
    scene.ask(get(&[])).await.unwrap();
    assert_eq!(seen(&scene.ask(insists()).await), (Served::Filled, 2));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Fresh, 2));
    scene.fail();
    assert!(scene.ask(insists()).await.is_err());
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Fresh, 2));
}

#[tokio::test]
async fn the_clients_limits_decide_between_the_kept_answer_and_a_call() {
    let scene = Scene::new();
    let limited = |text: &str| get(&[("cache-control", text)]);
    scene.ask(get(&[])).await.unwrap();
    scene.pass(20);
    assert_eq!(
        seen(&scene.ask(limited("max-age=20, min-fresh=40")).await),
        (Served::Fresh, 1)
    );
    assert_eq!(seen(&scene.ask(limited("max-age=19")).await), (Served::Filled, 2));
    scene.pass(20);
    assert_eq!(
        seen(&scene.ask(limited("min-fresh=41")).await),
        (Served::Filled, 3)
    );
    scene.pass(70);
    assert_eq!(
        seen(&scene.ask(limited("max-stale=11")).await),
        (Served::Stale, 3)
    );
    assert_eq!(
        seen(&scene.ask(limited("max-stale=10")).await),
        (Served::Filled, 4)
    );
}

#[tokio::test]
async fn a_failure_may_be_answered_with_what_the_client_found_too_old() {
    let scene = Scene::new();
    scene.ask(get(&[])).await.unwrap();
    scene.pass(20);
    scene.fail();
    assert_eq!(
        seen(&scene.ask(get(&[("cache-control", "max-age=5")])).await),
        (Served::Stale, 1)
    );
}

#[tokio::test]
async fn only_if_cached_makes_no_call() {
    let scene = Scene::new();
    let only = || get(&[("cache-control", "only-if-cached")]);
    assert!(matches!(scene.ask(only()).await, Err(Unanswered::NotKept)));
    assert_eq!(scene.calls(), 0);
    scene.ask(get(&[])).await.unwrap();
    assert_eq!(seen(&scene.ask(only()).await), (Served::Fresh, 1));
    scene.pass(60);
    assert!(matches!(scene.ask(only()).await, Err(Unanswered::NotKept)));
    assert_eq!(seen(&scene.ask(only().rule(None)).await), (Served::Passed, 2));
}

#[tokio::test]
async fn head_reads_what_get_filled_and_fills_nothing() {
    let scene = Scene::new();
    let head = || get(&[]).method(Method::HEAD).coalesced();
    assert_eq!(seen(&scene.ask(head()).await), (Served::Passed, 1));
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 2));
    assert_eq!(seen(&scene.ask(head()).await), (Served::Fresh, 2));
}

#[tokio::test]
async fn a_successful_unsafe_request_drops_what_was_kept() {
    for (method, status, dropped) in [
        (Method::POST, 201, true),
        (Method::DELETE, 303, true),
        (Method::PUT, 404, false),
        (Method::POST, 500, false),
        (Method::OPTIONS, 200, false),
    ] {
        let scene = Scene::new();
        scene.ask(get(&[])).await.unwrap();
        scene.say(status, &[]);
        scene.ask(get(&[]).method(method.clone())).await.unwrap();
        assert_eq!(scene.sharing.answers.entries() == 0, dropped, "{method} {status}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_drops_what_was_kept_and_a_failure_does_not() {
    for (status, left) in [(302, 0), (503, 1)] {
        let scene = Scene::new();
        scene.ask(get(&[])).await.unwrap();
        scene.pass(60);
        scene.say(status, &[]);
        scene.ask(get(&[])).await.unwrap();
        assert_eq!(scene.sharing.answers.entries(), left, "{status}");
    }
}

#[tokio::test]
async fn the_time_a_call_takes_counts_towards_the_age() {
    let scene = Scene::holding();
    scene.say(200, &[("cache-control", "max-age=10"), ("age", "2")]);
    let late = async {
        yield_now().await;
        scene.pass(3);
        scene.let_answer.add_permits(1);
    };
    let (filled, ()) = futures::join!(scene.ask(get(&[])), late);
    assert_eq!(filled.unwrap().age, None);
    scene.pass(4);
    assert_eq!(
        scene.ask(get(&[])).await.unwrap().age,
        Some(Duration::from_secs(9))
    );
    scene.pass(1);
    scene.let_answer.add_permits(1);
    assert_eq!(seen(&scene.ask(get(&[])).await), (Served::Filled, 2));
}
