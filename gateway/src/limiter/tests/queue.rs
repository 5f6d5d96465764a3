//! The queue in front of a gate.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tokio::{task::yield_now, time::Instant};

use crate::limiter::{Full, Gate, Slot};

const WAIT: Duration = Duration::from_millis(200);

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Slot, Full>> + 'a>>;

fn waiter(gate: &Arc<Gate>) -> Waiting<'_> {
    let mut waiting: Waiting<'_> = Box::pin(gate.enter(|| 1, 10, WAIT));
    assert!(poll(waiting.as_mut()).is_none(), "nobody has left");
    waiting
}

/// Polls once.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn full_gate() -> (Arc<Gate>, Slot) {
    let gate = Arc::new(Gate::default());
    let slot = gate.try_enter(1).expect("empty");
    (gate, slot)
}

#[tokio::test(start_paused = true)]
async fn with_room_nobody_waits() {
    let gate = Arc::new(Gate::default());
    let slot = poll(pin!(gate.enter(|| 1, 0, Duration::ZERO)));
    assert!(matches!(slot, Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn waiters_enter_in_the_order_they_came() {
    let (gate, slot) = full_gate();
    let mut waiters = [waiter(&gate), waiter(&gate), waiter(&gate)];
    let mut slot = Some(slot);
    for next in 0..waiters.len() {
        drop(slot.take());
        for later in waiters.iter_mut().skip(next + 1).rev() {
            assert!(poll(later.as_mut()).is_none(), "passed");
        }
        slot = poll(waiters[next].as_mut()).and_then(Result::ok);
        assert!(slot.is_some(), "waiter {next} of a free gate");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_pass_those_who_wait() {
    let (gate, slot) = full_gate();
    let mut first = waiter(&gate);
    drop(slot);
    assert!(gate.try_enter(1).is_none());
    let mut newcomer = waiter(&gate);
    let entered = poll(first.as_mut()).expect("its turn").expect("room");
    assert!(poll(newcomer.as_mut()).is_none());
    drop((entered, first));
    assert!(matches!(poll(newcomer.as_mut()), Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_the_queue_holds() {
    let (gate, _slot) = full_gate();
    let _waiters = [waiter(&gate), waiter(&gate)];
    assert_eq!(gate.waiting(), 2);
    let third = poll(pin!(gate.enter(|| 1, 2, WAIT)));
    assert!(matches!(third, Some(Err(Full))));
}

#[tokio::test(start_paused = true)]
async fn wait_ends_after_its_time_and_frees_its_place() {
    let (gate, slot) = full_gate();
    let start = Instant::now();
    assert!(matches!(gate.enter(|| 1, 1, WAIT).await, Err(Full)));
    assert!((WAIT..WAIT + Duration::from_millis(2)).contains(&start.elapsed()));
    assert_eq!(gate.waiting(), 0);
    drop(slot);
    assert!(gate.try_enter(1).is_some());
}

#[tokio::test(start_paused = true)]
async fn dropped_waiter_frees_its_place() {
    let (gate, slot) = full_gate();
    drop(waiter(&gate));
    assert_eq!(gate.waiting(), 0);
    drop(slot);
    assert!(gate.try_enter(1).is_some());
}

#[tokio::test(start_paused = true)]
async fn head_dropped_after_its_wake_up_hands_it_on() {
    let (gate, slot) = full_gate();
    let head = waiter(&gate);
    let mut second = waiter(&gate);
    drop(slot);
    drop(head);
    assert!(matches!(poll(second.as_mut()), Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn waiter_dropped_in_the_middle_holds_up_nobody() {
    let (gate, slot) = full_gate();
    let mut head = waiter(&gate);
    let middle = waiter(&gate);
    let mut last = waiter(&gate);
    drop(middle);
    drop(slot);
    let entered = poll(head.as_mut()).expect("its turn");
    drop((entered, head));
    assert!(matches!(poll(last.as_mut()), Some(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn grown_maximum_lets_as_many_in_as_it_has_room_for() {
    let (gate, _slot) = full_gate();
    let max = AtomicU64::new(1);
    let mut waiters: Vec<Waiting<'_>> = (0..3)
        .map(|_| Box::pin(gate.enter(|| max.load(SeqCst), 10, WAIT)) as Waiting<'_>)
        .collect();
    waiters
        .iter_mut()
        .for_each(|waiter| assert!(poll(waiter.as_mut()).is_none()));
    max.store(3, SeqCst);
    gate.look_again();
    let entered: Vec<_> = waiters
        .iter_mut()
        .filter_map(|waiter| poll(waiter.as_mut()))
        .collect();
    assert_eq!((entered.len(), gate.in_flight(), gate.waiting()), (2, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn shrunk_maximum_keeps_the_head_waiting() {
    let (gate, slot) = full_gate();
    let max = AtomicU64::new(1);
    let mut head = pin!(gate.enter(|| max.load(SeqCst), 1, WAIT));
    assert!(poll(head.as_mut()).is_none());
    max.store(0, SeqCst);
    drop(slot);
    assert!(poll(head.as_mut()).is_none());
    assert_eq!(gate.in_flight(), 0);
}

/// A lost wake-up would leave a waiter until its wait is over.
#[test]
fn no_wake_up_is_lost_between_threads() {
    let gate = Arc::new(Gate::default());
    let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let pass = async || {
        for _ in 0..5_000 {
            let slot = gate
                .enter(|| 1, 4, Duration::from_secs(60))
                .await
                .expect("its turn comes");
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            yield_now().await;
            inside.fetch_sub(1, SeqCst);
            drop(slot);
        }
    };
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(pass());
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(run))));
    assert_eq!((most.into_inner(), gate.in_flight(), gate.waiting()), (1, 0, 0));
}
