use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use crate::limiter::Gate;

#[test]
fn no_more_than_the_maximum_enter() {
    let gate = Arc::new(Gate::default());
    let slots: Vec<_> = (0..10).filter_map(|_| gate.try_enter(3)).collect();
    assert_eq!((slots.len(), gate.in_flight()), (3, 3));
}

#[test]
fn dropped_slots_come_back() {
    let gate = Arc::new(Gate::default());
    drop(gate.try_enter(1));
    assert_eq!(gate.in_flight(), 0);
    assert!(gate.try_enter(1).is_some());
}

#[test]
fn slot_of_a_thread_that_panics_comes_back() {
    let gate = Arc::new(Gate::default());
    let slot = gate.try_enter(1);
    let panicked = thread::spawn(move || {
        let _slot = slot;
        std::panic::resume_unwind(Box::new("as if"));
    });
    assert!(panicked.join().is_err());
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn smaller_maximum_holds_until_enough_have_left() {
    let gate = Arc::new(Gate::default());
    let mut slots: Vec<_> = (0..4).filter_map(|_| gate.try_enter(4)).collect();
    for _ in 0..3 {
        assert!(gate.try_enter(2).is_none());
        slots.pop();
    }
    assert!(gate.try_enter(2).is_some());
}

#[test]
fn maximum_of_none_lets_nobody_in_and_the_greatest_everybody() {
    let gate = Arc::new(Gate::default());
    assert!(gate.try_enter(0).is_none());
    assert!(gate.try_enter(u64::MAX).is_some());
}

#[test]
fn threads_together_stay_below_the_maximum() {
    let gate = Arc::new(Gate::default());
    let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let pass = || {
        for _ in 0..20_000 {
            if let Some(_slot) = gate.try_enter(2) {
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                inside.fetch_sub(1, SeqCst);
            }
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(pass))));
    assert!((1..=2).contains(&most.into_inner()));
    assert_eq!(gate.in_flight(), 0);
}
