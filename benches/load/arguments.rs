//! What was asked for on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::scenario::Scenario;
use crate::target::Target;

/// Measures what a request costs a proxy: ours, bare Pingora, nginx, HAProxy, a service written by hand, in turns.
#[derive(Parser)]
#[command(name = "make bench ARGS=\"…\"", bin_name = "make bench ARGS=\"…\"")]
pub(crate) struct Arguments {
    /// Seconds each target is measured in each round.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Rounds; every target is measured once in each.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// What is sent, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Scenario::ALL)]
    pub(crate) scenario: Vec<Scenario>,
    /// Whom it is sent to, separated by commas; those that cannot do a scenario are left out of it.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Target::USUAL)]
    pub(crate) target: Vec<Target>,
    /// Connections at a time (a quarter of it for 1 MB bodies; `hedge` and `isolation` have their own).
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// The gateway to measure, if not the one built with this bench.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_gateway"))]
    pub(crate) gateway: PathBuf,
    /// Another build of the gateway, for `--target ours,other`: what a change costs.
    #[arg(long)]
    pub(crate) other: Option<PathBuf>,

    /// Runs as the bare proxy: where to listen, where to forward.
    #[arg(long, hide = true, num_args = 2)]
    pub(crate) bare: Option<Vec<SocketAddr>>,
    /// Runs as the hand-written service: where to listen, whom to call.
    #[arg(long, hide = true, num_args = 2)]
    pub(crate) handwritten: Option<Vec<SocketAddr>>,
    /// The core for proxies; given once this process is pinned to its own.
    #[arg(long, hide = true)]
    pub(crate) proxy_core: Option<usize>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// Who is measured in a scenario.
    pub(crate) fn targets(&self, scenario: Scenario) -> Vec<Target> {
        let asked = self.target.iter().copied();
        asked.filter(|target| target.does(scenario)).collect()
    }

    pub(crate) fn connections_for(&self, scenario: Scenario) -> usize {
        match scenario {
            Scenario::Large => (self.connections / 4).max(1),
            _ => self.connections,
        }
    }
}
