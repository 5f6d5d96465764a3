//! `POST /transactions`: several changes that happen together, or not at all.

use std::collections::HashMap;

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Payload},
};
use meta::{
    document::id_of,
    model::Kind,
    store::{Operation, preview},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    base::{Admin, Base, id_first},
    body::{MOST_WHOLE, decoded, read_json},
    commit::Draft,
    finding::{Finding, Sent},
    media,
    order::Order,
    precondition::Preconditions,
    problem::{Code, Problem},
    resource::{Answered, json},
    whole,
};

/// What is to happen, in order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transaction {
    operations: Vec<Step>,
}

/// One change.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Puts the object in the place of the one with its id, or adds it.
    Put {
        kind: Kind,
        /// The whole object.
        #[schemars(extend("required" = ["id"]))]
        object: Map<String, Json>,
    },
    /// Takes the object away.
    Delete { kind: Kind, id: String },
}

pub(crate) async fn transact(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let order = Order::of(&request)?;
    let preconditions = Preconditions::of(&request)?;
    let body = read_json(&request, payload, MOST_WHOLE, media::JSON).await?;
    let Transaction { operations: steps } = decoded(&body)?;
    let steps = steps.into_iter().map(Step::named).enumerate().map(at);
    let steps: Vec<(Operation, String)> = steps.collect::<Result<_, _>>()?;
    let outcome = admin.write(&order, |base| {
        whole::hold(base, &preconditions)?;
        draft(base, &steps)
    });
    Ok(json(StatusCode::OK, &outcome.await?))
}

/// The operation and the id that it is about, or what is wrong with it.
type Named = Result<(Operation, String), &'static str>;

impl Step {
    fn named(self) -> Named {
        match self {
            Self::Delete { kind, id } => Ok((Operation::Delete { kind, id: id.clone() }, id)),
            Self::Put { kind, object } => {
                let object = id_first(Json::Object(object));
                let id = id_of(&object).ok_or("\"id\" is missing")?;
                Ok((Operation::Put { kind, object }, id))
            }
        }
    }
}

fn at((place, named): (usize, Named)) -> Result<(Operation, String), Problem> {
    named.map_err(|reason| {
        let error = Finding::at(format!("/operations/{place}/put/object"), reason);
        Problem::new(Code::Invalid, "an object has no id").because(vec![error])
    })
}

/// What the steps make of `base`. A step that takes away what is not there refuses all.
fn draft(base: &Base, steps: &[(Operation, String)]) -> Result<Draft, Problem> {
    let mut there: HashMap<(Kind, &str), bool> = HashMap::new();
    let mut places = HashMap::new();
    let mut errors = Vec::new();
    for (at, (operation, id)) in steps.iter().enumerate() {
        let (kind, name) = (operation.kind(), (operation.kind(), id.as_str()));
        let known = there.get(&name).copied();
        if matches!(operation, Operation::Put { .. }) {
            places.insert((kind, id.clone()), format!("/operations/{at}/put/object"));
            there.insert(name, true);
        } else if known.unwrap_or_else(|| base.document().has(kind, id)) {
            there.insert(name, false);
        } else {
            let detail = format!("there is no {} {id:?}", kind.singular());
            errors.push(Finding::at(format!("/operations/{at}/delete/id"), detail));
        }
    }
    if !errors.is_empty() {
        let detail = "what is to be taken away is not there: nothing is written";
        return Err(Problem::new(Code::Invalid, detail).because(errors));
    }
    let operations = steps.iter().map(|(operation, _)| operation.clone());
    let after = preview(base.document(), operations.collect())?;
    Ok(Draft {
        after,
        sent: Sent::Several(places),
    })
}
