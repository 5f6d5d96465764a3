//! What a thousand aggregations that wait for a slow service do to a quick one.
//!
//! A thousand that wait a second each are also a thousand requests a second, which take their share of the core. So the
//! quick one is also measured beside a thousand quick requests a second: the difference is what the waiting does. One whose
//! services answer at once shows every tenth of a millisecond that it waits for the core; one whose services take 5 ms is
//! what a quick aggregation is like where services do some work.

use std::time::Duration;

use crate::ask::Ask;
use crate::client::Load;
use crate::parts::Size;
use crate::report::median;
use crate::scenario::Scenario;
use crate::target::{Running, Target};
use crate::{Bench, Result};

/// What is measured.
const MEASURED: [(&str, &str); 2] = [
    ("/quick", "services that answer at once"),
    ("/ordinary", "services that take 5 ms"),
];
/// Of the one that is measured: 1,600 requests a second.
const CONNECTIONS: usize = 16;
const EVERY: Duration = Duration::from_millis(10);
/// Of those that wait: a request every 1.1 s, a second of which is waiting, so that a thousand wait at any time.
const WAITING: usize = 1100;
const WAITING_EVERY: Duration = Duration::from_millis(1100);
/// Of those that do not, with as many requests a second.
const BESIDE: usize = 1000;

/// What else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Nobody,
    Waiting,
    Quick,
}

impl Company {
    const ALL: [Self; 3] = [Self::Nobody, Self::Waiting, Self::Quick];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Waiting => "beside 1,000 that wait 1 s",
            Self::Quick => "beside 1,000 quick ones a second",
        }
    }

    fn start(self, running: &Running) -> Option<Load> {
        let length = Size::Small.whole().len();
        let address = running.address();
        match self {
            Self::Nobody => None,
            Self::Waiting => Some(Load::start(address, WAITING, |index| {
                Ask::get(&format!("/slow/{index}"), length).paced(WAITING_EVERY, index, WAITING)
            })),
            Self::Quick => Some(Load::start(address, BESIDE, |index| {
                Ask::get(&format!("/quick/{index}"), length).paced(Duration::from_secs(1), index, BESIDE)
            })),
        }
    }
}

#[derive(Default)]
struct Figures {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    errors: u64,
}

/// Measures and prints; gives how many requests had no good answer.
pub(crate) async fn measure(bench: &Bench<'_>) -> Result<u64> {
    println!("isolation · {}", Scenario::Isolation.explanation());
    let mut errors = 0;
    for (path, services) in MEASURED {
        errors += compare(bench, path, services).await?;
    }
    println!("  wanted: at most 1.10 beside those that wait\n");
    Ok(errors)
}

async fn compare(bench: &Bench<'_>, path: &str, services: &str) -> Result<u64> {
    let mut all = Company::ALL.map(|company| (company, Figures::default()));
    for round in 0..bench.arguments.rounds {
        for place in 0..all.len() {
            let at = (place + round) % all.len();
            let (company, figures) = &mut all[at];
            sample(bench, path, *company, figures).await?;
        }
    }
    println!("{services:34}  p50 ms   p99 ms   ÷ alone   errors");
    let alone = all[0].1.p99_ms.clone();
    for (company, figures) in &all {
        let ratios = figures.p99_ms.iter().zip(&alone).map(|(p99, alone)| p99 / alone);
        println!(
            "{:34} {:7.3} {:8.3} {:9.2} {:8}",
            company.name(),
            median(figures.p50_ms.clone()),
            median(figures.p99_ms.clone()),
            median(ratios.collect()),
            figures.errors
        );
    }
    Ok(all.iter().map(|(_, figures)| figures.errors).sum())
}

async fn sample(bench: &Bench<'_>, path: &str, company: Company, figures: &mut Figures) -> Result<()> {
    let running = Running::start(bench, Target::Ours, Scenario::Isolation).await?;
    let length = Size::Small.whole().len();
    let beside = company.start(&running);
    let quick = Load::start(running.address(), CONNECTIONS, |index| {
        Ask::get(&format!("{path}/{index}"), length).paced(EVERY, index, CONNECTIONS)
    });
    // All of the company have begun, and the first are answered.
    tokio::time::sleep(WAITING_EVERY.mul_f64(2.1)).await;
    quick.forget();
    if let Some(beside) = &beside {
        beside.forget();
    }
    tokio::time::sleep(Duration::from_secs_f64(bench.arguments.seconds)).await;
    let measured = quick.measured();
    quick.stop().await;
    let (p50, p99) = (
        measured.latency.quantile_ms(0.5),
        measured.latency.quantile_ms(0.99),
    );
    let mut errors = measured.errors;
    let mut told = String::new();
    if let Some(beside) = beside {
        let measured = beside.measured();
        beside.stop().await;
        errors.extend(measured.errors);
        told = format!(
            "   they: {:.0}/s, p50 {:.3} ms",
            measured.latency.count() as f64 / measured.elapsed.as_secs_f64(),
            measured.latency.quantile_ms(0.5)
        );
    }
    eprintln!(
        "  isolation {path:9} {:34} p50 {p50:.3} ms   p99 {p99:.3} ms{told}   {errors:?}",
        company.name()
    );
    figures.p50_ms.push(p50);
    figures.p99_ms.push(p99);
    figures.errors += errors.values().sum::<u64>();
    Ok(())
}
