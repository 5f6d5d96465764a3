use std::{thread, time::Duration};

use super::backend::{
    Arrivals::{self, Even, Poisson},
    Backend,
    Service::{self, Constant, Exponential},
    Simulation,
};
use crate::limiter::Adaptive;

const WARM_UP_MS: u64 = 8_000;
const RUN_MS: u64 = 30_000;
const OVERLOAD: f64 = 3.0;

/// How a backend fared under overload.
struct Outcome {
    name: String,
    /// Of the capacity.
    goodput: f64,
    /// Of critical requests, in service times.
    p99: f64,
    refused: f64,
}

fn outcomes(workers: &[u32], service: Service, arrivals: Arrivals) -> Vec<Outcome> {
    let each = |&workers| [5.0, 50.0].map(|service_ms| (workers, service_ms));
    let backends = workers.iter().flat_map(each);
    backends
        .flat_map(|backend| [1, 2, 3].map(|seed| (backend, seed)))
        .map(|((workers, service_ms), seed)| {
            let backend = Backend {
                workers,
                service_ms,
                service,
                arrivals,
            };
            let mut simulation = Simulation::new(backend, seed);
            simulation.run(WARM_UP_MS, OVERLOAD);
            let mut seen = simulation.run(RUN_MS, OVERLOAD);
            Outcome {
                name: format!("{workers} workers of {service_ms} ms, seed {seed}"),
                goodput: seen.answered as f64 / (simulation.capacity_per_ms() * RUN_MS as f64),
                p99: seen.critical_p99_ms() / service_ms,
                refused: seen.critical_refused_share(),
            }
        })
        .collect()
}

fn assert_within(outcomes: &[Outcome], goodput: f64, p99: f64, refused: f64) {
    for outcome in outcomes {
        assert!(
            outcome.goodput >= goodput,
            "{}: goodput {}",
            outcome.name,
            outcome.goodput
        );
        assert!(outcome.p99 <= p99, "{}: p99 {}", outcome.name, outcome.p99);
        assert!(
            outcome.refused <= refused,
            "{}: refused {}",
            outcome.name,
            outcome.refused
        );
    }
}

#[test]
fn overloaded_backends_work_at_capacity_without_a_long_queue() {
    assert_within(&outcomes(&[4, 10, 50, 200], Constant, Even), 0.97, 2.0, 0.01);
}

#[test]
fn random_arrivals_change_little() {
    assert_within(&outcomes(&[10, 50, 200], Constant, Poisson), 0.97, 2.0, 0.02);
}

/// Of 8 in flight, 2 are left above the share of the normal ones; critical requests in a burst either wait or are refused.
#[test]
fn random_arrivals_at_four_workers_cost_some_critical_requests() {
    assert_within(&outcomes(&[4], Constant, Poisson), 0.97, 2.4, 0.04);
}

#[test]
fn varying_service_times_do_not_collapse_the_limit() {
    assert_within(&outcomes(&[4, 10, 50, 200], Exponential, Even), 0.85, 7.5, 0.02);
}

#[test]
fn limit_follows_a_backend_that_slows_down_and_recovers() {
    for workers in [4, 50, 200] {
        let backend = Backend {
            workers,
            service_ms: 20.0,
            service: Constant,
            arrivals: Even,
        };
        let mut simulation = Simulation::new(backend, 1);
        simulation.run(WARM_UP_MS, OVERLOAD);
        simulation.backend.service_ms = 60.0;
        simulation.run(5_000, OVERLOAD);
        assert_at_capacity(&mut simulation, "slowed down");
        simulation.backend.service_ms = 20.0;
        simulation.run(12_000, OVERLOAD);
        assert_at_capacity(&mut simulation, "recovered");
    }
}

#[test]
fn limit_follows_workers_that_come_and_go() {
    let backend = |workers| Backend {
        workers,
        service_ms: 20.0,
        service: Constant,
        arrivals: Even,
    };
    let mut simulation = Simulation::new(backend(50), 1);
    simulation.run(WARM_UP_MS, OVERLOAD);
    for workers in [200, 10] {
        simulation.replace_workers(workers);
        simulation.run(5_000, OVERLOAD);
        assert_at_capacity(&mut simulation, "as many since a while");
    }
}

fn assert_at_capacity(simulation: &mut Simulation, when: &str) {
    let service_ms = simulation.backend.service_ms;
    let workers = simulation.backend.workers;
    let mut seen = simulation.run(RUN_MS, OVERLOAD);
    let goodput = seen.answered as f64 / (simulation.capacity_per_ms() * RUN_MS as f64);
    assert!(goodput >= 0.9, "{workers} workers, {when}: goodput {goodput}");
    let p99 = seen.critical_p99_ms() / service_ms;
    assert!(p99 <= 2.0, "{workers} workers, {when}: p99 {p99}");
}

