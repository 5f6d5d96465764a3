//! What is wrong with a configuration, where, and what would be right.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Kind;

/// A place in a text: both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Whether a problem keeps an object from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The object cannot be used as it is.
    Error,
    /// The object is used; it probably does not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Whether it keeps the object from being used.
    pub severity: Severity,
    /// The kind of the object, `None` if the problem is of the text as a whole.
    pub kind: Option<Kind>,
    /// The id as written, which may be no id; empty if the problem is of the text as a whole or the id is missing.
    pub id: String,
    /// JSON pointer (RFC 6901) within the object; empty for the object itself.
    pub pointer: String,
    /// Where it stands in the text it was read from.
    pub position: Option<Position>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// An error in the object `kind`/`id` at `pointer`.
    pub fn error(
        kind: Kind,
        id: impl Into<String>,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            kind: Some(kind),
            id: id.into(),
            pointer: pointer.into(),
            position: None,
            message: message.into(),
        }
    }

    /// An error of the text as a whole.
    pub fn of_text(position: Option<Position>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind: None,
            id: String::new(),
            pointer: String::new(),
            position,
            message: message.into(),
        }
    }

    /// The same as a warning.
    pub fn warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The same with its place in the text.
    pub fn at(self, position: Option<Position>) -> Self {
        Self {
            position: position.or(self.position),
            ..self
        }
    }
}

/// `12:9: warning: routes/users-api: match.path: message`; without what is not known.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if let Some(kind) = self.kind {
            match self.id.as_str() {
                "" => write!(f, "{kind}: ")?,
                id => write!(f, "{kind}/{id}: ")?,
            }
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", dotted(&self.pointer))?;
        }
        f.write_str(&self.message)
    }
}

/// A JSON pointer as people write paths: `/match/hosts/0` is `match.hosts[0]`.
pub fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push_str(&format!("[{name}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&name);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_place_object_member_and_message() {
        let problem = Problem::error(Kind::Route, "users-api", "/match/hosts/0", "no host")
            .at(Some(Position { line: 12, column: 9 }));
        assert_eq!(
            problem.to_string(),
            "12:9: routes/users-api: match.hosts[0]: no host"
        );
        assert_eq!(
            problem.warning().to_string(),
            "12:9: warning: routes/users-api: match.hosts[0]: no host"
        );
        assert_eq!(Problem::of_text(None, "no YAML").to_string(), "no YAML");
    }
}
