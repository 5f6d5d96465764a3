//! A request's path, cut at its slashes only as far as a walk asks.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use meta::pattern::MAX_SEGMENTS;

/// The first segments of a path. Each is cut and hashed once, when first asked for, however often a walk comes back to it;
/// no pattern looks further than [`MAX_SEGMENTS`] deep, so neither does this, however long the path.
pub(super) struct Segments<'p> {
    path: &'p str,
    known: [Known; MAX_SEGMENTS + 1],
    count: usize,
    /// Where the first segment that is not known begins; none when the last one is known.
    next: Option<usize>,
}

#[derive(Clone, Copy)]
struct Known {
    start: usize,
    end: usize,
    hash: u64,
}

impl<'p> Segments<'p> {
    /// A text that does not begin with `/` has no segments.
    pub(super) fn new(path: &'p str) -> Self {
        let known = [Known {
            start: 0,
            end: 0,
            hash: 0,
        }; MAX_SEGMENTS + 1];
        Segments {
            path,
            known,
            count: 0,
            next: path.starts_with('/').then_some(1),
        }
    }

    /// The segment behind `depth` others and its hash; nothing if the path ends before. First asked for in rising order.
    pub(super) fn get(&mut self, depth: usize, hasher: &RandomState) -> Option<(&'p str, u64)> {
        if depth == self.count {
            self.cut(hasher);
        }
        (depth < self.count).then(|| (self.text(depth), self.known[depth].hash))
    }

    /// The text of a segment that was asked for before.
    pub(super) fn text(&self, depth: usize) -> &'p str {
        let known = &self.known[depth];
        &self.path[known.start..known.end]
    }

    /// From a segment that was asked for before to the end of the path.
    pub(super) fn rest(&self, depth: usize) -> &'p str {
        &self.path[self.known[depth].start..]
    }

    fn cut(&mut self, hasher: &RandomState) {
        let (Some(start), Some(known)) = (self.next, self.known.get_mut(self.count)) else {
            return;
        };
        let rest = &self.path.as_bytes()[start..];
        let slash = memchr::memchr(b'/', rest);
        let length = slash.unwrap_or(rest.len());
        *known = Known {
            start,
            end: start + length,
            hash: text_hash(hasher, &rest[..length]),
        };
        self.next = slash.map(|slash| start + slash + 1);
        self.count += 1;
    }
}

/// The hash of a segment's text.
pub(super) fn text_hash(hasher: &RandomState, text: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(text);
    hasher.finish()
}
