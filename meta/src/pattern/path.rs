//! Which paths a route answers for.
//!
//! Simplifying assumptions: a parameter is a whole segment (`/v{n}` is refused); a tail is the last segment; `/api/*`
//! is `/api/` and everything below, not `/api`.

use std::str::FromStr;

use super::normal::push_segment;
use super::{Constraint, PatternError, spelled_as_text};

/// A pattern has at most this many named parameters, so a match fits into a fixed array.
pub const MAX_PARAMETERS: usize = 16;

/// A pattern has at most this many segments, so walking patterns takes a bounded stack.
pub const MAX_SEGMENTS: usize = 64;

const MAX_BYTES: usize = 2048;

/// `/api/users/{id}`, `/r/{n:[0-9]+}`, `/files/{rest*}`, `/api/*`.
///
/// Between slashes stands a literal, held in the normal form of request paths ([`super::normal_path`]); `{name}`, one
/// non-empty segment; `{name:regex}`, one whose percent-decoded text matches; or, last, `{name*}` or `*`, the rest
/// with its slashes, which may be empty. A brace that does not pair up inside a regex is written `\{` or `\}`.
/// Two patterns are equal when they are written the same.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
}

/// What a pattern asks for between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text, in normal form; empty where the pattern has `//` or ends in `/`.
    Literal(Box<str>),
    /// Any non-empty segment, kept under this name.
    Parameter(Box<str>),
    /// A segment the constraint accepts.
    Constrained(Box<str>, Constraint),
    /// Everything that is left; the tail of `/api/*` has no name. Only the last segment.
    Tail(Option<Box<str>>),
}

/// How narrow a pattern is; the greater is the more specific.
///
/// Exact patterns first; then the number of literal segments, of constrained and of plain parameters decides, in
/// this order; then a pattern without tail comes before one with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    is_exact: bool,
    literals: usize,
    constrained: usize,
    parameters: usize,
    is_whole: bool,
}

impl PathPattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands between the slashes, from left to right; at least one, at most [`MAX_SEGMENTS`].
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters' names from left to right, at most [`MAX_PARAMETERS`], each once.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }

    /// Whether `name` is this pattern's tail, whose value may contain slashes.
    pub fn is_tail(&self, name: &str) -> bool {
        matches!(self.segments.last(), Some(Segment::Tail(Some(tail))) if **tail == *name)
    }

    /// How narrow the pattern is, compared with others.
    pub fn specificity(&self) -> Specificity {
        let count = |kind: fn(&Segment) -> bool| self.segments.iter().filter(|segment| kind(segment)).count();
        let literals = count(|segment| matches!(segment, Segment::Literal(_)));
        Specificity {
            is_exact: literals == self.segments.len(),
            literals,
            constrained: count(|segment| matches!(segment, Segment::Constrained(..))),
            parameters: count(|segment| matches!(segment, Segment::Parameter(_))),
            is_whole: !matches!(self.segments.last(), Some(Segment::Tail(_))),
        }
    }
}

impl Segment {
    /// The name the matched text is kept under.
    pub fn name(&self) -> Option<&str> {
        match self {
            Segment::Literal(_) => None,
            Segment::Parameter(name) | Segment::Constrained(name, _) => Some(name),
            Segment::Tail(name) => name.as_deref(),
        }
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_BYTES {
            return Err(PatternError::at(
                text,
                MAX_BYTES,
                format!("a path pattern has at most {MAX_BYTES} bytes"),
            ));
        }
        if !text.starts_with('/') {
            return Err(PatternError::at(text, 0, "a path pattern begins with `/`"));
        }
        let mut reader = Reader {
            text,
            at: 1,
            segments: Vec::new(),
        };
        reader.segment()?;
        while reader.at < text.len() {
            reader.at += 1;
            reader.segment()?;
        }
        Ok(PathPattern {
            text: text.into(),
            segments: reader.segments.into(),
        })
    }
}

spelled_as_text!(
    PathPattern,
    "A path: exact text, `{name}` for one segment, `{name:[0-9]+}` for one that matches, `{rest*}` or `*` for the tail.",
    "^/"
);

/// Reads one segment after the other; `at` is where the next begins, or the slash behind the last one read.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    segments: Vec<Segment>,
}

