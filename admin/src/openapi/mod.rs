//! The description of the service: OpenAPI 3.1, made of the types that are read and written, served at `/openapi.json`.
//!
//! What the types do not know (which path has which method, parameters and answers) stands in [`paths`]; tests hold that to what
//! the service does.

mod operation;
mod paths;
mod schemas;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use meta::filters::FilterKinds;
use serde_json::{Value as Json, json};

use crate::{
    base::Admin,
    media, parameters,
    resource::{self, Answered},
};

pub(crate) async fn get(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    parameters::none(&request)?;
    Ok(resource::json(StatusCode::OK, &document(&admin.kinds)))
}

/// The description of a service in which the filters `kinds` exist.
pub fn document(kinds: &FilterKinds) -> Json {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway admin",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths::paths(),
        "components": {
            "schemas": schemas::schemas(kinds),
            "parameters": operation::shared_parameters(),
        },
    })
}

const ABOUT: &str = "Reads and changes the configuration of a gateway.\n\n\
    Every write is one commit: the whole configuration is checked, every problem is told at once, and all of it is written or \
    nothing. Errors in objects that were broken before and are not touched refuse nothing. `dry_run=true` answers as the write \
    would and writes nothing; what would be created is then answered with 200.\n\n\
    GET is also HEAD, and every path answers OPTIONS with `Allow`. A parameter that is not described is refused.";
