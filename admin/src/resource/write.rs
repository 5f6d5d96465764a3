//! `POST /KIND`, `PUT /KIND/ID` and `DELETE /KIND/ID`.

use actix_web::{
    HttpRequest,
    web::{Data, Payload},
};
use meta::{document::id_of, model::Kind, store::Operation};
use serde_json::Value as Json;

use super::{Answered, draft, hold, written};
use crate::{
    base::{Admin, id_first},
    body::{MOST_OBJECT, read_json},
    finding::{Finding, Sent},
    media,
    order::Order,
    parameters,
    precondition::Preconditions,
    problem::{Code, Problem},
};

/// Adds an object that is not there.
pub(crate) async fn create(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let (order, kind) = (Order::of(&request)?, parameters::kind(&request)?);
    let object = read_json(&request, payload, MOST_OBJECT, media::JSON).await?;
    let object = object_of(kind, object)?;
    let id = id_of(&object).ok_or_else(|| {
        let error = Finding::at("", "\"id\" is missing");
        Problem::new(Code::Invalid, format!("the {} has no id", kind.singular())).because(vec![error])
    })?;
    let outcome = admin.write(&order, |base| {
        if base.document().has(kind, &id) {
            let detail = format!("there is a {} {id:?} already: PUT replaces it", kind.singular());
            return Err(Problem::new(Code::Exists, detail));
        }
        draft(base, put_of(kind, &object), Sent::Object(kind, id.clone()))
    });
    let outcome = outcome.await?;
    Ok(written(&outcome, Some(format!("/api/v1/{kind}/{id}"))))
}

/// Puts an object in the place of the one with its id, or adds it.
pub(crate) async fn put(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let (order, kind) = (Order::of(&request)?, parameters::kind(&request)?);
    let id = parameters::id(&request, "id")?;
    let preconditions = Preconditions::of(&request)?;
    let object = read_json(&request, payload, MOST_OBJECT, media::JSON).await?;
    let object = named(object_of(kind, object)?, id.as_str())?;
    let outcome = admin.write(&order, |base| {
        hold(base, &preconditions, kind, id.as_str())?;
        draft(base, put_of(kind, &object), Sent::Object(kind, id.to_string()))
    });
    let outcome = outcome.await?;
    Ok(written(&outcome, Some(format!("/api/v1/{kind}/{id}"))))
}

/// Takes an object away that nothing uses.
pub(crate) async fn delete(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    let (order, kind) = (Order::of(&request)?, parameters::kind(&request)?);
    let id = parameters::id(&request, "id")?;
    let preconditions = Preconditions::of(&request)?;
    let outcome = admin.write(&order, |base| {
        let delete = Operation::Delete {
            kind,
            id: id.to_string(),
        };
        let draft = draft(base, delete, Sent::Nothing)?;
        hold(base, &preconditions, kind, id.as_str())?;
        Ok(draft)
    });
    Ok(written(&outcome.await?, None))
}

fn put_of(kind: Kind, object: &Json) -> Operation {
    Operation::Put {
        kind,
        object: object.clone(),
    }
}

/// The body as an object of that kind.
fn object_of(kind: Kind, body: Json) -> Result<Json, Problem> {
    match body {
        Json::Object(_) => Ok(id_first(body)),
        _ => {
            let detail = format!("a {} is a JSON object", kind.singular());
            let error = Finding::at("", detail.clone());
            Err(Problem::new(Code::Invalid, detail).because(vec![error]))
        }
    }
}

/// The object with the id that its path names.
pub(super) fn named(mut object: Json, id: &str) -> Result<Json, Problem> {
    match object.get("id") {
        None => {
            object["id"] = Json::from(id);
            Ok(id_first(object))
        }
        Some(found) if found == id => Ok(object),
        Some(found) => {
            let detail = format!("the id is {found} and the path says {id:?}: an object keeps its id");
            let error = Finding::at("/id", detail);
            Err(Problem::new(Code::Invalid, "the object is not the one of the path").because(vec![error]))
        }
    }
}
