//! Every interleaving of two or three threads at the limits' atomics, explored with loom (Norris, Demsky, CDSChecker, OOPSLA 2013).
//!
//! The sources are included a second time, on loom's atomics instead of the real ones.

#![allow(dead_code, unreachable_pub, missing_docs)]

mod sync {
    use loom::sync::Mutex;
    pub use loom::sync::atomic::{AtomicU64, Ordering};

    /// As the real one: all accesses in one order. A lock is the way to have that here.
    #[derive(Debug)]
    pub struct Pair(Mutex<(u64, u64)>);

    impl Default for Pair {
        fn default() -> Self {
            Self(Mutex::new((0, 0)))
        }
    }

    impl Pair {
        pub fn load(&self) -> (u64, u64) {
            *self.0.lock().expect("no panic under it")
        }

        pub fn replace(&self, current: (u64, u64), next: (u64, u64)) -> bool {
            let mut pair = self.0.lock().expect("no panic under it");
            let is_current = *pair == current;
            if is_current {
                *pair = next;
            }
            is_current
        }
    }
}

#[path = "../../gateway/src/limiter"]
mod limiter {
    mod bucket;
    mod gate;
    mod keyed {
        mod table;

        mod models {
            use loom::{sync::Arc, thread};

            use super::table::Table;

            const KEY: u64 = 1;

            /// A limit of `burst` for ever: the word counts what was admitted.
            fn admit<const WIDTH: usize>(table: &Table<WIDTH>, key: u64, burst: u64) -> Option<bool> {
                let step = |count| {
                    if count < burst {
                        (count + 1, true)
                    } else {
                        (count, false)
                    }
                };
                table
                    .update(key, |count| if count == 0 { 0 } else { u64::MAX }, step)
                    .map(|(verdict, _)| verdict)
            }

            /// Runs `keys` at once in a table that `prepare` has seen first, and returns the verdicts.
            fn race<const WIDTH: usize, const N: usize>(
                cells: usize,
                keys: [u64; N],
                prepare: fn(&Table<WIDTH>),
            ) -> ([Option<bool>; N], Arc<Table<WIDTH>>) {
                let table = Arc::new(Table::<WIDTH>::new(cells));
                prepare(&table);
                let (last, others) = keys.split_last().expect("some keys");
                let spawn = |&key: &u64| {
                    let table = table.clone();
                    thread::spawn(move || admit(&table, key, 1))
                };
                let threads: Vec<_> = others.iter().map(spawn).collect();
                let last = admit(&table, *last, 1);
                let mut verdicts: Vec<_> = threads
                    .into_iter()
                    .map(|thread| thread.join().expect("no panic"))
                    .collect();
                verdicts.push(last);
                (verdicts.try_into().expect("one each"), table)
            }

            fn admitted(verdicts: &[Option<bool>]) -> usize {
                verdicts.iter().filter(|&&verdict| verdict == Some(true)).count()
            }

            fn bounded(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
                let mut builder = loom::model::Builder::new();
                builder.preemption_bound = Some(preemptions);
                builder.check(model);
            }

            #[test]
            fn one_key_brought_in_twice_is_admitted_once() {
                bounded(4, || {
                    let (verdicts, table) = race::<2, 2>(2, [KEY, KEY], |_| ());
                    assert_eq!(admitted(&verdicts), 1);
                    assert!(!verdicts.contains(&None));
                    assert_eq!(admit(&table, KEY, 1), Some(false));
                });
            }

            /// Where a third could take from the cell that is given up.
            #[test]
            fn one_key_brought_in_by_three_is_admitted_once() {
                bounded(2, || {
                    let (verdicts, _) = race::<2, 3>(2, [KEY; 3], |_| ());
                    assert_eq!(admitted(&verdicts), 1);
                    assert!(!verdicts.contains(&None));
                });
            }

            /// The first cell becomes free while both look for one, so that they choose different ones.
            #[test]
            fn one_key_is_admitted_once_while_a_cell_before_the_other_becomes_free() {
                bounded(3, || {
                    let table = Arc::new(Table::<2>::new(2));
                    let other = 2;
                    let (_, place) = table.update(other, |count| count, |_| (1, ())).expect("room");
                    let bring_in = |table: Arc<Table<2>>| move || admit(&table, KEY, 1);
                    let threads = [
                        thread::spawn(bring_in(table.clone())),
                        thread::spawn(bring_in(table.clone())),
                    ];
                    table.update_at(place, other, |_| 0);
                    let verdicts = threads.map(|thread| thread.join().expect("no panic"));
                    assert_eq!(admitted(&verdicts), 1);
                    assert!(!verdicts.contains(&None));
                });
            }

            #[test]
            fn two_keys_at_one_cell_leave_it_to_one_of_them() {
                bounded(4, || {
                    let (verdicts, _) = race::<1, 2>(1, [KEY, 2], |_| ());
                    assert_eq!(admitted(&verdicts), 1);
                    assert!(verdicts.contains(&None));
                });
            }

            #[test]
            fn two_keys_at_two_cells_have_one_each() {
                bounded(4, || {
                    let (verdicts, table) = race::<2, 2>(2, [KEY, 2], |_| ());
                    assert_eq!(admitted(&verdicts), 2);
                    assert_eq!([admit(&table, KEY, 1), admit(&table, 2, 1)], [Some(false); 2]);
                });
            }
        }
    }
    mod rate;

    mod models {
        use std::{sync::Arc, time::Duration};

        use loom::thread;

        use super::{
            bucket::Bucket,
            gate::Gate,
            rate::{Rate, Ticks},
        };

        #[test]
        fn the_last_token_is_taken_once() {
            loom::model(|| {
                let bucket = Arc::new(Bucket::default());
                let rate = Rate::new(1.0, Duration::from_secs(1), 1).expect("in range");
                let take = move |bucket: &Bucket, ns| bucket.take(&rate, Ticks::from_nanos(ns)).is_ok();
                let shared = bucket.clone();
                let thread = thread::spawn(move || take(&shared, 5));
                // A thread with an older time is no way round it.
                let here = take(&bucket, 4);
                let there = thread.join().expect("no panic");
                assert_eq!([here, there].iter().filter(|&&admitted| admitted).count(), 1);
            });
        }

        #[test]
        fn gate_holds_its_maximum_and_gets_its_places_back() {
            loom::model(|| {
                let gate = Arc::new(Gate::default());
                let shared = gate.clone();
                let thread = thread::spawn(move || {
                    drop(shared.try_enter(1));
                    shared.try_enter(1)
                });
                let here = gate.try_enter(1);
                let there = thread.join().expect("no panic");
                assert!(here.is_none() || there.is_none());
                assert_eq!(
                    gate.in_flight(),
                    u64::from(here.is_some()) + u64::from(there.is_some())
                );
                drop((here, there));
                assert_eq!(gate.in_flight(), 0);
            });
        }
    }
}
