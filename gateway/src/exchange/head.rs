//! Writes a request head into a buffer that is used again for the next one. Nothing else is allocated.
//!
//! What could change where the request ends (line breaks in a value, a second length) is refused, not repaired.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, header};

use super::RequestFault;

/// How the request body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// No body. POST, PUT and PATCH say `content-length: 0` (RFC 9110 section 8.6).
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Any number of bytes, in chunks.
    Chunked,
}

/// A request head being written: request line first, then fields, then [`finish`](Self::finish).
///
/// `Host` is the caller's to write, once. Hop-by-hop fields of the client are the caller's to leave out.
#[derive(Debug)]
#[must_use = "a head without finish() is not complete"]
pub struct HeadWriter<'a> {
    out: &'a mut BytesMut,
    names_length: bool,
    closes: bool,
}

impl<'a> HeadWriter<'a> {
    /// Writes `METHOD target HTTP/1.1`. The target is origin-form or `*`, without spaces and control bytes; bytes above
    /// 0x7f pass, as servers behind gateways are used to get them.
    pub fn begin(out: &'a mut BytesMut, method: &Method, target: &[u8]) -> Result<Self, RequestFault> {
        if method == Method::CONNECT {
            return Err(RequestFault::Connect);
        }
        if !(target.first() == Some(&b'/') || target == b"*")
            || target
                .iter()
                .fold(false, |bad, &b| bad | (b <= b' ') | (b == 0x7f))
        {
            return Err(RequestFault::Target);
        }
        let name = method.as_str().as_bytes();
        out.reserve(name.len() + target.len() + 256);
        out.extend_from_slice(name);
        out.extend_from_slice(b" ");
        out.extend_from_slice(target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let names_length = *method == Method::POST || *method == Method::PUT || *method == Method::PATCH;
        Ok(Self {
            out,
            names_length,
            closes: false,
        })
    }

    /// Writes one field. `Content-Length` and `Transfer-Encoding` are refused: the body's kind writes them.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), RequestFault> {
        if name.is_empty() || !name.iter().fold(true, |good, &b| good & TOKEN[b as usize]) {
            return Err(RequestFault::FieldName);
        }
        if !is_field_value(value) {
            return Err(RequestFault::FieldValue);
        }
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => self.closes |= says_close(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => return Err(RequestFault::FramingField),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return Err(RequestFault::FramingField),
            _ => {}
        }
        self.write(name, value);
        Ok(())
    }