impl<'t> Reader<'t> {
    fn segment(&mut self) -> Result<(), PatternError> {
        if self.segments.len() == MAX_SEGMENTS {
            return Err(self.error(
                self.at,
                format!("a path pattern has at most {MAX_SEGMENTS} segments"),
            ));
        }
        if let Some(Segment::Tail(_)) = self.segments.last() {
            return Err(self.error(self.at - 1, "nothing may follow the tail"));
        }
        let segment = if self.rest().starts_with('{') {
            self.parameter()?
        } else {
            self.literal()?
        };
        self.segments.push(segment);
        Ok(())
    }

    fn literal(&mut self) -> Result<Segment, PatternError> {
        let text = self.rest().split('/').next().unwrap_or_default();
        let start = self.at;
        for (offset, character) in text.char_indices() {
            let message = match character {
                '{' | '}' => "a parameter is a whole segment: braces cannot stand beside other text",
                '?' | '#' => "a path pattern ends before `?` and `#`: match the query with `when`",
                _ if character.is_whitespace() || character.is_control() => {
                    "spaces and control characters are written as escapes (%20)"
                }
                _ => continue,
            };
            return Err(self.error(start + offset, message));
        }
        self.at += text.len();
        if text == "*" {
            return Ok(Segment::Tail(None));
        }
        if text.ends_with('*') {
            return Err(self.error(self.at - 1, "`*` stands alone between slashes, as in `/api/*`"));
        }
        let mut literal = String::with_capacity(text.len());
        push_segment(&mut literal, text);
        if literal == "." || literal == ".." {
            return Err(self.error(
                start,
                "dot segments never match: request paths are resolved first",
            ));
        }
        Ok(Segment::Literal(literal.into()))
    }

    /// A segment in braces.
    fn parameter(&mut self) -> Result<Segment, PatternError> {
        let start = self.at;
        let inside = self.braced()?;
        let after_name = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let name = inside.split(after_name).next().unwrap_or_default();
        self.check_name(name, start + 1)?;
        let rest = &inside[name.len()..];
        if rest.is_empty() {
            return Ok(Segment::Parameter(name.into()));
        }
        if rest == "*" {
            return Ok(Segment::Tail(Some(name.into())));
        }
        let at = start + 1 + name.len();
        let Some(regex) = rest.strip_prefix(':') else {
            return Err(self.error(
                at,
                "a name is letters, digits and `_`, then may come `*` or `:regex`",
            ));
        };
        if regex.is_empty() {
            return Err(self.error(at + 1, "the regex is missing"));
        }
        let constraint = Constraint::compile(regex)
            .map_err(|reason| self.error(at + 1, format!("bad regex: {reason}")))?;
        Ok(Segment::Constrained(name.into(), constraint))
    }

    /// What stands between the brace here and the one that closes it, which must end the segment.
    fn braced(&mut self) -> Result<&'t str, PatternError> {
        let start = self.at;
        let rest = self.rest();
        let mut depth = 0usize;
        let mut is_escaped = false;
        for (offset, byte) in rest.bytes().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'{' => depth += 1,
                b'}' if depth > 1 => depth -= 1,
                b'}' => {
                    self.at += offset + 1;
                    if !matches!(rest.as_bytes().get(offset + 1), None | Some(b'/')) {
                        return Err(
                            self.error(self.at, "a parameter is a whole segment: only `/` may follow `}`")
                        );
                    }
                    return Ok(&rest[1..offset]);
                }
                _ => {}
            }
        }
        Err(self.error(start, "this `{` is not closed"))
    }

    /// Checks a parameter's name, which begins at byte `at`.
    fn check_name(&self, name: &str, at: usize) -> Result<(), PatternError> {
        let mut names = self.segments.iter().filter_map(Segment::name);
        if name.is_empty() {
            return Err(self.error(at, "a parameter needs a name of letters, digits and `_`"));
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error(at, "a name begins with a letter or `_`"));
        }
        if names.clone().count() == MAX_PARAMETERS {
            return Err(self.error(
                at,
                format!("a path pattern has at most {MAX_PARAMETERS} parameters"),
            ));
        }
        if names.any(|other| other == name) {
            return Err(self.error(at, format!("the name `{name}` is used twice")));
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, message: impl Into<String>) -> PatternError {
        PatternError::at(self.text, at, message)
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
