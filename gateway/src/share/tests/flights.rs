//! What `flights` promises.

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::future::{join_all, poll_fn};
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
};

use super::{Alive, key};
use crate::share::flights::{Flights, Part};

fn is_leader<M>(part: &Part<M>) -> bool {
    matches!(part, Part::Leader)
}

/// Whether it panics when it is polled.
fn panics(future: Pin<&mut impl Future>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| future.poll(&mut context).is_ready())).is_err()
}

async fn a_thousand_get(value: Result<u32, &'static str>) {
    let (flights, runs) = (Flights::new(), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Notify::new());
    let joins = (0..1000).map(|_| {
        flights.join(key("a"), || {
            let (runs, gate) = (runs.clone(), gate.clone());
            async move {
                runs.fetch_add(1, SeqCst);
                gate.notified().await;
                value
            }
        })
    });
    let open = async {
        yield_now().await;
        assert_eq!(flights.len(), 1);
        gate.notify_one();
    };
    let (values, ()) = futures::join!(join_all(joins), open);
    assert_eq!(runs.load(SeqCst), 1);
    assert!(values.iter().all(|(got, _)| *got == value));
    assert_eq!(values.iter().filter(|(_, part)| is_leader(part)).count(), 1);
    assert!(flights.is_empty());
}

#[tokio::test]
async fn a_thousand_concurrent_callers_share_one_call() {
    a_thousand_get(Ok(7)).await;
}

#[tokio::test]
async fn a_thousand_concurrent_callers_share_a_failure() {
    a_thousand_get(Err("refused")).await;
}

#[tokio::test]
async fn different_keys_have_different_calls() {
    let flights = Flights::new();
    let (one, other) = futures::join!(
        flights.join(key("a"), || async {
            yield_now().await;
            1
        }),
        flights.join(key("b"), || ready(2))
    );
    assert_eq!((one.0, other.0), (1, 2));
}

#[tokio::test]
async fn when_the_leader_goes_the_call_goes_on_for_the_others() {
    let flights = Arc::new(Flights::new());
    let gate = Arc::new(Notify::new());
    let spawn = |value: u32| {
        let (flights, gate) = (flights.clone(), gate.clone());
        tokio::spawn(async move {
            let make = || async move {
                gate.notified().await;
                value
            };
            flights.join(key("a"), make).await.0
        })
    };
    let leader = spawn(1);
    yield_now().await;
    let follower = spawn(2);
    yield_now().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    assert_eq!(flights.len(), 1);
    gate.notify_one();
    assert_eq!(follower.await.unwrap(), 1);
    assert!(flights.is_empty());
}

#[test]
fn a_caller_that_is_kept_without_being_polled_holds_up_nobody() {
    let flights = Flights::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut first = true;
    let make = || {
        poll_fn(move |_| {
            if std::mem::take(&mut first) {
                Poll::Pending
            } else {
                Poll::Ready(1)
            }
        })
    };
    let mut leader = Box::pin(flights.join(key("a"), make));
    assert!(leader.as_mut().poll(&mut context).is_pending());
    let mut follower = Box::pin(flights.join(key("a"), || ready(2)));
    assert!(matches!(
        follower.as_mut().poll(&mut context),
        Poll::Ready((1, Part::Follower(_)))
    ));
    assert!(matches!(
        leader.as_mut().poll(&mut context),
        Poll::Ready((1, Part::Leader))
    ));
}

#[test]
fn when_all_callers_are_gone_the_call_is_dropped_at_once_and_forgotten() {
    let (flights, alive) = (Flights::new(), Alive::default());
    let mut context = Context::from_waker(Waker::noop());
    let mut joins: Vec<_> = (0..3)
        .map(|_| {
            let one = alive.clone();
            Box::pin(flights.join(key("a"), move || {
                let one = one.one();
                async move {
                    let _one = one;
                    pending::<()>().await;
                }
            }))
        })
        .collect();
    for join in &mut joins {
        assert!(join.as_mut().poll(&mut context).is_pending());
    }
    while joins.pop().is_some() {
        let left = usize::from(!joins.is_empty());
        assert_eq!((alive.count(), flights.len()), (left, left));
    }
}

#[tokio::test]
async fn who_comes_after_the_end_begins_the_next_call() {
    let flights = Flights::new();
    for value in 0..3 {
        let (got, part) = flights.join(key("a"), || ready(value)).await;
        assert!(got == value && is_leader(&part));
    }
}

