//! Templates: text with values in braces, such as `hello {query.name}`. `{{` and `}}` stand for the braces themselves.
//!
//! [`Template`] is plain text; [`UrlTemplate`] is a URL and encodes each value for the place where it stands.

mod encode;
mod json;
mod scan;
#[cfg(test)]
mod tests;
mod url;

use std::sync::Arc;

use http::HeaderValue;

use super::error::SyntaxError;
use super::text_form::{known_by_its_source, written_as_text};
use super::value::{Value, Values};
pub use json::{JsonPart, JsonTemplate};
use scan::{Piece, scan};
pub use url::UrlTemplate;

/// Text with values in it, for headers and bodies. Cheap to clone; two are equal if they are written alike.
///
/// Values are inserted as they are: what the text is used for (JSON, HTML) is not known here.
#[derive(Clone)]
pub struct Template {
    parsed: Arc<Parsed>,
}

struct Parsed {
    source: Box<str>,
    parts: Vec<Part>,
}

/// Between two texts there is at least one value.
enum Part {
    Text(String),
    Value(usize, Value),
}

impl Template {
    /// Reads a template; the error is the first mistake in it.
    pub fn parse(source: &str) -> Result<Self, SyntaxError> {
        let mut parts = Vec::new();
        for piece in scan(source)? {
            match (piece, parts.last_mut()) {
                (Piece::Text(_, more), Some(Part::Text(text))) => text.push_str(more),
                (Piece::Text(_, text), _) => parts.push(Part::Text(text.to_owned())),
                (Piece::Value(at, value), _) => parts.push(Part::Value(at, value)),
            }
        }
        Ok(Self {
            parsed: Arc::new(Parsed {
                source: source.into(),
                parts,
            }),
        })
    }

    /// The text with its values; one that the request does not have is left out.
    pub fn render<V: Values + ?Sized>(&self, values: &V) -> String {
        let mut text = String::with_capacity(self.parsed.source.len());
        self.render_into(&mut text, values);
        text
    }

    /// Like [`Template::render`], at the end of `out`.
    pub fn render_into<V: Values + ?Sized>(&self, out: &mut String, values: &V) {
        for part in &self.parsed.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(_, value) => out.push_str(&values.text(value).unwrap_or_default()),
            }
        }
    }

    /// Like [`Template::render`], for the value of a header: each control character (so line ends too) becomes a space, as
    /// RFC 9110 section 5.5 has it, and space around the whole goes. A value can therefore never end the header.
    pub fn render_header_value<V: Values + ?Sized>(&self, values: &V) -> HeaderValue {
        let mut text = self.render(values);
        if text.contains(char::is_control) {
            text = text.replace(char::is_control, " ");
        }
        // Control characters were all that could be illegal.
        HeaderValue::from_str(text.trim_matches(' ')).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The whole text, if there are no values in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parsed.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value, if the template is one value and nothing else, as in `{node.user.address}`.
    pub fn only_value(&self) -> Option<&Value> {
        match self.parsed.parts.as_slice() {
            [Part::Value(_, value)] => Some(value),
            _ => None,
        }
    }

    /// The values it asks for, each with the byte where it stands, in the order they are written.
    pub fn values(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.parsed.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(at, value) => Some((*at, value)),
        })
    }
}

known_by_its_source!(Template);

written_as_text!(
    Template,
    "Text with values in braces, such as {header.x-user} or {param.id}; a value the request does not have is left out. \
     {{ and }} stand for braces.",
    examples: ["hello {query.name}", "{client_ip}"]
);
