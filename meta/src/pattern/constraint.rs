//! The regular expression of a constrained parameter.
//!
//! Equal texts share one compiled expression for as long as anyone holds it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::normal::decode;
use crate::shared::Shared;

/// A compiled expression may take this much memory.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A constrained segment longer than this does not match: bounds what one request can make an expression read.
const MAX_SEGMENT_BYTES: usize = 4096;

/// A linear-time regular expression that must match the whole percent-decoded segment.
#[derive(Clone)]
pub struct Constraint(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    regex: Regex,
}

impl Constraint {
    /// Compiles `text`, or shares what the same text was compiled to before. The error says what is wrong.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let compiled = COMPILED.get_or_make(text, || {
            build(text)?;
            let regex = build(&format!(r"\A(?:{text})\z"))?;
            Ok::<_, String>(Compiled {
                text: text.into(),
                regex,
            })
        });
        compiled.map(Self)
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether a segment of a normal path satisfies the expression.
    ///
    /// An empty one, one above 4 KiB, and one that does not decode to UTF-8 never do. Allocates only the first time
    /// a thread runs this expression.
    pub fn matches(&self, segment: &str) -> bool {
        if segment.is_empty() || segment.len() > MAX_SEGMENT_BYTES {
            return false;
        }
        if !segment.contains('%') {
            return self.0.regex.is_match(segment);
        }
        let mut buffer = [0; MAX_SEGMENT_BYTES];
        decode(segment, &mut buffer).is_some_and(|text| self.0.regex.is_match(text))
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Constraint {}

impl Hash for Constraint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Constraint({:?})", self.as_str())
    }
}

static COMPILED: Shared<Compiled> = Shared::new();

fn build(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_COMPILED_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the expression is too large when compiled".to_owned(),
            other => {
                let text = other.to_string();
                let reason = text.lines().last().unwrap_or_default();
                reason.trim().trim_start_matches("error: ").to_owned()
            }
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_whole_decoded_segment_must_match() {
        let letters = Constraint::compile("[a-zé/]+|x").unwrap();
        assert!(letters.matches("abc"));
        assert!(letters.matches("%C3%A9"));
        assert!(letters.matches("a%2Fb"));
        for no in [
            "",
            "abc1",
            "1abc",
            "%FF",
            "x\n",
            &"a".repeat(MAX_SEGMENT_BYTES + 1),
        ] {
            assert!(!letters.matches(no), "{no}");
        }
    }

    #[test]
    fn equal_texts_share_one_compiled_expression() {
        let first = Constraint::compile("shared[0-9]").unwrap();
        let second = Constraint::compile("shared[0-9]").unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
    }

    #[test]
    fn expressions_that_escape_their_group_or_are_huge_are_refused() {
        assert!(Constraint::compile("a)|(b").is_err());
        assert!(Constraint::compile("(").unwrap_err().contains("unclosed group"));
        assert!(
            Constraint::compile(r"\w{1000}\w{1000}")
                .unwrap_err()
                .contains("too large")
        );
        assert!(Constraint::compile(r"[a-z0-9-]{1,64}").is_ok());
    }
}
