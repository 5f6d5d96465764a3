//! Reads an answer: its head must say 200, its body has a `Content-Length` or is chunked.

use std::io;

/// A body that is being read.
pub(crate) struct Body {
    left: Left,
    /// Bytes of the body so far, without framing.
    length: usize,
}

/// What is still to come.
enum Left {
    Bytes(usize),
    /// The line with a chunk's size, whose digits so far make this number.
    Size(usize),
    /// So much of a chunk, then its line's end.
    Chunk(usize),
    /// So much of the line's end after a chunk; the last one (`Last`) ends the body.
    LineEnd(usize),
    Last(usize),
}

impl Body {
    /// Where the head ends and what body follows; `None` while the head is incomplete.
    pub(crate) fn after_head(bytes: &[u8]) -> io::Result<Option<(usize, Self)>> {
        let mut space = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut space);
        let httparse::Status::Complete(end) = head.parse(bytes).map_err(io::Error::other)? else {
            return Ok(None);
        };
        if head.code != Some(200) {
            return Err(io::Error::other(format!("status {}", head.code.unwrap_or(0))));
        }
        let field = |name: &str| {
            let mut fields = head.headers.iter();
            let found = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        let left = match field("content-length").map(str::parse) {
            Some(Ok(length)) => Left::Bytes(length),
            _ if field("transfer-encoding") == Some("chunked") => Left::Size(0),
            _ => return Err(io::Error::other("neither content-length nor chunked")),
        };
        Ok(Some((end, Self { left, length: 0 })))
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.left, Left::Bytes(0) | Left::Last(0))
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Takes the next bytes; the body's own go to `sink`.
    pub(crate) fn take(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.is_done() {
                return Err(io::Error::other("surplus bytes"));
            }
            match &mut self.left {
                Left::Bytes(left) | Left::Chunk(left) => {
                    let (body, rest) = bytes.split_at(bytes.len().min(*left));
                    sink(body);
                    self.length += body.len();
                    *left -= body.len();
                    if let Left::Chunk(0) = self.left {
                        self.left = Left::LineEnd(2);
                    }
                    bytes = rest;
                    continue;
                }
                Left::Size(size) => match first {
                    b'\r' => {}
                    b'\n' if *size == 0 => self.left = Left::Last(2),
                    b'\n' => self.left = Left::Chunk(*size),
                    digit => {
                        let digit = char::from(digit).to_digit(16);
                        let digit = digit.ok_or_else(|| io::Error::other("no size of a chunk"))?;
                        *size = *size * 16 + digit as usize;
                    }
                },
                Left::LineEnd(1) => self.left = Left::Size(0),
                Left::LineEnd(left) | Left::Last(left) => *left -= 1,
            }
            bytes = rest;
        }
        Ok(())
    }
}
