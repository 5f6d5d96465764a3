//! The breaker against one written as plainly as can be: an enum, a list of outcomes, no atomics.
//!
//! Both are told the same and must answer the same: who is admitted, what transitions there are, what is
//! shown. The plain one knows the slots of the window, since what leaves a window leaves by slots. Within a
//! run the window keeps its length (what a change of it does is tested on the window itself); all other rules
//! change, a slot apart since shares are judged by other rules only then. An operator takes a millisecond.

use proptest::prelude::*;

use super::*;
use Outcome::{Failure, Slow, Success};

#[derive(Clone, Debug, PartialEq)]
enum Now {
    /// Outcomes with the start of their slot.
    Passing {
        since: u64,
        recovered: bool,
        outcomes: Vec<(u64, Outcome)>,
    },
    Rejecting {
        until: u64,
    },
    Probing {
        out: u32,
        successes: u32,
    },
    Forced(Forced),
}

struct Naive {
    now: Now,
    trips: u32,
    since: u64,
    /// Counts transitions. A ticket is the life it is of, and whether it is a probe.
    life: usize,
}

type Paper = (usize, bool);

impl Naive {
    fn new() -> Self {
        let now = Now::Passing {
            since: 1,
            recovered: false,
            outcomes: Vec::new(),
        };
        Self {
            now,
            trips: 0,
            since: 0,
            life: 0,
        }
    }

    fn condition(&self) -> Condition {
        match self.now {
            Now::Passing { .. } | Now::Forced(Forced::Passing) => Condition::Passing,
            Now::Rejecting { .. } | Now::Forced(Forced::Rejecting) => Condition::Rejecting,
            Now::Probing { .. } => Condition::Probing,
        }
    }

    fn become_(&mut self, now: Now, why: Why, time: u64) -> Transition {
        let from = self.condition();
        self.now = now;
        self.life += 1;
        self.since = time;
        if self.condition() == Condition::Passing || why == Why::Forced {
            self.trips = 0;
        }
        Transition {
            from,
            to: self.condition(),
            why,
        }
    }

    fn pass(&mut self, why: Why, time: u64) -> Transition {
        let recovered = why == Why::ProbesSucceeded;
        self.become_(
            Now::Passing {
                since: time + 1,
                recovered,
                outcomes: Vec::new(),
            },
            why,
            time,
        )
    }

    fn reject(&mut self, rules: &Rules, why: Why, time: u64) -> Transition {
        let mut pause = rules.rejecting_for;
        for _ in 0..self.trips {
            pause = (pause * 2).min(rules.max_rejecting_for);
        }
        self.trips += 1;
        let until = time + pause.min(rules.max_rejecting_for).as_millis() as u64;
        self.become_(Now::Rejecting { until }, why, time)
    }

    fn step(&mut self, rules: Option<&Rules>, time: u64) -> Option<Transition> {
        match (&self.now, rules) {
            (Now::Rejecting { .. } | Now::Probing { .. }, None) => Some(self.pass(Why::RulesRemoved, time)),
            (&Now::Rejecting { until }, Some(_)) if time >= until => {
                Some(self.become_(Now::Probing { out: 0, successes: 0 }, Why::PauseOver, until))
            }
            (&Now::Probing { successes, .. }, Some(rules)) if successes >= rules.probe_successes => {
                Some(self.pass(Why::ProbesSucceeded, time))
            }
            _ => None,
        }
    }

    fn admit(&mut self, rules: Option<&Rules>, time: u64, chance: f64) -> Result<Paper, u64> {
        let percent = |rules: &Rules| f64::from(rules.probe_percent);
        match (&mut self.now, rules) {
            (Now::Forced(Forced::Rejecting), _) => Err(10_000),
            (Now::Rejecting { until }, _) => Err(*until - time),
            (
                &mut Now::Passing {
                    since,
                    recovered: true,
                    ..
                },
                Some(rules),
            ) => {
                let ramp = rules.ramp.unwrap_or_default().as_secs_f64() * 1000.0;
                let passed = time.saturating_sub(since) as f64;
                let refused = passed < ramp
                    && chance * 100.0 >= percent(rules) + (100.0 - percent(rules)) * passed / ramp;
                if refused {
                    Err(1_000)
                } else {
                    Ok((self.life, false))
                }
            }
            (Now::Probing { out, .. }, Some(rules)) => {
                if *out >= rules.max_probes || chance * 100.0 >= percent(rules) {
                    return Err(1_000);
                }
                *out += 1;
                Ok((self.life, true))
            }
            _ => Ok((self.life, false)),
        }
    }

    fn give_back(&mut self, (life, probe): Paper) {
        if let (Now::Probing { out, .. }, true) = (&mut self.now, probe && life == self.life) {
            *out -= 1;
        }
    }