#[test]
fn a_backend_with_time_to_spare_is_not_held_back() {
    for workers in [10, 50, 200] {
        let backend = Backend {
            workers,
            service_ms: 20.0,
            service: Exponential,
            arrivals: Poisson,
        };
        let mut simulation = Simulation::new(backend, 1);
        simulation.run(WARM_UP_MS, 0.5);
        let seen = simulation.run(RUN_MS, 0.5);
        let offered = simulation.capacity_per_ms() * 0.5 * RUN_MS as f64;
        assert!(
            seen.answered as f64 >= 0.95 * offered,
            "{workers} workers: {} of {offered}",
            seen.answered
        );
        assert!(seen.critical_refused_share() <= 0.01, "{workers} workers");
    }
}

/// Answers after 10 ms, one every 10 ms, `in_flight` as a share of the limit, and what the limit was after each.
fn feed(adaptive: &Adaptive, from_ms: u64, until_ms: u64, used: f64) -> Vec<u64> {
    let limit_after = |now_ms| {
        let in_flight = (adaptive.limit() as f64 * used) as u64;
        adaptive.record(Duration::from_millis(10), in_flight, now_ms);
        adaptive.limit()
    };
    (from_ms..until_ms).step_by(10).map(limit_after).collect()
}

#[test]
fn limit_starts_at_twenty() {
    assert_eq!(Adaptive::default().limit(), 20);
}

#[test]
fn limit_does_not_grow_while_less_than_half_of_it_is_used() {
    let limits = feed(&Adaptive::seeded(1), 1_000, 60_000, 0.45);
    assert_eq!(limits.iter().max(), Some(&20));
}

#[test]
fn limit_grows_while_it_is_used_up_to_ten_thousand() {
    let limits = feed(&Adaptive::seeded(1), 1_000, 60_000, 0.6);
    assert_eq!(limits.iter().max(), Some(&10_000));
}

#[test]
fn endless_timeouts_leave_four() {
    let adaptive = Adaptive::seeded(1);
    feed(&adaptive, 1_000, 4_000, 1.0);
    let limits: Vec<_> = (4_000..6_000)
        .step_by(10)
        .map(|now_ms| {
            adaptive.record(Duration::from_secs(3_600), 20, now_ms);
            adaptive.limit()
        })
        .collect();
    assert_eq!(limits.iter().min(), Some(&4));
}

/// Requests that take 10 ms, until the base is known.
fn settled() -> Adaptive {
    let adaptive = Adaptive::seeded(1);
    for now_ms in 1..3_000 {
        adaptive.record(Duration::from_millis(10), adaptive.limit(), now_ms);
    }
    adaptive
}

#[test]
fn clients_that_give_up_waiting_count_as_slow_answers() {
    let adaptive = settled();
    let before = adaptive.limit();
    for now_ms in 3_000..6_000 {
        adaptive.record_unanswered(Duration::from_millis(500), adaptive.limit(), now_ms);
    }
    assert!(adaptive.limit() < before / 2, "{} of {before}", adaptive.limit());
}

#[test]
fn clients_that_leave_before_an_answer_could_come_say_nothing() {
    let (adaptive, undisturbed) = (settled(), settled());
    for now_ms in 3_000..6_000 {
        adaptive.record_unanswered(Duration::from_millis(1), adaptive.limit(), now_ms);
    }
    assert_eq!(adaptive.limit(), undisturbed.limit());
}

#[test]
fn one_outlier_in_a_window_costs_an_eighth_of_the_limit_at_most() {
    let adaptive = Adaptive::seeded(1);
    feed(&adaptive, 1_000, 12_000, 0.45);
    let before = adaptive.limit();
    adaptive.record(Duration::from_secs(30), 9, 12_000);
    let limits = feed(&adaptive, 12_010, 12_200, 0.45);
    assert_eq!(before, 20, "no probe is on");
    assert!(limits.iter().all(|&limit| limit >= 18), "{limits:?}");
}

#[test]
fn probes_halve_the_limit_about_every_ten_seconds() {
    let limits = feed(&Adaptive::seeded(1), 1_000, 121_000, 0.45);
    let is_probe = |pair: &[u64]| pair[1] < pair[0];
    // 12 in two minutes, and up to 6 in the first of them.
    let probes = limits.windows(2).filter(|pair| is_probe(pair)).count();
    assert!((11..=19).contains(&probes), "{probes}");
    let low = limits.iter().filter(|&&limit| limit < 20).count();
    assert!(low * 10 < limits.len(), "{low} of {}", limits.len());
}

#[test]
fn threads_together_leave_a_sane_limit() {
    let adaptive = Adaptive::seeded(1);
    let record = |offset_ms: u64| {
        for step in 0..50_000 {
            let in_flight = adaptive.limit();
            adaptive.record(
                Duration::from_micros(900 + step % 200),
                in_flight,
                1_000 + offset_ms + step,
            );
        }
    };
    thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || record(thread)))));
    assert!(
        (1_000..=10_000).contains(&adaptive.limit()),
        "{}",
        adaptive.limit()
    );
}
