//! JSON Schema (2020-12) of the start-up file. That of the objects is [`meta::schema`].

use serde_json::{Value as Json, json};

use crate::startup::{Startup, schema_of_engine_keys};

/// The schema of a start-up file: our keys and the engine's.
pub fn startup() -> Json {
    let mut schema = schemars::schema_for!(Startup).to_value();
    schema["title"] = json!("Gateway start-up file");
    schema["description"] = json!("What a gateway process needs to know before it has a configuration.");
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.extend(schema_of_engine_keys());
    }
    schema
}
