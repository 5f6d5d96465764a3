//! The end-to-end bench: what one request costs a proxy, ours next to others.
//!
//! One process (this one) is load generator and backend, pinned to one core; each proxy runs alone, pinned to
//! another. In every round every target is measured once, in an order that rotates, so that whatever else the
//! machine does falls on all alike; what is compared are ratios within a round, and their median is the figure.
//! CPU time is what the kernel accounts to the proxy's processes (`/proc/PID/stat`) divided by the answers.
//!
//! `arguments` what was asked · `scenario` what is sent · `target` the proxies and their configurations ·
//! `process` pinning, CPU time, memory · `backend`, `client`, `memory` the two halves of the load · `bare` the
//! proxy everything is compared with · `histogram`, `report` the figures.
//!
//! It does not measure more than one core of proxy, TLS or HTTP/2.

mod arguments;
mod backend;
mod bare;
mod client;
mod histogram;
mod memory;
mod process;
mod report;
mod scenario;
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

fn bench(arguments: &Arguments, core: usize) -> Result<ExitCode> {
    for target in &arguments.target {
        target.require()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    tokio::task::LocalSet::new().block_on(&runtime, run(arguments, core))
}

async fn run(arguments: &Arguments, core: usize) -> Result<ExitCode> {
    let backend = backend::start().await?;
    let mut failed = false;
    for &scenario in &arguments.scenario {
        if scenario == Scenario::Memory {
            for &target in &arguments.target {
                let running = Running::start(target, core, &backend, arguments).await?;
                memory::measure(target, &running).await?;
            }
            continue;
        }
        let mut report = Report::new(scenario, &arguments.target);
        for round in 0..arguments.rounds {
            for place in 0..arguments.target.len() {
                let target = arguments.target[(place + round) % arguments.target.len()];
                let sample = sample(arguments, core, &backend, scenario, target).await?;
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
        failed |= report.errors() > 0;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// One target, freshly started, under one scenario.
async fn sample(
    arguments: &Arguments,
    core: usize,
    backend: &backend::Addresses,
    scenario: Scenario,
    target: Target,
) -> Result<Sample> {
    let running = Running::start(target, core, backend, arguments).await?;
    let load = client::Load::start(running.address(), scenario, arguments.connections_for(scenario));
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
