//! From text to a typed tree. In order of binding, the loosest first:
//!
//! ```text
//! any   = all { "||" all }
//! all   = term { "&&" term }
//! term  = "!" term | "(" any ")" | side [ comparison side | ( "~" | "!~" ) text | "in" list ]
//! list  = "[" ( text | number ) { "," ( text | number ) } "]"
//! side  = value | text | number
//! ```
//!
//! `!` therefore denies the whole comparison that follows it.

use super::super::cursor::Cursor;
use super::super::error::{SyntaxError, quote};
use super::super::value::Value;
use super::lexer::{Symbol, Token, token};
use super::typing::{Literal, Placed, Side, Typing};
use super::{Expression, Parsed};

/// How many `(` and `!` may stand inside each other: bounds the stack that reading and evaluating take.
const MAX_NESTING: usize = 64;
/// How long a condition may be, in bytes.
const MAX_LENGTH: usize = 4096;

pub(super) fn parse(source: &str) -> Result<Parsed, SyntaxError> {
    if source.len() > MAX_LENGTH {
        let end = (0..=MAX_LENGTH)
            .rev()
            .find(|at| source.is_char_boundary(*at))
            .unwrap_or(0);
        return Err(SyntaxError::new(
            source,
            end,
            format!("expected a condition of at most {MAX_LENGTH} bytes to end"),
        ));
    }
    let mut parser = Parser::new(source)?;
    let root = parser.any()?;
    if !matches!(parser.next, Token::End) {
        return Err(parser.expected("`&&`, `||` or the end"));
    }
    Ok(Parsed {
        source: source.into(),
        root,
        terms: parser.terms,
        values: parser.values.into(),
    })
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    /// The word to be read next, and where it starts.
    next: Token,
    start: usize,
    /// The text of the word read last.
    last: &'a str,
    nesting: usize,
    terms: usize,
    values: Vec<(usize, Value)>,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Result<Self, SyntaxError> {
        let cursor = Cursor::new(source);
        let mut parser = Self {
            cursor,
            next: Token::End,
            start: 0,
            last: "",
            nesting: 0,
            terms: 0,
            values: Vec::new(),
        };
        parser.advance()?;
        Ok(parser)
    }

    fn any(&mut self) -> Result<Expression, SyntaxError> {
        let mut parts = vec![self.all()?];
        while self.eat(Symbol::Or)? {
            parts.push(self.all()?);
        }
        Ok(Expression::one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, SyntaxError> {
        let mut parts = vec![self.term()?];
        while self.eat(Symbol::And)? {
            parts.push(self.term()?);
        }
        Ok(Expression::one_or(parts, Expression::All))
    }

    fn term(&mut self) -> Result<Expression, SyntaxError> {
        if matches!(self.next, Token::Symbol(Symbol::Not | Symbol::Open)) {
            return self.nested();
        }
        let left = self.side()?;
        self.terms += 1;
        let (operator, operator_at) = (self.operator(), self.start);
        let typing = Typing {
            source: self.cursor.source(),
            operator_at,
        };
        let Some(operator) = operator else {
            return typing.presence(left).map(Expression::Test);
        };
        self.advance()?;
        let test = match operator {
            Symbol::Comparison(comparison) => typing.comparison(left, comparison, self.side()?),
            Symbol::In => typing.membership(left, self.list()?),
            _ => typing.matching(left, self.pattern()?, operator == Symbol::Matches),
        };
        test.map(Expression::Test)
    }

    /// What stands behind a `!` or in parentheses.
    fn nested(&mut self) -> Result<Expression, SyntaxError> {
        if self.nesting == MAX_NESTING {
            return Err(self.cursor.fail_at(
                self.start,
                format!("expected at most {MAX_NESTING} `(` and `!` inside each other"),
            ));
        }
        self.nesting += 1;
        let inner = if self.eat(Symbol::Not)? {
            Expression::Not(Box::new(self.term()?))
        } else {
            self.advance()?;
            let inner = self.any()?;
            self.expect(Symbol::Close, "`)`")?;
            inner
        };
        self.nesting -= 1;
        Ok(inner)
    }

    fn side(&mut self) -> Result<Placed<Side>, SyntaxError> {
        let Token::Value(value) = &self.next else {
            let Placed { at, is } = self.literal("a value")?;
            return Ok(Placed {
                at,
                is: Side::Literal(is),
            });
        };
        let (at, value) = (self.start, value.clone());
        self.values.push((at, value.clone()));
        self.advance()?;
        Ok(Placed {
            at,
            is: Side::Value(value),
        })
    }

    fn literal(&mut self, what: &str) -> Result<Placed<Literal>, SyntaxError> {
        let literal = match &self.next {
            Token::Text(text) => Literal::Text(text.as_str().into()),
            Token::Number(number) => Literal::Number(number.clone()),
            _ => return Err(self.expected(what)),
        };
        let at = self.start;
        self.advance()?;
        Ok(Placed { at, is: literal })
    }

    fn list(&mut self) -> Result<Vec<Placed<Literal>>, SyntaxError> {
        const ITEM: &str = "text in quotes or a number";
        self.expect(Symbol::OpenList, "a list like `[\"a\", \"b\"]`")?;
        let mut items = vec![self.literal(ITEM)?];
        while self.eat(Symbol::Comma)? {
            items.push(self.literal(ITEM)?);
        }
        self.expect(Symbol::CloseList, "`,` or `]`")?;
        Ok(items)
    }

    fn pattern(&mut self) -> Result<Placed<String>, SyntaxError> {
        let Token::Text(pattern) = &self.next else {
            return Err(self.expected("a regular expression in quotes"));
        };
        let pattern = Placed {
            at: self.start,
            is: pattern.clone(),
        };
        self.advance()?;
        Ok(pattern)
    }

    /// The operator of a term, if one comes next.
    fn operator(&self) -> Option<Symbol> {
        match self.next {
            Token::Symbol(
                operator @ (Symbol::Comparison(_) | Symbol::In | Symbol::Matches | Symbol::MatchesNot),
            ) => Some(operator),
            _ => None,
        }
    }

    fn eat(&mut self, symbol: Symbol) -> Result<bool, SyntaxError> {
        let comes_next = matches!(self.next, Token::Symbol(next) if next == symbol);
        if comes_next {
            self.advance()?;
        }
        Ok(comes_next)
    }

    fn expect(&mut self, symbol: Symbol, shown: &str) -> Result<(), SyntaxError> {
        if self.eat(symbol)? {
            Ok(())
        } else {
            Err(self.expected(shown))
        }
    }

    fn advance(&mut self) -> Result<(), SyntaxError> {
        self.last = &self.cursor.source()[self.start..self.cursor.offset()];
        self.cursor.skip_space();
        self.start = self.cursor.offset();
        self.next = token(&mut self.cursor)?;
        Ok(())
    }

    /// The error that something else should come next.
    fn expected(&self, what: &str) -> SyntaxError {
        let after = if self.last.is_empty() {
            String::new()
        } else {
            format!(" after {}", quote(self.last))
        };
        self.cursor.fail_at(self.start, format!("expected {what}{after}"))
    }
}
