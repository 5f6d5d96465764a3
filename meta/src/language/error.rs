//! What a mistake in a value, condition or template looks like.
//!
//! Wording: what stands in the text is in "double quotes", what to write instead is in `backticks`.

/// A mistake in a text of the language. Reads `expected a value after "==" at character 14`.
///
/// The last three words are always `at character N`, so that a position survives being passed on as plain text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {character}")]
pub struct SyntaxError {
    /// Where, in bytes from the start of the text; its length if something is missing at the end.
    pub offset: usize,
    /// Where, in characters, the first being 1.
    pub character: usize,
    /// What would be right.
    pub message: String,
}

impl SyntaxError {
    /// A mistake at byte `offset` of `source`, which must be a character boundary of it.
    pub(super) fn new(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let character = source.char_indices().take_while(|(at, _)| *at < offset).count() + 1;
        Self {
            offset,
            character,
            message: message.into(),
        }
    }
}

/// A piece of the text, cut to a readable length and put in double quotes (unless it brings its own).
pub(super) fn quote(piece: &str) -> String {
    const LONGEST: usize = 40;
    let readable = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = piece.chars().take(LONGEST).map(readable).collect();
    if piece.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    if piece.starts_with(['"', '\'']) {
        shown
    } else {
        format!("\"{shown}\"")
    }
}
