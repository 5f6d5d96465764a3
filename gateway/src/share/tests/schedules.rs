//! Callers that come, wait and go in any order, and `flights` keeping count of them.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use futures::{FutureExt, future::poll_fn};
use proptest::prelude::*;
use tokio::task::yield_now;

use super::{Alive, key};
use crate::share::flights::Flights;

#[test]
fn threads_that_join_and_leave_at_random_leave_nothing_behind() {
    let (flights, alive) = (Arc::new(Flights::new()), Alive::default());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (flights, alive) = (&flights, &alive);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(visits(flights, alive, thread));
            });
        }
    });
    assert_eq!((flights.len(), alive.count()), (0, 0));
}

/// Joins calls of a few keys 2,000 times, and leaves one in four before it has ended.
async fn visits(flights: &Flights<u64>, alive: &Alive, thread: u64) {
    for visit in 0..2_000_u64 {
        let random = (visit ^ thread << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let which = random % 3;
        let make = || {
            let one = alive.one();
            async move {
                let _one = one;
                yield_now().await;
                which
            }
        };
        let join = flights.join(key(&which.to_string()), make);
        if random.is_multiple_of(4) {
            futures::select_biased! {
                _ = std::pin::pin!(join.fuse()) => {}
                () = std::pin::pin!(yield_now().fuse()) => {}
            }
        } else {
            assert_eq!(join.await.0, which);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Poll(usize),
    Drop(usize),
    End(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize).prop_map(Step::Join),
        (0..8_usize).prop_map(Step::Poll),
        (0..8_usize).prop_map(Step::Poll),
        (0..8_usize).prop_map(Step::Drop),
        (0..3_usize).prop_map(Step::End),
    ];
    proptest::collection::vec(step, 0..80)
}

/// A caller, and the number of its call once it has been polled.
struct Caller<'a> {
    key: usize,
    join: Pin<Box<dyn Future<Output = usize> + 'a>>,
    call: Option<usize>,
}

/// Callers and calls, and beside them what ought to be: for each key the number of its call in flight.
struct World<'a> {
    flights: &'a Flights<usize>,
    alive: Alive,
    begun: Arc<AtomicUsize>,
    may_end: Arc<Mutex<Vec<usize>>>,
    callers: Vec<Caller<'a>>,
    in_flight: [Option<usize>; 3],
}

impl<'a> World<'a> {
    fn new(flights: &'a Flights<usize>) -> Self {
        Self {
            flights,
            alive: Alive::default(),
            begun: Arc::default(),
            may_end: Arc::default(),
            callers: Vec::new(),
            in_flight: [None; 3],
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join(key) => self.join(key),
            Step::Poll(at) if at < self.callers.len() => self.poll(at),
            Step::Drop(at) if at < self.callers.len() => self.drop(at),
            Step::End(key) => self.may_end.lock().unwrap().extend(self.in_flight[key]),
            Step::Poll(_) | Step::Drop(_) => {}
        }
        let in_flight = self.in_flight.iter().flatten().count();
        assert_eq!((self.flights.len(), self.alive.count()), (in_flight, in_flight));
    }

    fn join(&mut self, name: usize) {
        let (flights, alive) = (self.flights, self.alive.clone());
        let (begun, may_end) = (self.begun.clone(), self.may_end.clone());
        let make = move || {
            let (one, call) = (alive.one(), begun.fetch_add(1, SeqCst));
            poll_fn(move |_| {
                let _one = &one;
                if may_end.lock().unwrap().contains(&call) {
                    Poll::Ready(call)
                } else {
                    Poll::Pending
                }
            })
        };
        self.callers.push(Caller {
            key: name,
            join: Box::pin(async move { flights.join(key(&name.to_string()), make).await.0 }),
            call: None,
        });
    }

    fn poll(&mut self, at: usize) {
        let next = self.begun.load(SeqCst);
        let caller = &mut self.callers[at];
        let call = *caller
            .call
            .get_or_insert_with(|| *self.in_flight[caller.key].get_or_insert(next));
        match caller.join.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(got) => {
                assert_eq!(got, call);
                self.forget(call);
                self.callers.remove(at);
            }
            Poll::Pending => assert!(!self.may_end.lock().unwrap().contains(&call)),
        }
    }

    fn drop(&mut self, at: usize) {
        let left = self.callers.remove(at).call;
        if let Some(call) = left.filter(|_| self.callers.iter().all(|other| other.call != left)) {
            self.forget(call);
        }
    }

    fn forget(&mut self, call: usize) {
        for in_flight in &mut self.in_flight {
            in_flight.take_if(|number| *number == call);
        }
    }
}

proptest! {
    #[test]
    fn any_schedule_of_joins_polls_and_drops_leaves_exactly_the_calls_with_callers(steps in steps()) {
        let flights = Flights::new();
        let mut world = World::new(&flights);
        for step in steps {
            world.take(step);
        }
        while !world.callers.is_empty() {
            world.take(Step::Drop(0));
        }
        prop_assert!(flights.is_empty());
    }
}
