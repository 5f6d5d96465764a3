//! Reading a text from left to right, always knowing where.

use super::error::SyntaxError;

/// A place in a text, and the pieces all parts of the language are made of: names and quoted text.
pub(super) struct Cursor<'a> {
    source: &'a str,
    /// Always a character boundary of `source`.
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, offset: 0 }
    }

    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Steps over `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let comes_next = self.rest().starts_with(text);
        if comes_next {
            self.offset += text.len();
        }
        comes_next
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    pub(super) fn skip_space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    /// A name as it may stand without quotes; empty if none comes next.
    pub(super) fn name(&mut self) -> &'a str {
        self.take_while(is_name_character)
    }

    /// Text in the double or single quotes that come next. A backslash before the closing kind of quote, or before a
    /// backslash, stands for that character; before anything else it is kept, so that `"\d+"` reads as it should.
    pub(super) fn quoted(&mut self) -> Result<String, SyntaxError> {
        let open = self.offset;
        let mut characters = self.rest().char_indices();
        let quote = characters.next().map_or('"', |(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.offset = open + at + quote.len_utf8();
                return Ok(text);
            }
            let next = characters.clone().next().map(|(_, next)| next);
            match next {
                Some(next) if character == '\\' && (next == quote || next == '\\') => {
                    characters.next();
                    text.push(next);
                }
                _ => text.push(character),
            }
        }
        Err(self.fail_at(
            open,
            format!("expected a closing `{quote}` for the text that starts"),
        ))
    }

    pub(super) fn fail(&self, message: impl Into<String>) -> SyntaxError {
        self.fail_at(self.offset, message)
    }

    pub(super) fn fail_at(&self, offset: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.source, offset, message)
    }
}

/// Whether a name may hold this character without being quoted.
pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}
