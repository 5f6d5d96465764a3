//! JSON templates: any JSON whose texts are templates, such as `{ "user": "{node.user}", "greeting": "hello {query.name}" }`.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value as Json;

use super::{
    super::{Reading, value::Value},
    Template,
};
use crate::document::pointer_token;

/// JSON with values in its texts. Cheap to clone; two are equal if they are written alike.
///
/// A text that is one value and nothing else becomes that value with its type, and `null` if there is none; any other text stays
/// a text, whatever its values hold.
#[derive(Clone)]
pub struct JsonTemplate {
    shape: Arc<Shape>,
    parts: Arc<[JsonPart]>,
}

/// A piece of the JSON text, in order.
#[derive(Clone, Debug)]
pub enum JsonPart {
    /// Written as it is.
    Text(Box<str>),
    /// The JSON of a value.
    Value(Value),
    /// A JSON string with this text.
    Quoted(Template),
}

/// The JSON as it is written.
#[derive(Debug, PartialEq)]
enum Shape {
    Scalar(Json),
    Text(Template),
    List(Vec<Shape>),
    Object(Vec<(String, Shape)>),
}

impl JsonTemplate {
    fn new(shape: Shape) -> Self {
        let mut parts = Parts::default();
        parts.shape(&shape);
        Self {
            shape: Arc::new(shape),
            parts: parts.finish(),
        }
    }

    /// The pieces of the JSON text. Whatever the values are, they make one JSON.
    pub fn parts(&self) -> &[JsonPart] {
        &self.parts
    }

    /// The template, if the whole is one text.
    pub fn as_text(&self) -> Option<&Template> {
        match &*self.shape {
            Shape::Text(template) => Some(template),
            _ => None,
        }
    }

    /// Calls `each` with every value in the order they are written. `under` is the JSON pointer of the whole.
    pub fn for_each_value(&self, under: &str, mut each: impl FnMut(Reading<'_>)) {
        self.shape.visit(&mut under.to_owned(), &mut each);
    }
}

impl Shape {
    fn visit(&self, at: &mut String, each: &mut impl FnMut(Reading<'_>)) {
        let length = at.len();
        match self {
            Self::Scalar(_) => {}
            Self::Text(text) => Reading::all(at, text, text.values()).for_each(each),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    at.push_str(&format!("/{index}"));
                    item.visit(at, each);
                    at.truncate(length);
                }
            }
            Self::Object(entries) => {
                for (key, value) in entries {
                    at.push_str(&pointer_token(key));
                    value.visit(at, each);
                    at.truncate(length);
                }
            }
        }
    }
}

/// Gathers pieces, and joins texts that stand beside each other.
#[derive(Default)]
struct Parts {
    done: Vec<JsonPart>,
    text: String,
}

impl Parts {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Scalar(scalar) => self.text.push_str(&scalar.to_string()),
            Shape::Text(template) => self.template(template),
            Shape::List(items) => {
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.comma(at);
                    self.shape(item);
                }
                self.text.push(']');
            }
            Shape::Object(entries) => {
                self.text.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.comma(at);
                    self.quoted(key);
                    self.text.push(':');
                    self.shape(value);
                }
                self.text.push('}');
            }
        }
    }

    fn template(&mut self, template: &Template) {
        if let Some(text) = template.literal() {
            return self.quoted(text);
        }
        let part = match template.only_value() {
            Some(value) => JsonPart::Value(value.clone()),
            None => JsonPart::Quoted(template.clone()),
        };
        self.flush();
        self.done.push(part);
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.text.push(',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.text.push_str(&Json::from(text).to_string());
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.done.push(JsonPart::Text(text.into()));
        }
    }

    fn finish(mut self) -> Arc<[JsonPart]> {
        self.flush();
        self.done.into()
    }
}

impl<'de> Deserialize<'de> for JsonTemplate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Shape::deserialize(from).map(Self::new)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> de::Visitor<'de> for AnyShape {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON, with values in its texts as in \"{node.user.name}\"")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar(Json::Null))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Shape, E> {
        Template::parse(text).map(Shape::Text).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some(shape) = items.next_element()? {
            shapes.push(shape);
        }
        Ok(Shape::List(shapes))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            shapes.push(entry);
        }
        Ok(Shape::Object(shapes))
    }
}

impl Serialize for JsonTemplate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.shape.serialize(to)
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(scalar) => scalar.serialize(to),
            Self::Text(template) => template.serialize(to),
            Self::List(items) => to.collect_seq(items),
            Self::Object(entries) => to.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl PartialEq for JsonTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

impl fmt::Debug for JsonTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.fmt(f)
    }
}

impl JsonSchema for JsonTemplate {
    fn schema_name() -> Cow<'static, str> {
        "JsonTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Any JSON, with values in its texts. A text that is one value and nothing else becomes that value with its type.",
            "examples": [{ "user": "{node.user}", "greeting": "hello {query.name}" }],
        })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