    fn report(
        &mut self,
        rules: Option<&Rules>,
        paper: Paper,
        outcome: Outcome,
        time: u64,
        may_trip: bool,
    ) -> Option<Transition> {
        self.give_back(paper);
        let rules = rules.filter(|_| paper.0 == self.life)?;
        let probe_failed = match outcome {
            Success => None,
            Slow => rules.slow_percent.map(|_| Why::ProbeSlow),
            Failure => Some(Why::ProbeFailed),
        };
        match &mut self.now {
            Now::Passing { since, outcomes, .. } => {
                let width = rules.window.as_millis().div_ceil(10) as u64;
                outcomes.push((*since + time.saturating_sub(*since) / width * width, outcome));
                let live = |&(start, _): &(u64, Outcome)| start + 10 * width > time.max(*since);
                let live: Vec<Outcome> = outcomes
                    .iter()
                    .filter(|each| live(each))
                    .map(|&(_, outcome)| outcome)
                    .collect();
                let why = reason(rules, &live).filter(|_| may_trip)?;
                Some(self.reject(rules, why, time))
            }
            Now::Probing { .. } if probe_failed.is_some() => Some(self.reject(rules, probe_failed?, time)),
            Now::Probing { successes, .. } => {
                *successes += 1;
                self.step(Some(rules), time)
            }
            _ => None,
        }
    }

    fn force(&mut self, to: Forced, time: u64) -> Option<Transition> {
        (self.now != Now::Forced(to)).then(|| self.become_(Now::Forced(to), Why::Forced, time))
    }

    fn release(&mut self, time: u64) -> Option<Transition> {
        matches!(self.now, Now::Forced(_)).then(|| self.pass(Why::Released, time))
    }

    fn view(&self) -> View {
        let (until, probes_in_flight, probe_successes) = match self.now {
            Now::Rejecting { until } => (Some(until), 0, 0),
            Now::Probing { out, successes } => (None, out, successes),
            _ => (None, 0, 0),
        };
        View {
            condition: self.condition(),
            forced: matches!(self.now, Now::Forced(_)),
            since: self.since,
            until,
            trips_in_a_row: self.trips.min(31),
            probes_in_flight,
            probe_successes,
        }
    }
}

fn reason(rules: &Rules, live: &[Outcome]) -> Option<Why> {
    let percent = |wanted| {
        let count = live.iter().filter(|&&outcome| outcome == wanted).count();
        (live.len() >= rules.min_requests as usize).then(|| 100.0 * count as f64 / live.len() as f64)
    };
    let reached = |wanted, most: Option<u32>| {
        percent(wanted)
            .zip(most)
            .is_some_and(|(percent, most)| percent >= f64::from(most))
    };
    let in_a_row = live
        .iter()
        .rev()
        .take_while(|&&outcome| outcome == Failure)
        .count();
    if rules
        .consecutive_failures
        .is_some_and(|most| in_a_row >= most as usize)
    {
        Some(Why::ConsecutiveFailures)
    } else if reached(Failure, rules.failure_percent) {
        Some(Why::FailurePercent)
    } else if reached(Slow, rules.slow_percent) {
        Some(Why::SlowPercent)
    } else {
        None
    }
}

/// What can happen. Positions in the list of tickets that are out are taken modulo its length.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Ask {
        chance: f64,
    },
    Report {
        which: usize,
        outcome: Outcome,
        may_trip: bool,
    },
    Cancel {
        which: usize,
    },
    Wait {
        ms: u64,
    },
    Step,
    Force(Forced),
    Release,
    Rules(Option<Rules>),
}

/// Mostly traffic, in which failures come in rows so that trips in a row happen.
pub(super) fn happenings(
    window: impl Strategy<Value = u64> + Clone,
) -> impl Strategy<Value = Vec<Happening>> {
    let outcomes = prop_oneof![4 => Just(Success), 1 => Just(Slow), 4 => Just(Failure)];
    let reports = (any::<usize>(), outcomes, prop::bool::weighted(0.9));
    let happening = prop_oneof![
        30 => prop_oneof![Just(0.0), 0.0..1.0].prop_map(|chance| Happening::Ask { chance }),
        25 => reports.prop_map(|(which, outcome, may_trip)| Happening::Report { which, outcome, may_trip }),
        3 => any::<usize>().prop_map(|which| Happening::Cancel { which }),
        10 => (0_u64..150).prop_map(|ms| Happening::Wait { ms }),
        3 => Just(Happening::Step),
        1 => prop_oneof![Just(Forced::Passing), Just(Forced::Rejecting)].prop_map(Happening::Force),
        2 => Just(Happening::Release),
        2 => prop::option::weighted(0.8, some_rules(window)).prop_map(Happening::Rules),
    ];
    prop::collection::vec(happening, 1..300)
}

