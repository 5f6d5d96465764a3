//! The types, as `components/schemas` of the description.

use meta::{filters::FilterKinds, id::Id, model::Kind, schema::objects};
use schemars::{
    JsonSchema,
    generate::{SchemaGenerator, SchemaSettings},
};
use serde_json::{Map, Value as Json, json};

use super::paths::type_of;
use crate::{
    bind::Membership,
    commit::Outcome,
    problem::Details,
    resource::Page,
    revisions::{Difference, Past, Revisions},
    transaction::Transaction,
    whole::Verdict,
};

pub(super) fn schemas(kinds: &FilterKinds) -> Json {
    let mut all = written();
    all.extend(read());
    all.extend(configuration(kinds));
    all.insert("AnyObject".into(), any_object());
    let lists = Kind::ALL.map(|kind| {
        (
            kind.plural().to_owned(),
            json!({ "type": "array", "items": any_object() }),
        )
    });
    all.insert(
        "AnyConfiguration".into(),
        json!({
            "description": "All objects as they are written, be they sound or not.",
            "type": "object",
            "required": Kind::ALL,
            "properties": lists.into_iter().collect::<Map<_, _>>(),
            "additionalProperties": false,
        }),
    );
    let mut all = Json::Object(all);
    point_here(&mut all);
    all
}

/// What a store holds may be broken.
fn any_object() -> Json {
    json!({
        "description": "An object as it is written.",
        "type": "object",
        "required": ["id"],
    })
}

/// What is sent to clients.
fn written() -> Map<String, Json> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    add::<Details>(&mut generator);
    add::<Outcome>(&mut generator);
    add::<Page>(&mut generator);
    add::<Verdict>(&mut generator);
    add::<Revisions>(&mut generator);
    add::<Past>(&mut generator);
    add::<Difference>(&mut generator);
    generator.take_definitions(true)
}

/// What clients send, beside objects.
fn read() -> Map<String, Json> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    add::<Id>(&mut generator);
    add::<Membership>(&mut generator);
    add::<Transaction>(&mut generator);
    generator.take_definitions(true)
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// A configuration, and what it is made of.
fn configuration(kinds: &FilterKinds) -> Map<String, Json> {
    let mut whole = objects(kinds);
    let definitions = whole.as_object_mut().and_then(|whole| {
        whole.shift_remove("$schema");
        whole.shift_remove("$defs")
    });
    let mut all = match definitions {
        Some(Json::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    for kind in Kind::ALL {
        let name = type_of(kind);
        if let Some(object) = all.get(name).cloned() {
            all.insert(format!("{name}AtPath"), without_id(object));
        }
    }
    all.insert("Configuration".into(), whole);
    all
}

/// The object that a path names need not name itself.
fn without_id(mut object: Json) -> Json {
    if let Some(required) = object["required"].as_array_mut() {
        required.retain(|member| member != "id");
    }
    object
}

/// References lead to where the types are in the description.
fn point_here(value: &mut Json) {
    match value {
        Json::Object(members) => {
            if let Some(Json::String(reference)) = members.get_mut("$ref") {
                *reference = reference.replacen("#/$defs/", "#/components/schemas/", 1);
            }
            members.values_mut().for_each(point_here);
        }
        Json::Array(items) => items.iter_mut().for_each(point_here),
        _ => {}
    }
}