#[test]
fn a_caller_of_an_ended_call_does_not_end_the_next_one() {
    let flights = Flights::new();
    let mut context = Context::from_waker(Waker::noop());
    let gate = Arc::new(AtomicUsize::new(0));
    let until = |at: usize| {
        let gate = gate.clone();
        move || {
            poll_fn(move |_| {
                if gate.load(SeqCst) >= at {
                    Poll::Ready(at)
                } else {
                    Poll::Pending
                }
            })
        }
    };
    let mut one = Box::pin(flights.join(key("a"), until(1)));
    let mut late = Box::pin(flights.join(key("a"), until(1)));
    assert!(one.as_mut().poll(&mut context).is_pending());
    assert!(late.as_mut().poll(&mut context).is_pending());
    gate.store(1, SeqCst);
    assert!(one.as_mut().poll(&mut context).is_ready());
    let mut next = Box::pin(flights.join(key("a"), until(2)));
    assert!(next.as_mut().poll(&mut context).is_pending());
    assert!(matches!(late.as_mut().poll(&mut context), Poll::Ready((1, _))));
    assert_eq!(flights.len(), 1);
    gate.store(2, SeqCst);
    assert!(matches!(next.as_mut().poll(&mut context), Poll::Ready((2, _))));
}

#[tokio::test]
async fn a_follower_gets_back_what_it_came_with() {
    let flights = Flights::new();
    let calls = (1..=2).map(|value| {
        flights.join(key("a"), move || async move {
            yield_now().await;
            value
        })
    });
    let [(_, leader), (shared, follower)] = join_all(calls).await.try_into().ok().unwrap();
    assert!(is_leader(&leader));
    let Part::Follower(make) = follower else {
        panic!("it followed")
    };
    assert_eq!((shared, make().await), (1, 2));
}

#[tokio::test]
async fn a_panic_of_the_call_resumes_in_each_caller_and_the_next_call_is_sound() {
    let flights = Arc::new(Flights::<u32>::new());
    let gate = Arc::new(Notify::new());
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let (flights, gate) = (flights.clone(), gate.clone());
        callers.spawn(async move {
            let make = || async move {
                gate.notified().await;
                // Unlike `panic!`, without a message on the terminal.
                resume_unwind(Box::new("the call's own words"))
            };
            flights.join(key("a"), make).await.0
        });
    }
    yield_now().await;
    gate.notify_one();
    let mut words = Vec::new();
    while let Some(caller) = callers.join_next().await {
        words.push(*caller.unwrap_err().into_panic().downcast::<&str>().unwrap());
    }
    assert_eq!(
        words
            .iter()
            .filter(|words| **words == "the call's own words")
            .count(),
        1
    );
    assert_eq!(words.len(), 10);
    assert!(flights.is_empty());
    assert_eq!(flights.join(key("a"), || ready(3)).await.0, 3);
}

#[test]
fn a_panic_while_one_caller_drives_the_call_wakes_the_others() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let flights = Flights::<u32>::new();
    let make = || {
        let mut polls = 0;
        poll_fn(move |_| {
            polls += 1;
            if polls == 2 {
                resume_unwind(Box::new(()))
            } else {
                Poll::Pending
            }
        })
    };
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut waiting = Box::pin(flights.join(key("a"), make));
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let mut driving = Box::pin(flights.join(key("a"), make));
    assert!(panics(driving.as_mut()));
    assert_eq!(woken.0.load(SeqCst), 1);
    assert!(panics(waiting.as_mut()));
    assert!(flights.is_empty());
}

#[test]
fn a_panic_before_the_call_begins_leaves_nothing_behind() {
    let flights = Flights::<u32>::new();
    let make = || -> std::future::Ready<u32> { resume_unwind(Box::new(())) };
    assert!(panics(Box::pin(flights.join(key("a"), make)).as_mut()));
    assert!(flights.is_empty());
}

#[test]
fn a_call_whose_end_makes_another_call_does_not_deadlock() {
    struct JoinsWhenDropped(Arc<Flights<()>>);
    impl Drop for JoinsWhenDropped {
        fn drop(&mut self) {
            let mut context = Context::from_waker(Waker::noop());
            assert!(
                Box::pin(self.0.join(key("a"), || ready(())))
                    .as_mut()
                    .poll(&mut context)
                    .is_ready()
            );
        }
    }
    let flights = Arc::new(Flights::new());
    let joins = JoinsWhenDropped(flights.clone());
    let make = || async move {
        let _joins = joins;
        pending().await
    };
    let mut join = Box::pin(flights.join(key("a"), make));
    assert!(
        join.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(join);
    assert!(flights.is_empty());
}
