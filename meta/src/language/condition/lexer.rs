//! The words of a condition. A word is an operator only if it stands alone: the `in` of `origin` or `query.in` is a name.

use std::cmp::Ordering;

use super::super::cursor::{Cursor, is_name_character};
use super::super::error::{SyntaxError, quote};
use super::super::number::Number;
use super::super::value::Value;

/// One word of a condition.
#[derive(Debug)]
pub(super) enum Token {
    Value(Value),
    Text(String),
    Number(Number<'static>),
    Symbol(Symbol),
    End,
}

/// The words that hold a condition together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    And,
    Or,
    Not,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Comparison(Comparison),
    In,
    Matches,
    MatchesNot,
}

/// The operators that compare two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// Whether it holds for this outcome. `None` means that the sides cannot be compared (one is absent, or no number):
    /// they are then different, and nothing else.
    pub(super) fn holds(self, outcome: Option<Ordering>) -> bool {
        let Some(ordering) = outcome else {
            return self == Self::NotEqual;
        };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }

    /// The same statement with its sides exchanged.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            Self::Equal | Self::NotEqual => self,
        }
    }

    /// Whether it asks for more than same or different.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// Longer ones first where one begins with another.
const SYMBOLS: [(&str, Symbol); 16] = [
    ("&&", Symbol::And),
    ("||", Symbol::Or),
    ("==", Symbol::Comparison(Comparison::Equal)),
    ("!=", Symbol::Comparison(Comparison::NotEqual)),
    ("!~", Symbol::MatchesNot),
    ("!", Symbol::Not),
    ("~", Symbol::Matches),
    ("<=", Symbol::Comparison(Comparison::AtMost)),
    ("<", Symbol::Comparison(Comparison::Less)),
    (">=", Symbol::Comparison(Comparison::AtLeast)),
    (">", Symbol::Comparison(Comparison::Greater)),
    ("(", Symbol::Open),
    (")", Symbol::Close),
    ("[", Symbol::OpenList),
    ("]", Symbol::CloseList),
    (",", Symbol::Comma),
];

/// What people write that other languages have.
const ALMOST: [(&str, &str); 4] = [("=~", "~"), ("=", "=="), ("&", "&&"), ("|", "||")];

/// The next word; space before it must have been skipped.
pub(super) fn token(cursor: &mut Cursor<'_>) -> Result<Token, SyntaxError> {
    match cursor.peek() {
        None => Ok(Token::End),
        Some('"' | '\'') => cursor.quoted().map(Token::Text),
        Some('-' | '0'..='9') => number(cursor).map(Token::Number),
        Some('a'..='z' | 'A'..='Z' | '_') => word(cursor),
        Some(other) => symbol(cursor, other).map(Token::Symbol),
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<Number<'static>, SyntaxError> {
    let start = cursor.offset();
    let text = cursor.take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let misfit = || {
        cursor.fail_at(
            start,
            format!("expected a number like `12` or `-0.5` instead of {}", quote(text)),
        )
    };
    Number::parse(text).map(Number::into_owned).ok_or_else(misfit)
}

fn word(cursor: &mut Cursor<'_>) -> Result<Token, SyntaxError> {
    let rest = cursor.rest();
    let word = &rest[..rest.find(|c| !is_name_character(c)).unwrap_or(rest.len())];
    let meant = match word.to_ascii_lowercase().as_str() {
        "in" if cursor.eat("in") => return Ok(Token::Symbol(Symbol::In)),
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        "in" => "in",
        "true" => "\"true\"",
        "false" => "\"false\"",
        "null" => "\"null\"",
        _ => return Value::read(cursor).map(Token::Value),
    };
    Err(cursor.fail(format!("expected `{meant}` instead of {}", quote(word))))
}

fn symbol(cursor: &mut Cursor<'_>, first: char) -> Result<Symbol, SyntaxError> {
    if let Some((_, symbol)) = SYMBOLS.into_iter().find(|(text, _)| cursor.eat(text)) {
        return Ok(symbol);
    }
    let almost = ALMOST
        .into_iter()
        .find(|(almost, _)| cursor.rest().starts_with(almost));
    let (meant, found) = match almost {
        Some((almost, operator)) => (format!("`{operator}`"), almost.to_owned()),
        None => ("a value or an operator".to_owned(), first.to_string()),
    };
    Err(cursor.fail(format!("expected {meant} instead of {}", quote(&found))))
}
