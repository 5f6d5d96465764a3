//! JSON Schema (2020-12) of a whole configuration, for editors and for whoever generates one.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value as Json, json};

use crate::{
    filters::FilterKinds,
    model::{Aggregation, Cluster, Route, Server},
};

/// The schema of a configuration in which the filters `kinds` exist.
pub fn objects(kinds: &FilterKinds) -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut list = |item: fn(&mut SchemaGenerator) -> Schema| json!({ "type": ["array", "null"], "items": item(&mut generator) });
    let servers = list(|generator| generator.subschema_for::<Server>());
    let clusters = list(|generator| generator.subschema_for::<Cluster>());
    let routes = list(|generator| generator.subschema_for::<Route>());
    let aggregations = list(|generator| generator.subschema_for::<Aggregation>());
    let filters: serde_json::Map<String, Json> = kinds
        .schemas(&mut generator)
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema.to_value()))
        .collect();
    let mut definitions = generator.take_definitions(true);
    definitions.insert(
        "Filter".to_owned(),
        json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": filters,
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gateway configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": { "servers": servers, "clusters": clusters, "routes": routes, "aggregations": aggregations },
        "$defs": definitions,
    })
}