/// Small numbers, so that every border is reached.
pub(super) fn some_rules(window: impl Strategy<Value = u64>) -> impl Strategy<Value = Rules> {
    let tripping = (
        prop::option::of(1_u32..5),
        prop::option::of(prop_oneof![Just(50_u32), 1_u32..=100]),
        prop::option::of(1_u32..=100),
        1_u32..8,
        window,
    );
    let recovering = (
        1_u64..200,
        1_u64..600,
        1_u32..=100,
        1_u32..4,
        1_u32..5,
        prop::option::of(0_u64..400),
    );
    (tripping, recovering).prop_map(|((consecutive, failures, slow, least, window), recovering)| {
        let (pause, longest, percent, probes, successes, ramp) = recovering;
        Rules {
            consecutive_failures: consecutive,
            failure_percent: failures,
            slow_percent: slow,
            slow_call: slow.map(|_| ms(100)),
            min_requests: least,
            window: ms(window),
            rejecting_for: ms(pause),
            max_rejecting_for: ms(longest),
            probe_percent: percent,
            max_probes: probes,
            probe_successes: successes,
            ramp: ramp.map(ms),
        }
    })
}

/// Both breakers side by side, and the tickets that are out of each.
struct Pair {
    scene: Scene,
    naive: Naive,
    told: Vec<Transition>,
    out: Vec<(Ticket, Paper)>,
    /// After which another slot has begun: the first is a millisecond longer than the others.
    slot: u64,
}

impl Pair {
    fn happen(&mut self, happening: Happening) {
        self.scene.now += match &happening {
            Happening::Force(_) | Happening::Release => 1,
            Happening::Rules(_) => self.slot,
            _ => 0,
        };
        let (rules, now) = (self.scene.rules.clone(), self.scene.now);
        match happening {
            Happening::Ask { chance } => self.ask(chance),
            Happening::Report {
                which,
                outcome,
                may_trip,
            } => {
                let Some((ticket, paper)) = self.take(which) else {
                    return;
                };
                self.scene.may_trip = may_trip;
                self.scene.report(ticket, outcome);
                self.told
                    .extend(self.naive.report(rules.as_ref(), paper, outcome, now, may_trip));
            }
            Happening::Cancel { which } => {
                let Some((ticket, paper)) = self.take(which) else {
                    return;
                };
                self.scene.breaker.give_back(ticket);
                self.naive.give_back(paper);
            }
            Happening::Wait { ms } => self.scene.now += ms,
            Happening::Step => {
                self.scene.step();
                self.told.extend(self.naive.step(rules.as_ref(), now));
            }
            Happening::Force(to) => {
                self.scene.force(to);
                self.told.extend(self.naive.force(to, now));
            }
            Happening::Release => {
                self.scene.release();
                self.told.extend(self.naive.release(now));
            }
            Happening::Rules(rules) => self.scene.rules = rules,
        }
    }

    fn ask(&mut self, chance: f64) {
        let (rules, now) = (self.scene.rules.clone(), self.scene.now);
        let answer = self.scene.ask(chance);
        self.told.extend(self.naive.step(rules.as_ref(), now));
        let expected = self.naive.admit(rules.as_ref(), now, chance);
        assert_eq!(
            answer
                .map(Ticket::is_probe)
                .map_err(|rejection| rejection.retry_after),
            expected.map(|(_, probe)| probe).map_err(ms),
        );
        self.out.extend(answer.ok().zip(expected.ok()));
    }

    fn take(&mut self, which: usize) -> Option<(Ticket, Paper)> {
        let count = self.out.len();
        (count > 0).then(|| self.out.swap_remove(which % count))
    }

    /// The plain one does not look ahead, so what is due is compared once it is done.
    fn agree(&self) {
        assert_eq!(self.scene.transitions, self.told);
        let due = Naive {
            now: self.naive.now.clone(),
            ..self.naive
        }
        .step(self.scene.rules.as_ref(), self.scene.now);
        if due.is_none() {
            assert_eq!(self.scene.view(), self.naive.view());
        }
    }
}

fn runs() -> impl Strategy<Value = (Rules, Vec<Happening>)> {
    (100_u64..1_000).prop_flat_map(|window| (some_rules(Just(window)), happenings(Just(window))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_does_what_a_plainly_written_one_does((rules, happenings) in runs()) {
        let slot = (rules.window.as_millis() as u64).div_ceil(10) + 1;
        let mut pair =
            Pair { scene: Scene::new(rules), naive: Naive::new(), told: Vec::new(), out: Vec::new(), slot };
        for happening in happenings {
            pair.happen(happening);
            pair.agree();
        }
    }
}
