//! The parts of a description of one operation.

use serde_json::{Map, Value as Json, json};

use crate::{
    order::{MOST_AUTHOR, MOST_MESSAGE},
    problem::Code,
};

/// What every operation may be refused with.
const ALWAYS: [Code; 5] = [
    Code::BadRequest,
    Code::OtherSite,
    Code::NotAcceptable,
    Code::StoreUnavailable,
    Code::StoreUnreadable,
];
/// What every write may be refused with.
const WRITES: [Code; 5] = [
    Code::Uncertain,
    Code::Busy,
    Code::TooLarge,
    Code::Invalid,
    Code::InUse,
];
/// What every operation with a body may be refused with.
const BODIES: [Code; 3] = [Code::Timeout, Code::TooLarge, Code::UnsupportedMedia];

/// The description of one operation, being made.
pub(super) struct Operation {
    method: &'static str,
    parameters: Vec<Json>,
    refusals: Vec<Code>,
    description: Json,
}

/// An operation with a summary and a name for generated clients.
pub(super) fn operation(method: &'static str, name: &str, summary: &str) -> Operation {
    Operation {
        method,
        parameters: Vec::new(),
        refusals: ALWAYS.to_vec(),
        description: json!({ "operationId": name, "summary": summary, "responses": {} }),
    }
}

impl Operation {
    pub(super) fn parameter(mut self, name: &str, place: &str, description: &str, schema: Json) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": place,
            "required": place == "path",
            "description": description,
            "schema": schema,
        }));
        self
    }

    /// A parameter that several operations have.
    pub(super) fn shared(mut self, names: &[&str]) -> Self {
        let named = |name: &&str| json!({ "$ref": format!("#/components/parameters/{name}") });
        self.parameters.extend(names.iter().map(named));
        self
    }

    /// As all writes are.
    pub(super) fn writes(mut self) -> Self {
        self.refusals.extend(WRITES);
        self.shared(&["dry_run", "message", "author"])
    }

    /// With `If-Match` and `If-None-Match`, which a write refuses and a read answers with 304.
    pub(super) fn conditional(mut self) -> Self {
        self.refusals.push(Code::PreconditionFailed);
        self.shared(&["if_match", "if_none_match"])
    }

    pub(super) fn refuses(mut self, codes: &[Code]) -> Self {
        self.refusals.extend(codes);
        self
    }

    /// With a body in one of these forms.
    pub(super) fn body(mut self, forms: &[(&str, Json)], required: bool) -> Self {
        self.refusals.extend(BODIES);
        self.description["requestBody"] = json!({ "required": required, "content": content(forms) });
        self
    }

    pub(super) fn describes(mut self, description: &str) -> Self {
        self.description["description"] = json!(description);
        self
    }

    /// An answer that is no refusal, with the headers that it has.
    pub(super) fn answers(
        mut self,
        status: u16,
        description: &str,
        headers: &[&str],
        forms: &[(&str, Json)],
    ) -> Self {
        let mut answer = json!({ "description": description });
        if !forms.is_empty() {
            answer["content"] = content(forms);
        }
        if !headers.is_empty() {
            let header = |name: &&str| ((*name).to_owned(), header(name));
            answer["headers"] = Json::Object(headers.iter().map(header).collect());
        }
        self.description["responses"][status.to_string()] = answer;
        self
    }

    /// The method, and its description.
    pub(super) fn done(mut self) -> (String, Json) {
        self.description["parameters"] = json!(self.parameters);
        let mut refusals = self.refusals;
        refusals.sort_by_key(|code| code.status());
        for codes in refusals.chunk_by(|a, b| a.status() == b.status()) {
            if let Some(first) = codes.first() {
                self.description["responses"][first.status().as_str()] = refusal(codes);
            }
        }
        (self.method.to_owned(), self.description)
    }
}

fn content(forms: &[(&str, Json)]) -> Json {
    let form = |(media, schema): &(&str, Json)| ((*media).to_owned(), json!({ "schema": schema }));
    Json::Object(forms.iter().map(form).collect::<Map<_, _>>())
}

/// An answer with one of these problems, which have the same status.
fn refusal(codes: &[Code]) -> Json {
    let mut names: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`", json!(code).as_str().unwrap_or_default()))
        .collect();
    names.dedup();
    json!({
        "description": names.join(", "),
        "content": content(&[("application/problem+json", schema("Problem"))]),
    })
}

fn header(name: &str) -> Json {
    let (description, kind) = match name {
        "ETag" => (
            "The tag of the object, or of the whole, for If-Match. Of a write: if it changed the object.",
            json!({ "type": "string" }),
        ),
        "Location" => ("Where the object is.", json!({ "type": "string" })),
        _ => (
            "The revision that this is of, or that has what was written.",
            json!({ "type": "integer", "minimum": 0 }),
        ),
    };
    json!({ "description": description, "schema": kind })
}

/// A type that is described once for all.
pub(super) fn schema(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The parameters that several operations have.
pub(super) fn shared_parameters() -> Json {
    let tags = "`*`, or tags in quotes, as `ETag` tells them.";
    let parameter = |name: &str, place: &str, description: &str, schema: Json| json!({ "name": name, "in": place, "required": false, "description": description, "schema": schema });
    let tag = json!({ "type": "string", "pattern": "^(\\*|\"[0-9a-z-]+\"(, \"[0-9a-z-]+\")*)$" });
    json!({
        "dry_run": parameter(
            "dry_run",
            "query",
            "Answers as the write would, and writes nothing.",
            json!({ "type": "boolean", "default": false }),
        ),
        "message": parameter(
            "message",
            "query",
            "Why; it stands in the history. One line.",
            json!({ "type": "string", "maxLength": MOST_MESSAGE, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]*$" }),
        ),
        "author": parameter(
            "X-Gateway-Author",
            "header",
            "Who, as the history shall say; `admin` if absent.",
            json!({ "type": "string", "minLength": 1, "maxLength": MOST_AUTHOR, "pattern": "^[!-~]+$", "default": "admin" }),
        ),
        "if_match": parameter("If-Match", "header", tags, tag.clone()),
        "if_none_match": parameter("If-None-Match", "header", tags, tag),
    })
}
