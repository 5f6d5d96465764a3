//! `GET /KIND?q=&tag=&sort=&limit=&after=`: what matches, in order, a page at a time.
//!
//! A page goes on behind the last item of the one before, not at a number: what is added or removed in between neither shifts
//! nor repeats the rest. Each page is of the state as it is then; `revision` tells.

use std::cmp::Ordering;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use meta::{document::RawObject, model::Kind, store::Revision};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json as value};

use super::{Answered, json};
use crate::{
    base::{Admin, Base, shown},
    media,
    parameters::{self, Parameters},
    problem::Problem,
};

pub(crate) const PARAMETERS: [&str; 5] = ["q", "tag", "sort", "limit", "after"];
/// How many items a page has at most, and if nobody says.
pub(crate) const LIMIT: (usize, usize) = (1000, 100);
/// By what can be sorted; `-` before it turns the order round. What is absent in an object counts as its default.
pub(crate) const SORTS: [&str; 6] = ["id", "description", "enabled", "address", "weight", "priority"];
/// How long a text to look for may be, in characters.
const MOST_TEXT: usize = 256;

/// One page.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Page {
    /// The objects as they are written.
    items: Vec<Json>,
    /// What to give as `after` for the next page; nothing on the last one.
    next: Option<String>,
    /// How many objects match on all pages.
    total: usize,
    /// Of which state this is.
    revision: Revision,
}

pub(crate) async fn list(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    let kind = parameters::kind(&request)?;
    let question = Question::of(&request, kind)?;
    let base = admin.base().await?;
    Ok(json(StatusCode::OK, &question.answer(&base)))
}

/// What the query asks for.
struct Question {
    kind: Kind,
    /// In lower case.
    text: Option<String>,
    tags: Vec<String>,
    sort: Sort,
    limit: usize,
    after: Option<Key>,
}

impl Question {
    fn of(request: &HttpRequest, kind: Kind) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request, &PARAMETERS);
        let sort = parameters.take("sort", |text| Sort::parse(text, kind));
        let sort = sort.unwrap_or(Sort {
            member: "id",
            descending: false,
        });
        let question = Self {
            kind,
            text: parameters.take("q", |text| short(text).map(str::to_lowercase)),
            tags: parameters
                .take_all("tag", |text| short(text).map(str::to_owned))
                .unwrap_or_default(),
            limit: parameters.take("limit", limit).unwrap_or(LIMIT.1),
            after: parameters.take("after", |text| sort.read(text)),
            sort,
        };
        parameters.finish()?;
        Ok(question)
    }

    fn answer(&self, base: &Base) -> Page {
        let objects = base.document().objects.iter();
        let found = objects
            .filter(|object| object.kind == self.kind)
            .map(|object| (object, shown(object)))
            .filter(|(_, shown)| self.matches(shown));
        let mut found: Vec<(Key, Json)> = found
            .map(|(object, shown)| (self.sort.key(object, &shown), shown))
            .collect();
        found.sort_by(|(a, _), (b, _)| self.sort.order(a, b));
        let total = found.len();
        if let Some(after) = &self.after {
            found.retain(|(key, _)| self.sort.order(key, after) == Ordering::Greater);
        }
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().filter(|_| more);
        Page {
            next: last.map(|(key, _)| self.sort.write(key)),
            items: found.into_iter().map(|(_, shown)| shown).collect(),
            total,
            revision: base.revision(),
        }
    }

    fn matches(&self, object: &Json) -> bool {
        let tags = object["tags"].as_array();
        let has = |tag: &String| tags.is_some_and(|tags| tags.iter().any(|own| own == tag));
        self.tags.iter().all(has) && self.text.as_ref().is_none_or(|text| mentions(object, text))
    }
}

/// Whether a text or a number in the object holds `text`, which is in lower case.
fn mentions(value: &Json, text: &str) -> bool {
    match value {
        Json::String(own) => own.to_lowercase().contains(text),
        Json::Number(own) => own.to_string().contains(text),
        Json::Array(items) => items.iter().any(|item| mentions(item, text)),
        Json::Object(members) => members.values().any(|member| mentions(member, text)),
        Json::Null | Json::Bool(_) => false,
    }
}

/// In which order.
#[derive(Clone, Copy)]
struct Sort {
    member: &'static str,
    descending: bool,
}

/// What an object is sorted by: the member, then the id.
#[derive(Debug, PartialEq)]
struct Key {
    member: Json,
    id: String,
}

impl Sort {
    fn parse(text: &str, kind: Kind) -> Result<Self, String> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let mut known = SORTS.into_iter().filter(|member| default(kind, member).is_some());
        match known.clone().find(|member| *member == name) {
            Some(member) => Ok(Self { member, descending }),
            None => {
                let known = known.by_ref().collect::<Vec<_>>().join(", ");
                Err(format!(
                    "use one of {known}, with \"-\" before it for the other direction"
                ))
            }
        }
    }

    fn key(self, object: &RawObject, shown: &Json) -> Key {
        let absent = || default(object.kind, self.member).unwrap_or_default();
        let member = match self.member {
            "id" => Json::from(object.id.as_str()),
            member => shown.get(member).cloned().unwrap_or_else(absent),
        };
        Key {
            member,
            id: object.id.clone(),
        }
    }

    fn order(self, a: &Key, b: &Key) -> Ordering {
        let order = compare(&a.member, &b.member).then_with(|| a.id.cmp(&b.id));
        match self.descending {
            true => order.reverse(),
            false => order,
        }
    }

    /// The key as `next` tells it: the id if that is all there is to it.
    fn write(self, key: &Key) -> String {
        match self.member {
            "id" => key.id.clone(),
            _ => value!([key.member, key.id]).to_string(),
        }
    }

    fn read(self, text: &str) -> Result<Key, String> {
        if self.member == "id" {
            return Ok(Key {
                member: Json::from(text),
                id: text.to_owned(),
            });
        }
        let (member, id) = serde_json::from_str(text)
            .map_err(|_| "give what \"next\" of the page before says".to_owned())?;
        Ok(Key { member, id })
    }
}

/// What a member counts as where it is absent; `None` if objects of that kind do not have it.
fn default(kind: Kind, member: &str) -> Option<Json> {
    let endpoint = matches!(kind, Kind::Route | Kind::Aggregation);
    match member {
        "id" | "description" => Some(value!("")),
        "enabled" => Some(value!(true)),
        "address" if kind == Kind::Server => Some(value!("")),
        "weight" if kind == Kind::Server => Some(value!(1)),
        "priority" if endpoint => Some(value!(0)),
        _ => None,
    }
}

/// By type, then by value; a broken object may have anything where a number should be.
fn compare(a: &Json, b: &Json) -> Ordering {
    let rank = |value: &Json| match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        Json::Array(_) | Json::Object(_) => 4,
    };
    match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => {
            let float = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
            float(a).total_cmp(&float(b))
        }
        (Json::String(a), Json::String(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| digits && (1..=LIMIT.0).contains(limit));
    limit.ok_or_else(|| format!("use 1 to {}", LIMIT.0))
}

fn short(text: &str) -> Result<&str, String> {
    match text.chars().count() {
        0 => Err("it is empty: leave it out".to_owned()),
        1..=MOST_TEXT => Ok(text),
        length => Err(format!("it has {length} characters, use at most {MOST_TEXT}")),
    }
}
