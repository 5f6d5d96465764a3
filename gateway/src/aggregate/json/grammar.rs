//! The grammar of RFC 8259 as one pass over the bytes: without recursion, without allocation, no deeper than
//! [`MAX_DEPTH`]. It finds where the value is and judges it; it does not keep what it saw.

use std::fmt;
use std::ops::Range;

use super::string::plain_length;

/// How many arrays and objects may enclose a value, the outermost counted. A bit of a `u128` each.
pub const MAX_DEPTH: u32 = u128::BITS;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why bytes are not one JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonFault {
    /// The offset of the first byte at fault; the length of the text if it ended too early.
    pub at: usize,
    /// What is wrong there.
    pub what: Fault,
}

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not UTF-8.
    NotUtf8,
    /// It ends before the value does.
    Ends,
    /// No value starts here.
    NoValue,
    /// No member name starts here.
    NoName,
    /// The colon after a member name is missing.
    NoColon,
    /// Neither a comma nor the end of the array or object.
    NoComma,
    /// No digit where a number needs one.
    NoDigit,
    /// A backslash with anything but an escape of RFC 8259 §7.
    BadEscape,
    /// A control character in a string.
    ControlCharacter,
    /// More than [`MAX_DEPTH`] arrays and objects in each other.
    TooDeep,
    /// More follows after the value.
    Surplus,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.at)?;
        match self.what {
            Fault::NotUtf8 => f.write_str("not UTF-8"),
            Fault::Ends => f.write_str("the text ends before the value does"),
            Fault::NoValue => f.write_str("a value is expected"),
            Fault::NoName => f.write_str("a member name in quotes is expected"),
            Fault::NoColon => f.write_str("a colon is expected"),
            Fault::NoComma => f.write_str("a comma or a closing bracket is expected"),
            Fault::NoDigit => f.write_str("a digit is expected"),
            Fault::BadEscape => f.write_str("an unknown or incomplete escape"),
            Fault::ControlCharacter => f.write_str("a control character in a string"),
            Fault::TooDeep => write!(f, "more than {MAX_DEPTH} arrays and objects in each other"),
            Fault::Surplus => f.write_str("more follows after the value"),
        }
    }
}

impl std::error::Error for JsonFault {}

/// Where in `text` its one value is, if the text is valid.
pub(super) fn find_value(text: &[u8]) -> Result<Range<usize>, JsonFault> {
    // Once over everything is faster than string by string; outside of strings the grammar is stricter anyway.
    str::from_utf8(text).map_err(|error| JsonFault {
        at: error.valid_up_to(),
        what: Fault::NotUtf8,
    })?;
    let mut scan = Scan { text, at: 0 };
    scan.text().map_err(|fault| scan.locate(fault))
}

/// A position in a text; all before it is fine.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn text(&mut self) -> Result<Range<usize>, Fault> {
        if self.text.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        self.skip_whitespace();
        let start = self.at;
        self.value()?;
        let end = self.at;
        self.skip_whitespace();
        match self.peek() {
            None => Ok(start..end),
            Some(_) => Err(Fault::Surplus),
        }
    }

    /// A value with all that is in it: down to a scalar, up to where the next one starts, until nothing is open.
    fn value(&mut self) -> Result<(), Fault> {
        let mut open = Open::default();
        self.descend(&mut open)?;
        while self.ascend(&mut open)? {
            self.descend(&mut open)?;
        }
        Ok(())
    }

    /// Opens brackets as far as they go, down to a scalar or to an array or object without anything in it.
    fn descend(&mut self, open: &mut Open) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.enter(open, Bracket::Object)?;
                    if self.peek() == Some(b'}') {
                        return Ok(());
                    }
                    self.name()?;
                }
                Some(b'[') => {
                    self.enter(open, Bracket::Array)?;
                    if self.peek() == Some(b']') {
                        return Ok(());
                    }
                }
                _ => return self.scalar(),
            }
        }
    }

    fn enter(&mut self, open: &mut Open, bracket: Bracket) -> Result<(), Fault> {
        if open.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        open.push(bracket);
        self.at += 1;
        self.skip_whitespace();
        Ok(())
    }

    /// Closes brackets as far as they go; `true` where a comma says that another value follows.
    fn ascend(&mut self, open: &mut Open) -> Result<bool, Fault> {
        while let Some(bracket) = open.innermost() {
            self.skip_whitespace();
            match (self.peek(), bracket) {
                (Some(b'}'), Bracket::Object) | (Some(b']'), Bracket::Array) => {
                    open.pop();
                    self.at += 1;
                }
                (Some(b','), _) => {
                    self.at += 1;
                    self.skip_whitespace();
                    if bracket == Bracket::Object {
                        self.name()?;
                    }
                    return Ok(true);
                }
                _ => return Err(Fault::NoComma),
            }
        }
        Ok(false)
    }

    /// A member's name, up to its value.
    fn name(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::NoName);
        }
        self.string()?;
        self.skip_whitespace();
        if !self.skip(|byte| byte == b':') {
            return Err(Fault::NoColon);
        }
        self.skip_whitespace();
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(Fault::NoValue),
        }
    }

    fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Result<(), Fault> {
        if self.rest().first_chunk() != Some(literal) {
            return Err(Fault::NoValue);
        }
        self.at += N;
        Ok(())
    }

    /// RFC 8259 §6. A digit after a leading zero is left standing, where neither a comma nor an end is.
    fn number(&mut self) -> Result<(), Fault> {
        self.skip(|byte| byte == b'-');
        if !self.skip(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.skip(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip(|byte| matches!(byte, b'e' | b'E')) {
            self.skip(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(Fault::NoDigit),
        }
    }

    /// RFC 8259 §7, from quote to quote.
    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::ControlCharacter),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', digits @ ..] if starts_with_four_hex_digits(digits) => 6,
            _ => return Err(Fault::BadEscape),
        };
        Ok(())
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Skips one byte if it is the right one.
    fn skip(&mut self, is_right: impl Fn(u8) -> bool) -> bool {
        let is_here = self.peek().is_some_and(is_right);
        self.at += usize::from(is_here);
        is_here
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Where the scan stopped is where the fault is; if nothing is left there, that is the fault.
    fn locate(&self, what: Fault) -> JsonFault {
        let what = if self.at < self.text.len() {
            what
        } else {
            Fault::Ends
        };
        JsonFault { at: self.at, what }
    }
}

fn starts_with_four_hex_digits(text: &[u8]) -> bool {
    text.first_chunk::<4>()
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Array,
    Object,
}

/// The brackets that are open, the innermost in the lowest bit.
#[derive(Default)]
struct Open {
    objects: u128,
    depth: u32,
}

impl Open {
    /// The caller minds [`MAX_DEPTH`].
    fn push(&mut self, bracket: Bracket) {
        self.objects = self.objects << 1 | u128::from(bracket == Bracket::Object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn innermost(&self) -> Option<Bracket> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Bracket::Array),
            _ => Some(Bracket::Object),
        }
    }
}
