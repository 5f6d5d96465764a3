//! What hedging does for an aggregation over a cluster of which one server of three is slow, and what it costs.
//!
//! Requests come at a pace that the proxy has time for: what shows in the latencies is the servers, not a queue. Only
//! while fewer than 5 % of the calls go to the slow server can `p95` be a quick one's latency, so that share is shown.

use std::time::Duration;

use crate::ask::Ask;
use crate::backend::REPLICAS;
use crate::client::Load;
use crate::objects::{HEDGES, REPLICATED};
use crate::parts::{NAMES, Size};
use crate::report::median;
use crate::scenario::Scenario;
use crate::target::{Running, Target};
use crate::{Bench, Result};

const CONNECTIONS: usize = 128;
/// From one request of a connection to its next: 3,200 a second in all.
const EVERY: Duration = Duration::from_millis(40);
/// Until the gateway knows how long answers take.
const SETTLING: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Figures {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    /// Calls that were made a second time, in percent.
    twice: Vec<f64>,
    /// Calls that the slow server got, in percent.
    slow: Vec<f64>,
    errors: u64,
}

/// Measures and prints; gives how many requests had no good answer.
pub(crate) async fn measure(bench: &Bench<'_>) -> Result<u64> {
    let mut all = HEDGES.map(|(name, _)| (name, Figures::default()));
    for round in 0..bench.arguments.rounds {
        for place in 0..all.len() {
            let at = (place + round) % all.len();
            let (name, figures) = &mut all[at];
            sample(bench, name, figures).await?;
        }
    }
    println!("hedge · {}", Scenario::Hedge.explanation());
    println!("          p50 ms   p99 ms   p99 falls   called twice   to the slow one   errors");
    let plain = all[0].1.p99_ms.clone();
    for (name, figures) in &all {
        let falls = plain.iter().zip(&figures.p99_ms).map(|(plain, p99)| plain / p99);
        println!(
            "{name:8} {:7.2} {:8.2} {:9.1} × {:12.2} % {:15.2} % {:8}",
            median(figures.p50_ms.clone()),
            median(figures.p99_ms.clone()),
            median(falls.collect()),
            median(figures.twice.clone()),
            median(figures.slow.clone()),
            figures.errors
        );
    }
    println!("  wanted with p95: falls at least 5 ×, at most 5 % called twice\n");
    Ok(all.iter().map(|(_, figures)| figures.errors).sum())
}

async fn sample(bench: &Bench<'_>, name: &str, figures: &mut Figures) -> Result<()> {
    let running = Running::start(bench, Target::Ours, Scenario::Hedge).await?;
    // `{"user":…,"orders":…}`
    let members = NAMES[..2].iter().map(|name| name.len() + 4 + Size::Small.bytes());
    let length = 1 + members.sum::<usize>();
    let load = Load::start(running.address(), CONNECTIONS, |index| {
        Ask::get(&format!("/{name}/{index}"), length).paced(EVERY, index, CONNECTIONS)
    });
    tokio::time::sleep(SETTLING).await;
    let before = Calls::so_far(&running).await?;
    load.forget();
    tokio::time::sleep(Duration::from_secs_f64(bench.arguments.seconds)).await;
    let measured = load.measured();
    let after = Calls::so_far(&running).await?;
    load.stop().await;
    let (p50, p99) = (
        measured.latency.quantile_ms(0.5),
        measured.latency.quantile_ms(0.99),
    );
    let percent =
        |of: fn(&Calls) -> f64| 100.0 * (of(&after) - of(&before)) / (after.all - before.all).max(1.0);
    let (twice, slow) = (percent(|calls| calls.twice), percent(|calls| calls.slow));
    eprintln!(
        "  hedge {name:6} p50 {p50:6.2} ms   p99 {p99:6.2} ms   {twice:5.2} % twice   {slow:5.2} % to the slow one   {:?}",
        measured.errors
    );
    figures.p50_ms.push(p50);
    figures.p99_ms.push(p99);
    figures.twice.push(twice);
    figures.slow.push(slow);
    figures.errors += measured.errors.values().sum::<u64>();
    Ok(())
}

/// Calls of nodes; those made a second time are counted once.
struct Calls {
    all: f64,
    twice: f64,
    slow: f64,
}

impl Calls {
    async fn so_far(running: &Running) -> Result<Self> {
        let slow = format!(
            "gateway_server_requests_total{{server=\"{REPLICATED}-{}\"",
            REPLICAS.len() - 1
        );
        Ok(Self {
            all: running.metric("gateway_node_calls_total").await?,
            twice: running.metric("gateway_node_hedges_total").await?,
            slow: running.metric(&slow).await?,
        })
    }
}
