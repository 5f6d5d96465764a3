//! URL templates: where a rewrite or a redirect leads, such as `/users/{param.id}?v={query.v}` or `https://{host}{path}`.
//!
//! A value never adds a segment, a parameter or a host, whatever it holds: it is encoded for the place where it stands.
//! Three values are pieces of a URL by nature and keep their shape, with only what is illegal there encoded: `{path}`
//! before the `?`, `{query}` after it, and the tail of a path (`{rest*}`), which keeps its slashes.

use std::sync::Arc;

use super::super::error::{SyntaxError, quote};
use super::super::text_form::{known_by_its_source, written_as_text};
use super::super::value::{Value, Values};
use super::encode;
use super::scan::{Piece, scan};

/// A URL, or the path and query of one, with values in it. Cheap to clone; two are equal if they are written alike.
#[derive(Clone)]
pub struct UrlTemplate {
    parsed: Arc<Parsed>,
}

struct Parsed {
    source: Box<str>,
    absolute: bool,
    has_query: bool,
    parts: Box<[Part]>,
    values: Box<[(usize, Value)]>,
}

/// A part of the URL, known by what may be written there.
enum Part {
    /// Legal as it is.
    Text(String),
    /// The request's host, in the authority.
    Host,
    /// The request's whole path, in the path.
    WholePath,
    /// The request's whole query, in the query.
    WholeQuery,
    /// Any other value in the path.
    InPath(Value),
    /// Any other value in the query.
    InQuery(Value),
}

impl UrlTemplate {
    /// Reads a template that starts with `/`, `{path}`, `http://` or `https://`; the error is the first mistake in it.
    pub fn parse(source: &str) -> Result<Self, SyntaxError> {
        let pieces = scan(source)?;
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| source.starts_with(scheme));
        let starts_with_path = matches!(pieces.first(), Some(Piece::Value(_, Value::Path)));
        if scheme.is_none() && !starts_with_path && !source.starts_with('/') {
            return Err(SyntaxError::new(
                source,
                0,
                "expected `/`, `http://` or `https://`",
            ));
        }
        if source.starts_with("//") {
            return Err(SyntaxError::new(
                source,
                1,
                "expected a path after \"/\" (\"//\" would name a host)",
            ));
        }
        let mut reader = Reader::new(source, scheme.unwrap_or_default());
        for piece in pieces {
            match piece {
                Piece::Text(at, text) => reader.text(at, text)?,
                Piece::Value(at, value) => reader.value(at, value)?,
            }
        }
        reader.finish()
    }

    /// Appends the URL to `out`.
    ///
    /// - A value that the request does not have is empty. An empty `{query}` at the end goes with the `?` or `&` before it.
    /// - A host that is missing, or has characters no host has, becomes `invalid` (RFC 6761), which leads nowhere.
    /// - A path that would begin with `//` gets `/.` in front, which means the same (RFC 3986 section 5.2.4) and cannot be
    ///   taken for a host where the URL is a `Location`.
    pub fn render_into<V: Values + ?Sized>(&self, out: &mut String, values: &V) {
        let start = out.len();
        let mut last = start;
        for part in &self.parsed.parts {
            last = out.len();
            part.render_into(out, values);
        }
        let ends_with_no_query =
            matches!(self.parsed.parts.last(), Some(Part::WholeQuery)) && out.len() == last;
        if ends_with_no_query && out.ends_with(['?', '&']) {
            out.pop();
        }
        if !self.parsed.absolute && out[start..].starts_with("//") {
            out.insert_str(start, "/.");
        }
    }

    /// Whether it starts with a scheme and a host, rather than with a path.
    pub fn is_absolute(&self) -> bool {
        self.parsed.absolute
    }

    /// Whether it says what the query is (it contains `?`), so that the request's own does not apply.
    pub fn has_query(&self) -> bool {
        self.parsed.has_query
    }

    /// The values it asks for, each with the byte where it stands, in the order they are written.
    pub fn values(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.parsed.values.iter().map(|(at, value)| (*at, value))
    }
}

impl Part {
    fn render_into<V: Values + ?Sized>(&self, out: &mut String, values: &V) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Host => out.push_str(host(&values.text(&Value::Host).unwrap_or_default())),
            Self::WholePath => push_whole_path(out, &values.text(&Value::Path).unwrap_or_default()),
            Self::WholeQuery => {
                encode::push_path_and_query(out, &values.text(&Value::QueryString).unwrap_or_default());
            }
            Self::InPath(value) => {
                let text = values.text(value).unwrap_or_default();
                let push = if is_tail(value, values) {
                    encode::push_segments
                } else {
                    encode::push_in_segment
                };
                push(out, &text);
            }
            Self::InQuery(value) => {
                let text = values.text(value).unwrap_or_default();
                let push = if is_tail(value, values) {
                    encode::push_encoded_value
                } else {
                    encode::push_value
                };
                push(out, &text);
            }
        }
    }
}

fn is_tail<V: Values + ?Sized>(value: &Value, values: &V) -> bool {
    matches!(value, Value::Param(name) if values.param_is_tail(name))
}

