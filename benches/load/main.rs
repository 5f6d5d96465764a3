//! The end-to-end bench: what one request costs a proxy, ours next to others.
//!
//! One process (this one) is load generator and backend, pinned to one core; each proxy runs alone, pinned to
//! another. In every round every target is measured once, in an order that rotates, so that whatever else the
//! machine does falls on all alike; what is compared are ratios within a round, and their median is the figure.
//! CPU time is what the kernel accounts to the proxy's processes (`/proc/PID/stat`) divided by the answers.
//!
//! `arguments` what was asked · `scenario`, `ask`, `parts` what is sent and what comes back · `target`, `setup`,
//! `objects` the proxies and their configurations · `process` pinning, CPU time, memory · `backend`, `client`,
//! `answer` the two halves of the load · `bare`, `handwritten` what we are compared with and had to write ·
//! `memory`, `hedge`, `isolation` the scenarios that are no comparison of targets · `histogram`, `report` the figures.
//!
//! It does not measure more than one core of proxy, TLS or HTTP/2.

mod answer;
mod arguments;
mod ask;
mod backend;
mod bare;
mod client;
#[path = "../content.rs"]
mod content;
mod handwritten;
mod hedge;
mod histogram;
mod isolation;
mod memory;
mod objects;
mod parts;
mod process;
mod report;
mod scenario;
mod setup;
mod target;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use arguments::Arguments;
use report::{Report, Sample};
use scenario::Scenario;
use target::{Running, Target};

/// The same allocator as the product: the bare proxy lives in this binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What went wrong, for the person at the terminal.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(ends) = &arguments.bare {
        return bare::run(ends);
    }
    if let Some(ends) = &arguments.handwritten {
        return handwritten::run(ends);
    }
    let result = match arguments.proxy_core {
        None => Err(process::pin_and_start_again()),
        Some(core) => bench(&arguments, core),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What every measurement needs.
struct Bench<'a> {
    arguments: &'a Arguments,
    /// The core of the targets.
    core: usize,
    backend: backend::Addresses,
}

fn bench(arguments: &Arguments, core: usize) -> Result<ExitCode> {
    for &scenario in &arguments.scenario {
        for target in arguments.targets(scenario) {
            target.require()?;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    tokio::task::LocalSet::new().block_on(&runtime, run(arguments, core))
}

async fn run(arguments: &Arguments, core: usize) -> Result<ExitCode> {
    let backend = backend::start().await?;
    let bench = Bench {
        arguments,
        core,
        backend,
    };
    let mut errors = 0;
    for &scenario in &arguments.scenario {
        let targets = arguments.targets(scenario);
        if targets.is_empty() {
            eprintln!("  {} is for none of these targets", scenario.name());
            continue;
        }
        errors += match scenario {
            Scenario::Memory => {
                for target in targets {
                    let running = Running::start(&bench, target, scenario).await?;
                    memory::measure(target, &running).await?;
                }
                0
            }
            Scenario::Hedge => hedge::measure(&bench).await?,
            Scenario::Isolation => isolation::measure(&bench).await?,
            _ => compare(&bench, scenario, &targets).await?,
        };
    }
    Ok(match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Measures and prints; gives how many requests had no good answer.
async fn compare(bench: &Bench<'_>, scenario: Scenario, targets: &[Target]) -> Result<u64> {
    let mut report = Report::new(scenario, targets);
    for round in 0..bench.arguments.rounds {
        for place in 0..targets.len() {
            let target = targets[(place + round) % targets.len()];
            let sample = sample(bench, scenario, target).await?;
            eprintln!(
                "  {} round {} {}",
                scenario.name(),
                round + 1,
                sample.line(target)
            );
            report.add(target, sample);
        }
    }
    println!("{report}");
    Ok(report.errors())
}

/// One target, freshly started, under one scenario.
async fn sample(bench: &Bench<'_>, scenario: Scenario, target: Target) -> Result<Sample> {
    let running = Running::start(bench, target, scenario).await?;
    let arguments = bench.arguments;
    let load = client::Load::start(running.address(), arguments.connections_for(scenario), |index| {
        scenario.ask(target, index)
    });
    tokio::time::sleep(Duration::from_secs_f64((arguments.seconds * 0.3).max(0.3))).await;
    load.forget();
    let cpu = running.cpu()?;
    tokio::time::sleep(Duration::from_secs_f64(arguments.seconds)).await;
    let measured = load.measured();
    let cpu = running.cpu()?.saturating_sub(cpu);
    load.stop().await;
    Ok(Sample {
        measured,
        cpu,
        resident_kib: running.resident_kib()?,
    })
}
