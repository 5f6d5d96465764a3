//! `GET` and `PUT /config`: the whole configuration at once, as JSON or YAML. And `POST /check`: what is wrong with one.
//!
//! What is shown is sorted by kind and id and written in one style, so two stores with the same objects show the same bytes.
//! Comments of a YAML text are not kept: a store keeps objects, not texts.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::EntityTag},
    web::{Data, Payload},
};
use meta::{
    check::check as examine,
    document::{Document, write_yaml},
    model::Kind,
    problem::Severity,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::{
    base::{Admin, Base, shown},
    body::read_configuration,
    commit::Draft,
    finding::{Finding, Sent},
    media::{self, Format},
    order::Order,
    parameters,
    precondition::{self, Preconditions},
    problem::{Code, Problem},
    resource::{Answered, REVISION, json},
};

/// The forms in which a configuration is there.
const FORMATS: [Format; 2] = [Format::Json, Format::Yaml];

pub(crate) async fn get(admin: Data<Admin>, request: HttpRequest) -> Answered {
    let format = media::accept(&request, &FORMATS)?;
    parameters::none(&request)?;
    let preconditions = Preconditions::of(&request)?;
    let base = admin.base().await?;
    let objects = Objects::of(base.document());
    let json = objects.to_json();
    let tag = precondition::tag_of_whole(&json, format);
    let not_modified = preconditions.has(&tag)?;
    let mut answer = HttpResponse::build(match not_modified {
        true => StatusCode::NOT_MODIFIED,
        false => StatusCode::OK,
    });
    answer.insert_header(precondition::header(tag));
    answer.insert_header((REVISION, base.revision().to_string()));
    answer.insert_header(("vary", "accept"));
    answer.content_type(format.media());
    Ok(match (not_modified, format) {
        (true, _) => answer.finish(),
        (false, Format::Json) => answer.body(json),
        (false, Format::Yaml) => answer.body(objects.to_yaml()),
    })
}

/// Makes the configuration what the body says: what it does not name is taken away.
pub(crate) async fn put(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let order = Order::of(&request)?;
    let preconditions = Preconditions::of(&request)?;
    let document = read_configuration(&request, payload).await?;
    let sent = || Sent::Whole(places(&document));
    if !document.complete || !document.broken.is_empty() {
        let sent = sent();
        let errors = document.problems.iter().map(|problem| sent.locate(problem));
        // JSON was read as such before; of YAML, what breaks the text off is its syntax.
        let code = match media::format_of_body(&request)? {
            Format::Yaml if !document.complete => Code::BadRequest,
            _ => Code::Invalid,
        };
        let detail = "the configuration cannot be read as a whole: nothing is written";
        return Err(Problem::new(code, detail).because(errors.collect()));
    }
    let outcome = admin.write(&order, |base| {
        hold(base, &preconditions)?;
        Ok(Draft {
            after: document.clone(),
            sent: sent(),
        })
    });
    Ok(json(StatusCode::OK, &outcome.await?))
}

/// What the checks say of a configuration.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// Whether it can run as it is written.
    sound: bool,
    /// What keeps objects from being used.
    errors: Vec<Finding>,
    /// What is used and probably not meant.
    warnings: Vec<Finding>,
}

/// Checks the configuration in the body, which has nothing to do with the one in the store.
pub(crate) async fn check(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    parameters::none(&request)?;
    let document = read_configuration(&request, payload).await?;
    let report = examine(&document, None, &admin.kinds);
    let sent = Sent::Whole(places(&document));
    let (errors, warnings): (Vec<_>, Vec<_>) = report
        .problems
        .iter()
        .partition(|problem| problem.severity == Severity::Error);
    let findings = |problems: Vec<_>| problems.into_iter().map(|problem| sent.locate(problem)).collect();
    let verdict = Verdict {
        sound: errors.is_empty(),
        errors: findings(errors),
        warnings: findings(warnings),
    };
    Ok(json(StatusCode::OK, &verdict))
}

/// Refuses if the preconditions do not hold for the whole, whose tags are those of its forms.
pub(crate) fn hold(base: &Base, preconditions: &Preconditions) -> Result<(), Problem> {
    if !preconditions.any() {
        return Ok(());
    }
    let json = Objects::of(base.document()).to_json();
    let tags: [EntityTag; 2] = FORMATS.map(|format| precondition::tag_of_whole(&json, format));
    preconditions.hold(&tags)
}

/// Where each object of a text stands in it. Not known if an object could not be read, since it has a place too.
fn places(document: &Document) -> HashMap<(Kind, String), String> {
    let mut places = HashMap::with_capacity(document.objects.len());
    if !document.broken.is_empty() {
        return places;
    }
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    for object in &document.objects {
        let at = counts.entry(object.kind).or_default();
        let place = format!("/{}/{at}", object.kind);
        places.entry((object.kind, object.id.clone())).or_insert(place);
        *at += 1;
    }
    places
}

/// All objects as they are shown.
pub(crate) struct Objects(Vec<(Kind, Json)>);

impl Objects {
    pub(crate) fn of(document: &Document) -> Self {
        let mut objects: Vec<_> = document.objects.iter().collect();
        objects.sort_by_key(|object| (object.kind, object.id.as_str()));
        Self(
            objects
                .into_iter()
                .map(|object| (object.kind, shown(object)))
                .collect(),
        )
    }

    /// Four lists.
    pub(crate) fn into_value(self) -> Json {
        let mut lists: Map<String, Json> = Kind::ALL
            .into_iter()
            .map(|kind| (kind.plural().to_owned(), Json::Array(Vec::new())))
            .collect();
        for (kind, object) in self.0 {
            if let Some(list) = lists.get_mut(kind.plural()).and_then(Json::as_array_mut) {
                list.push(object);
            }
        }
        Json::Object(lists)
    }

    fn to_json(&self) -> Vec<u8> {
        let lists = Self(self.0.clone()).into_value();
        // Texts and numbers only, which are always JSON.
        serde_json::to_vec(&lists).unwrap_or_default()
    }

    fn to_yaml(&self) -> String {
        write_yaml(self.0.iter().map(|(kind, object)| (*kind, object)))
    }
}
