//! What changes the configuration, or tells what would: `apply`, `diff`, `rollback`.

use std::path::PathBuf;

use clap::Args;
use http::Method;

use super::{Connection, Done, Failure, Order, Remote, changes::Outcome, file::File, progress::Progress};

/// `gateway apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// YAML or JSON with `servers`, `clusters`, `routes`, `aggregations`; `-` is standard input
    file: PathBuf,
    /// Takes every object away that FILE does not name
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    connection: Connection,
}

/// `gateway diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// YAML or JSON; `-` is standard input
    file: PathBuf,
    /// Counts every object as taken away that FILE does not name
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    connection: Connection,
}

/// `gateway rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The number of the state, as `gateway history` lists it
    revision: u64,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    connection: Connection,
}

/// What becomes of objects that FILE does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Stay,
    Go,
}

impl Others {
    fn of(prune: bool) -> Self {
        if prune { Self::Go } else { Self::Stay }
    }
}

impl Apply {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let (remote, file) = (self.connection.open()?, File::read(&self.file)?);
        let outcome = put(&remote, &file, Others::of(self.prune), &self.order)?;
        Ok(Done::saying(outcome.summary()))
    }
}

impl Diff {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let (remote, file) = (self.connection.open()?, File::read(&self.file)?);
        let order = Order {
            dry_run: true,
            message: None,
        };
        let outcome = put(&remote, &file, Others::of(self.prune), &order)?;
        Ok(Done {
            text: outcome.differences(),
            differs: outcome.is_a_change(),
        })
    }
}

impl Rollback {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let remote = self.connection.open()?;
        let path = format!("/revisions/{}/rollback", self.revision);
        let _progress = Progress::begin(format!("going back to revision {}", self.revision));
        let outcome: Outcome = remote.write(Method::POST, &path, &self.order, None)?;
        outcome.warn(None);
        Ok(Done::saying(outcome.summary()))
    }
}

/// Sends what the file says, as one transaction, and warns of what is odd about it.
fn put(remote: &Remote, file: &File, others: Others, order: &Order) -> Result<Outcome, Failure> {
    let outcome = match others {
        Others::Go => {
            let _progress = Progress::begin(format!("sending {}", file.name));
            remote
                .write::<Outcome>(Method::PUT, "/config", order, Some(file.body()))
                .map_err(|failure| file.blamed(failure))?
        }
        Others::Stay => {
            let objects = file.objects()?;
            let _progress = Progress::begin(format!("sending {} objects", objects.count()));
            let outcome: Outcome = remote
                .write(Method::POST, "/transactions", order, Some(objects.body()))
                .map_err(|failure| objects.blamed(failure))?;
            outcome.map_warnings(|warning| objects.place(warning))
        }
    };
    outcome.warn(Some(&file.name));
    Ok(outcome)
}