/// The path, which begins with a slash whatever it is (`OPTIONS *` has none).
fn push_whole_path(out: &mut String, path: &str) {
    out.push('/');
    encode::push_path(out, path.strip_prefix('/').unwrap_or(path));
}

fn host(text: &str) -> &str {
    let is_host = !text.is_empty() && !text.starts_with(':') && text.chars().all(is_host_character);
    if is_host { text } else { "invalid" }
}

/// What a host and its port are written with: names, IPv4, `[v6]`.
fn is_host_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._:[]".contains(character)
}

/// The place of a URL that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Authority,
    Path,
    Query,
}

/// Reads pieces from left to right, knowing in which place it is.
struct Reader<'a> {
    source: &'a str,
    /// `http://`, `https://`, or nothing.
    scheme: &'static str,
    place: Place,
    /// Text not yet in `parts`.
    text: String,
    parts: Vec<Part>,
    values: Vec<(usize, Value)>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, scheme: &'static str) -> Self {
        let place = if scheme.is_empty() {
            Place::Path
        } else {
            Place::Authority
        };
        Self {
            source,
            scheme,
            place,
            text: String::new(),
            parts: Vec::new(),
            values: Vec::new(),
        }
    }

    fn text(&mut self, at: usize, text: &str) -> Result<(), SyntaxError> {
        for (distance, character) in text.char_indices() {
            self.character(at + distance, character)?;
        }
        Ok(())
    }

    fn character(&mut self, at: usize, character: char) -> Result<(), SyntaxError> {
        match (self.place, character) {
            (_, '#') => return Err(self.fail(at, "expected no fragment: \"#\" never reaches a server")),
            (_, c) if c.is_whitespace() || c.is_control() => {
                return Err(self.fail(
                    at,
                    "expected no space and no control character: write it encoded, like `%20`,",
                ));
            }
            (Place::Authority, _) if at < self.scheme.len() => {}
            (Place::Authority, '/') => self.leave_authority(at, Place::Path)?,
            (Place::Authority, '?') => self.leave_authority(at, Place::Query)?,
            (Place::Authority, c) if !is_host_character(c) => {
                return Err(self.fail(at, "expected a host and perhaps a port, like `example.com:8443`,"));
            }
            (Place::Path, '?') => self.place = Place::Query,
            _ => {}
        }
        self.text.push(character);
        Ok(())
    }

    fn value(&mut self, at: usize, value: Value) -> Result<(), SyntaxError> {
        if self.place == Place::Authority && value == Value::Path {
            self.leave_authority(at, Place::Path)?;
        }
        let part = match (self.place, &value) {
            (Place::Authority, Value::Host) => Part::Host,
            (Place::Authority, _) => {
                return Err(self.fail(
                    at,
                    format!(
                        "expected only `{{host}}` before the path, not {}",
                        quote(&value.to_string())
                    ),
                ));
            }
            (Place::Path, Value::Path) => Part::WholePath,
            (Place::Path, Value::QueryString) => {
                return Err(self.fail(at, "expected a `?` somewhere before `{query}`"));
            }
            (Place::Query, Value::QueryString) => Part::WholeQuery,
            (Place::Path, _) => Part::InPath(value.clone()),
            (Place::Query, _) => Part::InQuery(value.clone()),
        };
        if matches!(part, Part::WholePath) && self.text.ends_with('/') {
            // The path brings its own slash: `/v2/{path}` and `/v2{path}` are the same.
            self.text.pop();
        }
        self.flush();
        self.parts.push(part);
        self.values.push((at, value));
        Ok(())
    }

    fn leave_authority(&mut self, at: usize, to: Place) -> Result<(), SyntaxError> {
        if self.text.len() == self.scheme.len() && self.parts.is_empty() {
            return Err(self.fail(at, format!("expected a host after {}", quote(self.scheme))));
        }
        self.flush();
        self.place = to;
        Ok(())
    }

    /// Turns the text read so far into a part. What is illegal outside the authority (quotes, letters beyond ASCII) is encoded.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return;
        }
        let mut legal = String::with_capacity(text.len());
        match self.place {
            Place::Authority => legal = text,
            Place::Path | Place::Query => encode::push_path_and_query(&mut legal, &text),
        }
        self.parts.push(Part::Text(legal));
    }

    fn finish(mut self) -> Result<UrlTemplate, SyntaxError> {
        if self.place == Place::Authority {
            self.leave_authority(self.source.len(), Place::Path)?;
        }
        self.flush();
        let parsed = Parsed {
            source: self.source.into(),
            absolute: !self.scheme.is_empty(),
            has_query: self.place == Place::Query,
            parts: self.parts.into(),
            values: self.values.into(),
        };
        Ok(UrlTemplate {
            parsed: Arc::new(parsed),
        })
    }

    fn fail(&self, at: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.source, at, message)
    }
}

known_by_its_source!(UrlTemplate);

written_as_text!(
    UrlTemplate,
    "A URL, or a path with an optional query, with values in braces. Each value is encoded for its place, so it can never add \
     a segment or a parameter; {path}, {query} and the tail of a path keep their shape.",
    examples: ["/users/{param.id}?v={query.v}", "https://{host}{path}"]
);
