//! The proxies and services that are measured: who they are, how each is started.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::ask::Ask;
use crate::client::Connection;
use crate::process::Pinned;
use crate::scenario::Scenario;
use crate::setup;
use crate::{Bench, Result};

/// Whom the load is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Target {
    /// This gateway with one route
    Ours,
    /// This gateway, which forwards one call where the others put three together
    OursForward,
    /// This gateway with 10,000 routes, each with a condition and a split over two clusters
    Ours10k,
    /// This gateway with one route, and every limit and breaker there is, none of which refuses anything
    Guarded,
    /// Another build of this gateway with one route: `--other`
    Other,
    /// A bare Pingora proxy of a few lines
    Bare,
    /// nginx, one worker
    Nginx,
    /// HAProxy, one thread
    Haproxy,
    /// A service with axum and hyper, one thread, that does what the aggregation does
    Handwritten,
}

impl Target {
    /// Those that are measured unless told otherwise.
    pub(crate) const USUAL: [Self; 8] = [
        Self::Ours,
        Self::OursForward,
        Self::Ours10k,
        Self::Guarded,
        Self::Bare,
        Self::Nginx,
        Self::Haproxy,
        Self::Handwritten,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursForward => "ours-forward",
            Self::Ours10k => "ours-10k",
            Self::Guarded => "guarded",
            Self::Other => "other",
            Self::Bare => "bare",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Handwritten => "handwritten",
        }
    }

    /// Whether it takes part in a scenario.
    pub(crate) fn does(self, scenario: Scenario) -> bool {
        let only_aggregates = matches!(self, Self::OursForward | Self::Handwritten);
        match scenario {
            Scenario::Aggregate | Scenario::Aggregate18k => {
                only_aggregates || matches!(self, Self::Ours | Self::Other | Self::Nginx)
            }
            Scenario::Hedge | Scenario::Isolation => self == Self::Ours,
            _ => !only_aggregates,
        }
    }

    /// Fails with what to install if this machine lacks the program.
    pub(crate) fn require(self) -> Result<()> {
        match self {
            Self::Nginx | Self::Haproxy if self.program().is_none() => Err(format!(
                "{0} is not installed: `apt-get install {0}`, or leave it out with --target",
                self.name()
            )),
            _ => Ok(()),
        }
    }

    /// Debian keeps servers in `/usr/sbin`, which is not on everyone's path.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        places
            .map(|place| place.join(self.name()))
            .find(|file| file.is_file())
    }
}

/// A target that answers.
pub(crate) struct Running {
    process: Pinned,
    address: SocketAddr,
    /// Where it tells of itself; only ours does.
    manage: SocketAddr,
    /// Its configuration; removed with it.
    _directory: TempDir,
}

impl Running {
    /// Starts a target on the proxies' core, waits until the scenario's request comes through, and looks at the answer.
    pub(crate) async fn start(bench: &Bench<'_>, target: Target, scenario: Scenario) -> Result<Self> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let [address, manage] = free_addresses()?;
        let command = setup::prepare(bench, target, scenario, directory.path(), address, manage)?;
        let says = directory.path().join("says");
        let process = Pinned::start(&command, bench.core, &says)?;
        let mut running = Self {
            process,
            address,
            manage,
            _directory: directory,
        };
        let start = Instant::now();
        let ask = scenario.ask(target, 0);
        loop {
            let error = match fetch(address, &ask).await {
                Ok(body) => return check(scenario, target, &body).map(|()| running),
                Err(error) => error,
            };
            if running.process.ended() || start.elapsed() > Duration::from_secs(20) {
                let said = fs::read_to_string(&says).unwrap_or_default();
                return Err(format!(
                    "{} does not answer ({error}); it said:\n{said}",
                    target.name()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }

    pub(crate) fn resident_kib(&self) -> Result<u64> {
        self.process.resident_kib()
    }

    /// What our metrics with this name and the labels it begins with add up to: `name` or `name{label="value"`.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let ask = Ask {
            answer_length: None,
            ..Ask::get("/metrics", 0)
        };
        let text = fetch(self.manage, &ask).await;
        let text = text.map_err(|error| format!("no metrics: {error}"))?;
        let text = String::from_utf8_lossy(&text);
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_whole = rest.starts_with(['{', '}', ',', ' ']);
            rest.rsplit(' ').next()?.parse::<f64>().ok().filter(|_| is_whole)
        });
        Ok(values.sum())
    }
}

async fn fetch(address: SocketAddr, ask: &Ask) -> std::io::Result<Vec<u8>> {
    Connection::open(address).await?.fetch(ask).await
}

/// The load only looks at the length of answers: what is put together is compared once.
fn check(scenario: Scenario, target: Target, body: &[u8]) -> Result<()> {
    let Some(size) = scenario.parts().filter(|_| target != Target::OursForward) else {
        return Ok(());
    };
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    match (json(body), json(&size.whole())) {
        (Ok(answer), Ok(expected)) if answer == expected => Ok(()),
        _ => Err(format!(
            "{} puts together something else: {}",
            target.name(),
            String::from_utf8_lossy(body)
        )),
    }
}

/// Two addresses that were free a moment ago; both are held until both are known, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let free = || std::net::TcpListener::bind("127.0.0.1:0");
    let addresses = || {
        let (one, other) = (free()?, free()?);
        Ok([one.local_addr()?, other.local_addr()?])
    };
    addresses().map_err(|error: std::io::Error| format!("no free port: {error}"))
}
