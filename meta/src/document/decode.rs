//! From a raw value to a type, with everything that is wrong with it, not only the first.
//!
//! serde stops at its first error. So the culprit is taken out of a copy and the copy is read again, until it can be read or
//! there is nothing left to take out. What is wrong only because something was taken out is not reported. Limits: of several
//! keys that are missing in one mapping only the first is named, and at most 64 flaws of one value are.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::phrase;

const MAX_FLAWS: usize = 64;

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where in the value (RFC 6901). A key that is missing is a flaw of the mapping it is missing from.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The character (from 0) of the text at `pointer` that is wrong, if the flaw is of one.
    pub offset: Option<usize>,
    /// Whether the value at `pointer` is wrong, or its key.
    pub subject: Subject,
}

impl Flaw {
    /// One of the whole value at `pointer`.
    pub fn of_value(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            offset: None,
            subject: Subject::Value,
        }
    }
}

/// What a flaw is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The value.
    Value,
    /// The key, which should not be there.
    Key,
}

/// Reads `value` as a `T`, or tells all that is wrong with it; at least one flaw.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Vec<Flaw>> {
    // Following the path costs an allocation per key, so that is done only when there is something to find.
    match T::deserialize(value) {
        Ok(typed) => Ok(typed),
        Err(error) => Err(Search::new(value).run::<T>(&error)),
    }
}

struct Search {
    rest: Value,
    flaws: Vec<Flaw>,
    /// Pointers (into the whole value) of values that were taken out.
    taken: HashSet<String>,
    /// Keys that were probably meant by unknown ones, as pointers.
    meant: HashSet<String>,
    /// For lists that items were taken out of: which items are left.
    left: HashMap<String, Vec<usize>>,
}

/// A place in what is left, and the same place in the whole.
struct Spot {
    here: Vec<String>,
    whole: String,
}

impl Search {
    fn new(value: &Value) -> Self {
        Self {
            rest: value.clone(),
            flaws: Vec::new(),
            taken: HashSet::new(),
            meant: HashSet::new(),
            left: HashMap::new(),
        }
    }

    fn run<T: DeserializeOwned>(mut self, first: &serde_json::Error) -> Vec<Flaw> {
        for _ in 0..MAX_FLAWS * 2 {
            let Err(error) = serde_path_to_error::deserialize::<_, T>(&self.rest) else {
                break;
            };
            let message = error.inner().to_string();
            if self.flaws.len() == MAX_FLAWS || !self.note(error.path(), &message) {
                break;
            }
        }
        if self.flaws.is_empty() {
            self.flag(
                String::new(),
                phrase::of_serde(&first.to_string(), &self.rest),
                Subject::Value,
            );
        }
        self.flaws
    }

    /// Notes the error and takes the culprit out; `false` if that is the whole value.
    fn note(&mut self, path: &Path, message: &str) -> bool {
        let spot = self.spot(path);
        if let Some(key) = spot.here.last()
            && let Some((message, meant)) = phrase::of_unknown_key(message, key)
        {
            let around = &spot.whole[..spot.whole.rfind('/').unwrap_or(0)];
            self.meant
                .extend(meant.map(|meant| format!("{around}{}", phrase::pointer_token(&meant))));
            self.flag(spot.whole.clone(), message, Subject::Key);
            return self.take_out(&spot);
        }
        let consequence = match phrase::between(message, "missing field `", "`") {
            Some(field) => {
                let missing = format!("{}{}", spot.whole, phrase::pointer_token(field));
                self.taken.contains(&missing) || self.meant.contains(&missing)
            }
            None => {
                let inside = format!("{}/", spot.whole);
                let mut gone = self.taken.iter().chain(&self.meant);
                gone.any(|gone| gone.starts_with(&inside))
            }
        };
        if !consequence {
            let found = self.at(&spot.here).cloned().unwrap_or(Value::Null);
            self.flag(
                spot.whole.clone(),
                phrase::of_serde(message, &found),
                Subject::Value,
            );
        }
        self.taken.insert(spot.whole.clone());
        self.take_out(&spot)
    }

    fn flag(&mut self, pointer: String, message: String, subject: Subject) {
        self.flaws.push(Flaw {
            offset: offset_of(&message),
            pointer,
            message,
            subject,
        });
    }

    /// As far along `path` as it leads through the value.
    fn spot(&self, path: &Path) -> Spot {
        let mut spot = Spot {
            here: Vec::new(),
            whole: String::new(),
        };
        let mut value = &self.rest;
        for segment in path {
            let (token, inner) = match (segment, value) {
                (Segment::Seq { index }, Value::Array(items)) => (index.to_string(), items.get(*index)),
                (Segment::Map { key } | Segment::Enum { variant: key }, Value::Object(entries)) => {
                    (key.clone(), entries.get(key))
                }
                _ => break,
            };
            let Some(inner) = inner else { break };
            let index: usize = token.parse().unwrap_or_default();
            let original = match self.left.get(&spot.whole) {
                Some(left) => left.get(index).unwrap_or(&index).to_string(),
                None => token.clone(),
            };
            spot.whole.push_str(&phrase::pointer_token(&original));
            spot.here.push(token);
            value = inner;
        }
        spot
    }

    fn at(&self, tokens: &[String]) -> Option<&Value> {
        tokens.iter().try_fold(&self.rest, |value, token| match value {
            Value::Array(items) => items.get(token.parse::<usize>().ok()?),
            Value::Object(entries) => entries.get(token),
            _ => None,
        })
    }

    fn take_out(&mut self, spot: &Spot) -> bool {
        let Some((last, around)) = spot.here.split_last() else {
            return false;
        };
        let around = around
            .iter()
            .try_fold(&mut self.rest, |value, token| match value {
                Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
                Value::Object(entries) => entries.get_mut(token),
                _ => None,
            });
        match (around, last.parse::<usize>()) {
            (Some(Value::Object(entries)), _) => entries.shift_remove(last).is_some(),
            (Some(Value::Array(items)), Ok(index)) if index < items.len() => {
                let pointer = spot.whole[..spot.whole.rfind('/').unwrap_or(0)].to_owned();
                let length = items.len();
                items.remove(index);
                self.left
                    .entry(pointer)
                    .or_insert_with(|| (0..length).collect())
                    .remove(index);
                true
            }
            _ => false,
        }
    }
}

/// The 5 of a message that ends with ` at character 6`.
fn offset_of(message: &str) -> Option<usize> {
    let (_, number) = message.rsplit_once(" at character ")?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
