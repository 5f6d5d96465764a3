//! The one way in which anything is written: check the whole, commit it on exactly the state that it was checked on, and if
//! somebody was faster, begin again on the newer state.
//!
//! What refuses a write is an error that it brings: one in an object that it changes, or one in an object that had none before
//! (that is the user of something taken away). What was broken before and is not touched refuses nothing, so a configuration
//! with broken objects can be worked on; proxies serve their last good versions, with all that these need.
//!
//! Writes through one admin take turns, so they are not each other's competitors; with several admins on one store a write may
//! have to begin again a few times, for [`PATIENCE`] at most.

use std::collections::HashSet;

use actix_web::rt::time::{sleep, timeout};
use meta::{
    check::check,
    document::Document,
    model::Kind,
    problem::{Problem as Fault, Severity},
    store::{Revision, StoreError},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;
use tokio::{
    sync::MutexGuard,
    time::{Duration, Instant},
};

use crate::{
    base::{Admin, Base},
    change::{Action, Change, changes, operations},
    finding::{Finding, Sent},
    order::Order,
    problem::{Code, Problem},
};

/// How long a write waits for its turn, and how long it begins again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request wants the configuration to be.
pub(crate) struct Draft {
    /// All of it.
    pub(crate) after: Document,
    /// What of it came with the request.
    pub(crate) sent: Sent,
}

/// What came of a write, or would.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Outcome {
    /// The revision that has the changes; the present one if nothing was written.
    pub(crate) revision: Revision,
    /// Whether nothing was written because of `?dry_run=true`.
    pub(crate) dry_run: bool,
    /// What is different; nothing if everything is as it was.
    pub(crate) changes: Vec<Change>,
    /// What is odd about what was changed, or because of it.
    pub(crate) warnings: Vec<Finding>,
}

impl Admin {
    /// Makes the configuration what `draft` makes of it, which is asked again whenever the state is another one.
    pub(crate) async fn write(
        &self,
        order: &Order,
        draft: impl Fn(&Base) -> Result<Draft, Problem>,
    ) -> Result<Outcome, Problem> {
        let _turn = self.turn().await?;
        let until = Instant::now() + PATIENCE;
        loop {
            let base = self.base().await?;
            let mut outcome = self.judge(&base, &draft(&base)?)?;
            if order.dry_run || outcome.changes.is_empty() {
                outcome.dry_run = order.dry_run;
                return Ok(outcome);
            }
            let operations = operations(&outcome.changes);
            match self
                .store
                .commit(base.revision(), operations, order.note.clone())
                .await
            {
                Ok(revision) => {
                    outcome.revision = revision;
                    tell(&outcome, order);
                    return Ok(outcome);
                }
                Err(StoreError::Conflict { .. }) if Instant::now() < until => {
                    sleep(Duration::from_millis(fastrand::u64(1..20))).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn turn(&self) -> Result<MutexGuard<'_, ()>, Problem> {
        let turn = timeout(PATIENCE, self.turn.lock()).await;
        turn.map_err(|_| {
            Problem::new(
                Code::Busy,
                "too many write at once, or the store is slow: try again",
            )
        })
    }

    /// What the draft changes, if that is allowed.
    fn judge(&self, base: &Base, Draft { after, sent }: &Draft) -> Result<Outcome, Problem> {
        let changes = changes(base.document(), after);
        let put = changes.iter().filter(|change| change.action != Action::Removed);
        let touched: HashSet<(Kind, &str)> = put.map(|change| (change.kind, change.id.as_str())).collect();
        // With what is good as it is, so that an error is told where it is made and not also of everything that builds on it.
        let report = check(after, Some(&base.report.checked), &self.kinds);
        let (errors, warnings): (Vec<&Fault>, Vec<&Fault>) = report
            .problems
            .iter()
            .partition(|problem| problem.severity == Severity::Error);
        refuse(&errors, &touched, &base.broken(), sent)?;
        let known: HashSet<&Fault> = base.report.problems.iter().collect();
        let warnings = warnings
            .into_iter()
            .filter(|problem| is_of(problem, &touched) || !known.contains(problem));
        Ok(Outcome {
            revision: base.revision(),
            dry_run: false,
            warnings: warnings.map(|problem| sent.locate(problem)).collect(),
            changes,
        })
    }
}

fn is_of(problem: &Fault, objects: &HashSet<(Kind, &str)>) -> bool {
    problem
        .kind
        .is_some_and(|kind| objects.contains(&(kind, problem.id.as_str())))
}

/// Refuses a write if there is an error that it brings.
fn refuse(
    errors: &[&Fault],
    touched: &HashSet<(Kind, &str)>,
    broken: &HashSet<(Kind, &str)>,
    sent: &Sent,
) -> Result<(), Problem> {
    let brought = |error: &&&Fault| is_of(error, touched) || !is_of(error, broken);
    let brought: Vec<&Fault> = errors.iter().filter(brought).copied().collect();
    if brought.is_empty() {
        return Ok(());
    }
    let own = |error: &&Fault| error.kind.is_none() || is_of(error, touched);
    let (code, detail) = match brought.iter().any(own) {
        true => (
            Code::Invalid,
            "the configuration would not be sound: nothing is written",
        ),
        false => (
            Code::InUse,
            "others use what would be taken away: nothing is written",
        ),
    };
    let errors = brought.into_iter().map(|error| sent.locate(error)).collect();
    Err(Problem::new(code, detail).because(errors))
}

/// Logs what was written.
fn tell(outcome: &Outcome, order: &Order) {
    let name = |change: &Change| format!("{}/{}", change.kind, change.id);
    let first: Vec<String> = outcome.changes.iter().take(3).map(name).collect();
    let more = match outcome.changes.len() {
        count @ 4.. => format!(" and {} more", count - 3),
        _ => String::new(),
    };
    let (author, revision) = (&order.note.author, outcome.revision);
    log::info!("revision {revision} by {author}: {}{more}", first.join(", "));
}

impl Outcome {
    /// The object that was written, if it is one.
    pub(crate) fn written(&self) -> Option<&Json> {
        match &self.changes[..] {
            [change] if !self.dry_run => change.after.as_ref(),
            _ => None,
        }
    }

    /// Whether an object is there that was not.
    pub(crate) fn added(&self) -> bool {
        !self.dry_run && self.changes.iter().any(|change| change.action == Action::Added)
    }
}
