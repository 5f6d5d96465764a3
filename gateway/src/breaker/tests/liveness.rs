//! Whatever happened to it, a breaker recovers once its server does.

use proptest::prelude::*;

use super::naive::{Happening, happenings, some_rules};
use super::*;

/// Plays what happens on the breaker alone, and returns the tickets that are out at its end.
fn play(scene: &mut Scene, happenings: Vec<Happening>) -> Vec<Ticket> {
    let mut out = Vec::new();
    for happening in happenings {
        match happening {
            Happening::Ask { chance } => out.extend(scene.ask(chance)),
            Happening::Report {
                which,
                outcome,
                may_trip,
            } if !out.is_empty() => {
                scene.may_trip = may_trip;
                let ticket = out.swap_remove(which % out.len());
                scene.report(ticket, outcome);
            }
            Happening::Cancel { which } if !out.is_empty() => {
                let ticket = out.swap_remove(which % out.len());
                scene.breaker.give_back(ticket);
            }
            Happening::Report { .. } | Happening::Cancel { .. } => {}
            Happening::Wait { ms } => scene.now += ms,
            Happening::Step => scene.step(),
            Happening::Force(to) => scene.force(to),
            Happening::Release => scene.release(),
            Happening::Rules(rules) => scene.rules = rules,
        }
    }
    out
}

/// Longer than any window, in whole slots, and any pause of the rules here.
const LONG: u64 = 1_100;

/// How the requests end that were still out.
fn endings() -> impl Strategy<Value = Vec<Option<Outcome>>> {
    let outcome = prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Slow),
        Just(Outcome::Failure)
    ];
    prop::collection::vec(prop::option::of(outcome), 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_passes_after_one_pause_and_its_probes_whatever_happened(
        rules in some_rules(100_u64..1_000),
        happenings in happenings(100_u64..1_000),
        last in endings(),
        jitter in 0.0..1.0,
    ) {
        let mut scene = Scene::new(rules);
        scene.jitter = jitter;
        let out = play(&mut scene, happenings);
        for (ticket, outcome) in out.into_iter().zip(last.into_iter().cycle()) {
            match outcome {
                Some(outcome) => scene.report(ticket, outcome),
                None => scene.breaker.give_back(ticket),
            }
        }
        scene.release();
        scene.now += LONG;
        scene.step();
        let probes = scene.rules.as_ref().map_or(0, |rules| rules.probe_successes);
        prop_assert_eq!(scene.view().probes_in_flight, 0);
        scene.run_all(probes as usize, Outcome::Success);
        prop_assert_eq!(scene.condition(), Condition::Passing);
        scene.now += LONG;
        prop_assert!(scene.ask(UNLUCKY).is_ok());
        scene.run_all(100, Outcome::Success);
        prop_assert_eq!(scene.condition(), Condition::Passing);
    }
}
