//! From objects to text, deterministic and made to be read: blocks, with short lists and mappings in one line, keys in the order
//! they were given.
//!
//! What [`super::Document::read`] makes of the text is exactly what was written. Texts are left without quotes only if they
//! look like nothing else, to this reader and to readers of YAML 1.1.

use std::borrow::Borrow;

use serde_json::Value;

use super::scalar::{self, Meaning};
use crate::model::Kind;

/// How long a line with a list or mapping in it may become, in characters.
const LINE: usize = 100;
/// A key longer than this needs a line of its own (YAML 1.2.2 §7.4.2: 1024 characters at most).
const LONG_KEY: usize = 250;
/// The objects as a text: by kind, within a kind in the order given, each with its id first.
pub fn write_yaml<V: Borrow<Value>>(objects: impl IntoIterator<Item = (Kind, V)>) -> String {
    let mut collections = Kind::ALL.map(|kind| (kind, Writer::default()));
    for (kind, value) in objects {
        let own = collections.iter_mut().filter(|(other, _)| *other == kind);
        own.for_each(|(_, writer)| writer.object(value.borrow()));
    }
    let mut text = String::new();
    for (kind, Writer { text: items }) in collections {
        text.push_str(kind.plural());
        text.push_str(if items.is_empty() { ": []\n" } else { ":\n" });
        text.push_str(&items);
    }
    text
}

/// Any value as a text.
pub fn write_value(value: &Value) -> String {
    let mut writer = Writer::default();
    match value {
        Value::Object(entries) if !entries.is_empty() => writer.entries(entries, 0, false),
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| writer.item(item, 0)),
        _ => {
            writer.text.push_str(&inline(value));
            writer.text.push('\n');
        }
    }
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn indent(&mut self, by: usize) {
        self.text.extend(std::iter::repeat_n(' ', by));
    }

    /// `- value`, the `-` at column `indent`.
    fn item(&mut self, value: &Value, indent: usize) {
        self.indent(indent);
        self.text.push('-');
        match value {
            Value::Object(entries) if !fits(value, indent + 2) || (indent == 0 && !entries.is_empty()) => {
                self.text.push(' ');
                self.entries(entries, indent + 2, true);
            }
            Value::Array(items) if !fits(value, indent + 2) => {
                self.text.push('\n');
                items.iter().for_each(|item| self.item(item, indent + 2));
            }
            _ => self.after_key(value, indent + 2),
        }
    }

    /// As an item, the id first, by which people look for it.
    fn object(&mut self, value: &Value) {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                let id = entries.iter().filter(|(key, _)| *key == "id");
                let others = entries.iter().filter(|(key, _)| *key != "id");
                self.text.push_str("- ");
                self.entries(id.chain(others), 2, true);
            }
            _ => self.item(value, 0),
        }
    }

    /// The entries of a mapping at column `indent`; the first without it if `begun`.
    fn entries<'v>(
        &mut self,
        entries: impl IntoIterator<Item = (&'v String, &'v Value)>,
        indent: usize,
        mut begun: bool,
    ) {
        for (key, value) in entries {
            if !std::mem::take(&mut begun) {
                self.indent(indent);
            }
            let key = scalar(key);
            if key.len() > LONG_KEY {
                self.text.push_str("? ");
                self.text.push_str(&key);
                self.text.push('\n');
                self.indent(indent);
            } else {
                self.text.push_str(&key);
            }
            self.text.push(':');
            match value {
                Value::Object(inner) if !fits(value, indent + key.len() + 2) => {
                    self.text.push('\n');
                    self.entries(inner, indent + 2, false);
                }
                Value::Array(items) if !fits(value, indent + key.len() + 2) => {
                    self.text.push('\n');
                    items.iter().for_each(|item| self.item(item, indent));
                }
                _ => self.after_key(value, indent + 2),
            }
        }
    }

    /// ` value` and the end of the line; a text of several lines follows at column `indent`.
    fn after_key(&mut self, value: &Value, indent: usize) {
        self.text.push(' ');
        match value {
            Value::String(text) if is_block(text) => {
                self.text
                    .push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
                for line in text.lines() {
                    if !line.is_empty() {
                        self.indent(indent);
                    }
                    self.text.push_str(line);
                    self.text.push('\n');
                }
            }
            _ => {
                self.text.push_str(&inline(value));
                self.text.push('\n');
            }
        }
    }
}

/// Whether `value` goes into one line from column `from` on: it is empty, a scalar, a list of scalars, or a mapping of up to
/// four of those.
fn fits(value: &Value, from: usize) -> bool {
    let flat = |value: &Value| match value {
        Value::Array(items) => items.iter().all(is_scalar),
        Value::Object(entries) => entries.is_empty(),
        value => is_scalar(value),
    };
    let small = match value {
        Value::Array(items) => items.iter().all(is_scalar) || items.is_empty(),
        Value::Object(entries) => {
            entries.len() <= 4
                && entries
                    .iter()
                    .all(|(key, value)| key.len() <= LONG_KEY && flat(value))
        }
        _ => true,
    };
    small && (is_empty(value) || from + inline(value).chars().count() <= LINE)
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Array(items) if items.is_empty())
        || matches!(value, Value::Object(entries) if entries.is_empty())
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) => is_empty(value),
        Value::String(text) => !is_block(text),
        _ => true,
    }
}

/// `value` in one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) if entries.is_empty() => "{}".into(),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Whether `text` is written line by line: it has several, all printable, none of which begins or ends with a blank.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let line_fits = |line: &str| !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t']);
    body.contains('\n')
        && !body.starts_with('\n')
        && !body.ends_with('\n')
        && body.split('\n').all(line_fits)
        && body.chars().all(|c| c == '\n' || !needs_escape(c))
}

fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Whether `text` can stand without quotes, in a block, in a line and as a key.
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-./:*+=~^$()@%<>; ".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    // What readers of YAML 1.1 take for a truth value, and times of day, which they take for numbers to the base of 60.
    let old = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    ) || text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'_'))
        && text.bytes().filter(|byte| *byte == b'.').count() < 3;
    let dated = text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    begins
        && text.len() <= LINE
        && text.chars().all(inside)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !old
        && !dated
        && matches!(scalar::plain(text), Ok(Meaning::Text))
}

/// `text` in double quotes, in one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !needs_escape(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Characters that are not printable (YAML 1.2.2 §5.1), break lines, or cannot be seen.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
}
