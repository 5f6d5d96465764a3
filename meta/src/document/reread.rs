//! Reading a text again after a small change, in time that hardly grows with the text.
//!
//! What is the same at the beginning and at the end of both texts is found by comparing bytes. Between the last object that
//! begins before the change and the first that begins after it, the text is read as a list of its own; all other objects are
//! taken over, at most some lines further up or down. This holds for lists in block style only, and only if both the text before
//! and the part between are without fault and without aliases; in every other case the whole text is read. So the outcome
//! is always the one of [`Document::read`], which a property test says too.

use std::collections::HashMap;

use super::{Document, MAX_BYTES, RawObject, place::Placed};
use crate::model::Kind;

impl Document {
    /// As [`Document::read`] of `text`, if `self` is what was read of `before`. Objects that are the same are shared.
    pub fn reread(&self, before: &str, text: &str) -> Self {
        self.patch(before, text).unwrap_or_else(|| {
            let mut document = Self::read(text);
            share(&self.objects, &mut document.objects);
            document
        })
    }

    fn patch(&self, before: &str, text: &str) -> Option<Self> {
        if !self.complete || self.aliased || !self.problems.is_empty() || !self.broken.is_empty() {
            return None;
        }
        let (old, new) = (before.as_bytes(), text.as_bytes());
        // A lone carriage return is a line break too, which would not be counted below.
        if new.len() > MAX_BYTES || old.contains(&b'\r') || new.contains(&b'\r') {
            return None;
        }
        let head = same(old.iter().zip(new));
        let tail = same(old[head..].iter().rev().zip(new[head..].iter().rev()));
        let line = 1 + lines(&old[..head]);
        let last_line = line + lines(&old[head..old.len() - tail]);

        let first = self.last_begun(old, head, line)?;
        let kind = self.objects[first.index].kind;
        let after = self
            .objects
            .partition_point(|object| line_of(object) <= last_line);
        let end = match self.objects.get(after) {
            None => 0,
            Some(next) if next.kind != kind => return None,
            Some(next) => {
                let gap = line_of(next).checked_sub(last_line)?;
                let start = nth_line(&old[old.len() - tail..], gap)?;
                begins_item(&old[old.len() - tail + start..], next)?;
                tail - start
            }
        };
        let between = text.get(first.offset..new.len() - end)?;
        let mut objects = read_items(kind, between, first.line)?;
        share(&self.objects[first.index..after], &mut objects);

        let moved = lines(new) as i64 - lines(old) as i64;
        let mut document = Self {
            complete: true,
            collections: self.collections,
            ..Self::default()
        };
        document.objects.reserve(self.objects.len() + objects.len());
        document.objects.extend_from_slice(&self.objects[..first.index]);
        document.objects.extend(objects);
        document
            .objects
            .extend(self.objects[after..].iter().map(|object| object.moved_by(moved)));
        Some(document)
    }

    /// The last object that has certainly begun in the `head` bytes that are the same, which end in line `line`.
    fn last_begun(&self, old: &[u8], head: usize, line: usize) -> Option<Begin> {
        let begun = self.objects.partition_point(|object| line_of(object) <= line);
        // Objects of a line, or of a list in braces, would not be in order or not begin a line.
        for index in (begun.saturating_sub(2)..begun).rev() {
            let object = &self.objects[index];
            let offset = line_start(&old[..head], line.checked_sub(line_of(object))?)?;
            if begins_item(&old[offset..head], object).is_some() {
                return Some(Begin {
                    index,
                    offset,
                    line: line_of(object),
                });
            }
        }
        None
    }
}

/// Where an object begins.
struct Begin {
    index: usize,
    offset: usize,
    line: usize,
}

impl RawObject {
    fn moved_by(&self, lines: i64) -> Self {
        let node = self.node.as_ref().map(|placed| Placed {
            moved: placed.moved + lines,
            ..placed.clone()
        });
        Self { node, ..self.clone() }
    }
}

/// Puts the values of `old` in the place of equal ones in `new`.
fn share(old: &[RawObject], new: &mut [RawObject]) {
    let old: HashMap<(Kind, &str), &RawObject> = old
        .iter()
        .map(|object| ((object.kind, &*object.id), object))
        .collect();
    for object in new {
        if let Some(same) = old
            .get(&(object.kind, &*object.id))
            .filter(|old| old.value == object.value)
        {
            object.value = same.value.clone();
            if let Some(placed) = &mut object.node {
                placed.value = same.value.clone();
            }
        }
    }
}

/// Reads `text`, the items of a list of `kind` from line `line` on, if it is that and without fault.
fn read_items(kind: Kind, text: &str, line: usize) -> Option<Vec<RawObject>> {
    // These end a document wherever they stand; what follows is not read in this place.
    if text
        .lines()
        .any(|line| line.starts_with("---") || line.starts_with("...") || line.starts_with('%'))
    {
        return None;
    }
    let document = Document::read(&format!("{kind}:\n{text}"));
    let sound =
        document.complete && document.problems.is_empty() && document.broken.is_empty() && !document.aliased;
    if !sound || document.collections != 1 {
        return None;
    }
    let moved = i64::try_from(line).ok()? - 2;
    Some(
        document
            .objects
            .iter()
            .map(|object| object.moved_by(moved))
            .collect(),
    )
}

fn same<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    pairs.take_while(|(one, other)| one == other).count()
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn line_of(object: &RawObject) -> usize {
    object.node.as_ref().map_or(0, |placed| placed.start().line)
}

/// The offset of the line that stands `up` lines above the end of `text`.
fn line_start(text: &[u8], up: usize) -> Option<usize> {
    let mut end = text.len();
    for _ in 0..up {
        end = text[..end].iter().rposition(|byte| *byte == b'\n')?;
    }
    Some(
        text[..end]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1),
    )
}

/// The offset behind the `count`th end of a line.
fn nth_line(text: &[u8], count: usize) -> Option<usize> {
    let mut ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(count.checked_sub(1)?).map(|(at, _)| at + 1)
}

/// Whether `line` begins `object` as an item in block style: blanks, `-`, blanks, the object.
fn begins_item(line: &[u8], object: &RawObject) -> Option<()> {
    let column = object.node.as_ref()?.start().column;
    let marker = line.get(..column.checked_sub(1)?)?.trim_ascii();
    (marker == b"-" && !line.starts_with(b"\t")).then_some(())
}

#[cfg(test)]
#[path = "reread_tests.rs"]
mod tests;
