//! The objects, all kinds alike: `/api/v1/KIND` and `/api/v1/KIND/ID`.

mod list;
mod patch;
mod read;
mod write;

pub(crate) use list::{LIMIT, Page, SORTS, list};
pub(crate) use patch::patch;
pub(crate) use read::get;
pub(crate) use write::{create, delete, put};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{EntityTag, HeaderName},
    },
};
use meta::{document::RawObject, model::Kind, store::Operation};
use serde::Serialize;
use serde_json::Value as Json;

use crate::{
    base::{Base, shown},
    commit::{Draft, Outcome},
    finding::Sent,
    precondition::{self, Preconditions},
    problem::Problem,
};

/// The header that tells the revision that an answer is of, or that has what was written.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("x-gateway-revision");

/// What every handler gives.
pub(crate) type Answered = Result<HttpResponse, Problem>;

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// The object as it is sent, and its tag.
pub(crate) fn presented(object: &RawObject) -> (Vec<u8>, EntityTag) {
    let bytes = bytes(&shown(object));
    let tag = precondition::tag(&bytes);
    (bytes, tag)
}

fn tag_of(object: &Json) -> EntityTag {
    precondition::tag(&bytes(object))
}

fn bytes(object: &Json) -> Vec<u8> {
    // Texts and numbers only, which are always JSON.
    serde_json::to_vec(object).unwrap_or_default()
}

/// Refuses if the preconditions do not hold for the object of that name.
pub(crate) fn hold(base: &Base, preconditions: &Preconditions, kind: Kind, id: &str) -> Result<(), Problem> {
    let object = base.document().find(kind, id);
    let tags: Vec<EntityTag> = object.map(|object| presented(object).1).into_iter().collect();
    preconditions.hold(&tags)
}

/// What one operation makes of `base`.
pub(crate) fn draft(base: &Base, operation: Operation, sent: Sent) -> Result<Draft, Problem> {
    let after = meta::store::preview(base.document(), vec![operation])?;
    Ok(Draft { after, sent })
}

/// The answer to a write of one object; `place` is where it is found if it is a new one.
pub(crate) fn written(outcome: &Outcome, place: Option<String>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if outcome.added() {
        answer.status(StatusCode::CREATED);
        if let Some(place) = place {
            answer.insert_header(("location", place));
        }
    }
    answer.insert_header((REVISION, outcome.revision.to_string()));
    if let Some(object) = outcome.written() {
        answer.insert_header(precondition::header(tag_of(object)));
    }
    answer.json(outcome)
}
