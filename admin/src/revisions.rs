//! `/revisions`: the states of the past that the store keeps, what is different between them, and the way back.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use meta::{
    document::Document,
    store::{HistoryEntry, Revision},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::{
    base::Admin,
    change::{Change, changes},
    commit::Draft,
    finding::{Finding, Sent},
    media,
    order::Order,
    parameters::{self, Parameters},
    precondition::Preconditions,
    problem::{Code, Problem},
    resource::{Answered, json},
    whole::{self, Objects},
};

/// The states that are kept.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Revisions {
    /// Newest first.
    items: Vec<HistoryEntry>,
    /// The present one.
    revision: Revision,
}

pub(crate) async fn list(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    parameters::none(&request)?;
    let base = admin.base().await?;
    let revisions = Revisions {
        items: admin.store.history().await?,
        revision: base.revision(),
    };
    Ok(json(StatusCode::OK, &revisions))
}

/// One state of the past.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Past {
    #[serde(flatten)]
    entry: HistoryEntry,
    /// All objects as they were.
    config: Json,
}

pub(crate) async fn get(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    parameters::none(&request)?;
    let revision = parameters::revision_in_path(&request)?;
    let history = admin.store.history().await?;
    let entry = history.into_iter().find(|entry| entry.revision == revision);
    let document = admin.past(revision).await?;
    let past = Past {
        entry: entry.ok_or_else(|| not_kept(revision))?,
        config: Objects::of(&document).into_value(),
    };
    Ok(json(StatusCode::OK, &past))
}

/// What is different between two states.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Difference {
    from: Revision,
    to: Revision,
    /// What leads from the one to the other.
    changes: Vec<Change>,
}

/// From the revision in the path to `?to=`, or to the present one.
pub(crate) async fn diff(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    let mut parameters = Parameters::of(&request, &["to"]);
    let to = parameters.take("to", parameters::revision);
    parameters.finish()?;
    let from = parameters::revision_in_path(&request)?;
    let before = admin.past(from).await?;
    let difference = match to {
        Some(to) => {
            let after = admin.past(to).await?;
            Difference {
                from,
                to,
                changes: changes(&before, &after),
            }
        }
        None => {
            let base = admin.base().await?;
            Difference {
                from,
                to: base.revision(),
                changes: changes(&before, base.document()),
            }
        }
    };
    Ok(json(StatusCode::OK, &difference))
}

/// Makes the configuration what it was, as a state of its own: the states in between stay in the history.
pub(crate) async fn rollback(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    let mut order = Order::of(&request)?;
    let revision = parameters::revision_in_path(&request)?;
    let preconditions = Preconditions::of(&request)?;
    if order.note.message.is_empty() {
        order.note.message = format!("rollback to revision {revision}");
    }
    let past = admin.past(revision).await?;
    if !past.broken.is_empty() {
        let detail = format!(
            "revision {revision} holds objects that could not be read, so there is no way back to it"
        );
        return Err(Problem::new(Code::Invalid, detail).because(unread(&past)));
    }
    let outcome = admin.write(&order, |base| {
        whole::hold(base, &preconditions)?;
        Ok(Draft {
            after: (*past).clone(),
            sent: Sent::Nothing,
        })
    });
    Ok(json(StatusCode::OK, &outcome.await?))
}

impl Admin {
    /// What the store held at `revision`, if that is kept and was read to its end.
    async fn past(&self, revision: Revision) -> Result<Arc<Document>, Problem> {
        let document = self.store.at(revision).await?.document;
        if document.complete {
            return Ok(document);
        }
        let detail = format!("what revision {revision} holds cannot be read to its end");
        Err(Problem::new(Code::Invalid, detail).because(unread(&document)))
    }
}

fn unread(document: &Document) -> Vec<Finding> {
    let problems = document.problems.iter();
    problems.map(|problem| Sent::Nothing.locate(problem)).collect()
}

fn not_kept(revision: Revision) -> Problem {
    Problem::new(Code::NotFound, format!("revision {revision} is not kept"))
}
