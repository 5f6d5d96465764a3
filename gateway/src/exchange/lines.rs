//! Finds the end of a head or a trailer section as bytes arrive, looking at each byte once.
//!
//! A line ends in CR LF. A bare LF is refused here because later parsers would take it for a line end, and a server that
//! writes one disagrees with somebody about where its head stops (RFC 9112 section 2.2 allows the tolerance, we do not use it).

use super::Malformed;

/// Where the search stands in a buffer that only grows at its end.
#[derive(Debug, Default)]
pub(super) struct LineScan {
    seen: usize,
    line: usize,
}

impl LineScan {
    /// The length of the section up to and including its empty line, `None` while that line is not here.
    /// `too_long` when the section does not end within `limit` bytes.
    pub(super) fn end(
        &mut self,
        input: &[u8],
        limit: usize,
        too_long: Malformed,
    ) -> Result<Option<usize>, Malformed> {
        let window = &input[..input.len().min(limit)];
        while let Some(offset) = memchr::memchr(b'\n', &window[self.seen..]) {
            let at = self.seen + offset;
            if at == self.line || window[at - 1] != b'\r' {
                return Err(Malformed::BareLineFeed);
            }
            let empty = at == self.line + 1;
            self.seen = at + 1;
            self.line = at + 1;
            if empty {
                *self = Self::default();
                return Ok(Some(at + 1));
            }
        }
        self.seen = window.len();
        if input.len() >= limit {
            Err(too_long)
        } else {
            Ok(None)
        }
    }
}