    /// The same for a field whose name and value the `http` crate has checked: only what its types leave open is looked at.
    pub fn field(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), RequestFault> {
        let value = value.as_bytes();
        if !is_field_value(value) {
            return Err(RequestFault::FieldValue);
        }
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
            return Err(RequestFault::FramingField);
        }
        self.closes |= name == header::CONNECTION && says_close(value);
        self.write(name.as_str().as_bytes(), value);
        Ok(())
    }

    /// Writes fields that were written before.
    pub fn block(&mut self, fields: &FieldBlock) {
        self.out.extend_from_slice(&fields.0);
    }

    fn write(&mut self, name: &[u8], value: &[u8]) {
        self.out.reserve(name.len() + value.len() + 4);
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Writes the framing field and the empty line. Says whether the request asked the server to close.
    pub fn finish(self, body: RequestBody) -> AskedToClose {
        let length = match body {
            RequestBody::None if self.names_length => Some(0),
            RequestBody::None => None,
            RequestBody::Length(length) => Some(length),
            RequestBody::Chunked => {
                self.out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                None
            }
        };
        if let Some(length) = length {
            self.out.extend_from_slice(b"content-length: ");
            self.out
                .extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
        AskedToClose(self.closes)
    }
}

/// Fields that are written once and go out in several heads. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldBlock(Bytes);

impl FieldBlock {
    /// The fields that `fields` writes. What asks the server to close has no effect here.
    pub fn new(
        fields: impl FnOnce(&mut HeadWriter<'_>) -> Result<(), RequestFault>,
    ) -> Result<Self, RequestFault> {
        let mut out = BytesMut::with_capacity(256);
        fields(&mut HeadWriter {
            out: &mut out,
            names_length: false,
            closes: false,
        })?;
        Ok(Self(out.freeze()))
    }
}

/// No control byte but the tab (RFC 9110 section 5.5).
fn is_field_value(value: &[u8]) -> bool {
    !value
        .iter()
        .fold(false, |bad, &b| bad | ((b < b' ') & (b != b'\t')) | (b == 0x7f))
}

/// The request carried `Connection: close`, so the connection ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedToClose(pub bool);

fn says_close(value: &[u8]) -> bool {
    value
        .split(|&b| b == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The bytes of a token (RFC 9110 section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn head(method: Method, fields: &[(&str, &str)], body: RequestBody) -> Result<String, RequestFault> {
        let mut out = BytesMut::new();
        let mut head = HeadWriter::begin(&mut out, &method, b"/a?b=c")?;
        for (name, value) in fields {
            head.header(name.as_bytes(), value.as_bytes())?;
        }
        head.finish(body);
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn the_body_kind_writes_exactly_one_framing_field_or_none() {
        let cases = [
            (Method::GET, RequestBody::None, "GET /a?b=c HTTP/1.1\r\n\r\n"),
            (
                Method::DELETE,
                RequestBody::None,
                "DELETE /a?b=c HTTP/1.1\r\n\r\n",
            ),
            (
                Method::POST,
                RequestBody::None,
                "POST /a?b=c HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                Method::PUT,
                RequestBody::None,
                "PUT /a?b=c HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                Method::PATCH,
                RequestBody::None,
                "PATCH /a?b=c HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                Method::GET,
                RequestBody::Length(u64::MAX),
                "GET /a?b=c HTTP/1.1\r\ncontent-length: 18446744073709551615\r\n\r\n",
            ),
            (
                Method::POST,
                RequestBody::Chunked,
                "POST /a?b=c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            ),
        ];
        for (method, body, text) in cases {
            assert_eq!(head(method, &[], body).unwrap(), text);
        }
    }

    #[test]
    fn fields_are_written_as_given() {
        let text = head(
            Method::GET,
            &[("Host", "a:1"), ("x-é".trim_end_matches('é'), "\tü ")],
            RequestBody::None,
        );
        assert_eq!(
            text.unwrap(),
            "GET /a?b=c HTTP/1.1\r\nHost: a:1\r\nx-: \tü \r\n\r\n"
        );
    }

    #[test]
    fn whatever_could_end_a_line_or_the_body_elsewhere_is_refused() {
        use RequestFault::*;
        for byte in (0u8..=255).filter(|b| (*b < 32 && *b != 9) || *b == 127) {
            let mut out = BytesMut::new();
            let mut head = HeadWriter::begin(&mut out, &Method::GET, b"/").unwrap();
            assert_eq!(head.header(b"a", &[b'x', byte, b'y']), Err(FieldValue), "{byte}");
            assert_eq!(head.header(&[b'x', byte], b""), Err(FieldName), "{byte}");
            let target = [b'/', byte];
            assert!(
                HeadWriter::begin(&mut BytesMut::new(), &Method::GET, &target).is_err(),
                "{byte}"
            );
        }
        for name in ["", "a b", "a:", "ü", "(", "\""] {
            assert_eq!(
                head(Method::GET, &[(name, "v")], RequestBody::None),
                Err(FieldName),
                "{name}"
            );
        }
        for name in ["content-length", "Content-LENGTH", "Transfer-Encoding"] {
            assert_eq!(
                head(Method::GET, &[(name, "5")], RequestBody::None),
                Err(FramingField),
                "{name}"
            );
        }
        for target in ["", "a", "/a b", "http://x/", "/\u{7f}", "**", "x:443"] {
            let begun = HeadWriter::begin(&mut BytesMut::new(), &Method::GET, target.as_bytes()).err();
            assert_eq!(begun, Some(Target), "{target}");
        }
        let connect = HeadWriter::begin(&mut BytesMut::new(), &Method::CONNECT, b"/").err();
        assert_eq!(connect, Some(Connect));
    }

    #[test]
    fn asking_the_server_to_close_is_noticed() {
        for (value, closes) in [
            ("close", true),
            ("keep-alive", false),
            ("x , Close", true),
            ("closed", false),
        ] {
            let mut out = BytesMut::new();
            let mut head = HeadWriter::begin(&mut out, &Method::GET, b"*").unwrap();
            head.header(b"Connection", value.as_bytes()).unwrap();
            assert_eq!(head.finish(RequestBody::None), AskedToClose(closes), "{value}");
        }
    }
}
