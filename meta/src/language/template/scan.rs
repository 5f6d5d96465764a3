//! From text to pieces: what is written out, and the values in braces between it.

use super::super::cursor::Cursor;
use super::super::error::{SyntaxError, quote};
use super::super::value::Value;

/// One piece of a template, and the byte where it stands (for a value, the byte after its brace).
pub(super) enum Piece<'a> {
    /// Text as it is to appear, with `{{` already read as `{`. Neighbours may both be text.
    Text(usize, &'a str),
    Value(usize, Value),
}

pub(super) fn scan(source: &str) -> Result<Vec<Piece<'_>>, SyntaxError> {
    let mut cursor = Cursor::new(source);
    let mut pieces = Vec::new();
    while !cursor.rest().is_empty() {
        let at = cursor.offset();
        pieces.push(if cursor.eat("{{") {
            Piece::Text(at, "{")
        } else if cursor.eat("}}") {
            Piece::Text(at, "}")
        } else if cursor.eat("}") {
            return Err(cursor.fail_at(at, "expected `}}` for a brace that closes no value"));
        } else if cursor.eat("{") {
            placeholder(&mut cursor, at)?
        } else {
            Piece::Text(at, cursor.take_while(|c| c != '{' && c != '}'))
        });
    }
    Ok(pieces)
}

/// The value and the closing brace that follow the brace at `open`.
fn placeholder<'a>(cursor: &mut Cursor<'a>, open: usize) -> Result<Piece<'a>, SyntaxError> {
    const NO_VALUE: &str = "expected a value, like `param.id`, after \"{\" (for a brace itself write `{{`)";
    let source = cursor.source();
    let unclosed = || SyntaxError::new(source, open, "expected a `}` for the brace that opens");
    cursor.skip_space();
    let at = cursor.offset();
    match cursor.peek() {
        None => return Err(unclosed()),
        Some('a'..='z' | 'A'..='Z' | '_') => {}
        Some(_) => return Err(cursor.fail(NO_VALUE)),
    }
    let value = Value::read(cursor)?;
    cursor.skip_space();
    if cursor.eat("}") {
        return Ok(Piece::Value(at, value));
    }
    Err(if cursor.rest().is_empty() {
        unclosed()
    } else {
        cursor.fail(format!("expected `}}` after {}", quote(&value.to_string())))
    })
}
