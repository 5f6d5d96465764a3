//! Values: what a condition or a template can ask of a request, such as `header.x-user` or `body.items.0.id`.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use http::HeaderName;

use super::cursor::{Cursor, is_name_character};
use super::error::{SyntaxError, quote};
use super::text_form::written_as_text;

/// One thing to ask of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `header.NAME`: a request header.
    Header(HeaderName),
    /// `cookie.NAME`: a cookie of the request.
    Cookie(Box<str>),
    /// `query.NAME`: one parameter of the query string, decoded.
    Query(Box<str>),
    /// `param.NAME`: what a `{NAME}` of the route's path matched.
    Param(Box<str>),
    /// `body.PATH`: a part of the request's JSON body; at least one step.
    Body(Box<[Step]>),
    /// `node.NAME.PATH`: a part of the answer of an aggregation's node; no step means the whole answer.
    Node {
        /// The node's name.
        name: Box<str>,
        /// The way into its answer.
        path: Box<[Step]>,
    },
    /// `method`: the request method, in capitals as sent.
    Method,
    /// `host`: the host asked for, lower case, without port.
    Host,
    /// `path`: the whole path, percent-encoded.
    Path,
    /// `query`: the whole query string as sent, without `?`.
    QueryString,
    /// `client_ip`: the address of the client.
    ClientIp,
    /// `scheme`: `http` or `https`.
    Scheme,
}

/// One step into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The member of an object: a name, or anything in quotes.
    Member(Box<str>),
    /// The item of an array, counted from 0: digits without quotes.
    Index(usize),
}

/// What answers for a [`Value`]: a request, or a request with the nodes' answers so far.
pub trait Values {
    /// The value's text, or `None` if the request does not have it. A JSON string is its characters, any other JSON value
    /// its spelling. A parameter is percent-decoded, except a tail (see [`Values::param_is_tail`]).
    fn text<'a>(&'a self, value: &Value) -> Option<Cow<'a, str>>;

    /// The client's address, for comparing it with networks.
    fn client_ip(&self) -> IpAddr;

    /// Whether this parameter is the tail of a path (`{rest*}`). The text of a tail stays percent-encoded, as in the
    /// normalised path, so that an encoded slash and a slash remain two things.
    fn param_is_tail(&self, name: &str) -> bool {
        let _ = name;
        false
    }
}

/// How each value begins, for suggestions.
const ROOTS: [&str; 11] = [
    "header",
    "cookie",
    "query",
    "param",
    "body",
    "node",
    "method",
    "host",
    "path",
    "client_ip",
    "scheme",
];

impl Value {
    /// Reads a text that is one value and nothing else.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(text);
        cursor.skip_space();
        let value = Self::read(&mut cursor)?;
        let end = cursor.offset();
        cursor.skip_space();
        if cursor.rest().is_empty() {
            return Ok(value);
        }
        Err(cursor.fail(format!("expected nothing after {}", quote(text[..end].trim()))))
    }

    /// Reads the value that comes next; what follows it is the caller's.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let start = cursor.offset();
        let root = cursor.name();
        let value = match root {
            "header" => Self::Header(header_name(cursor)?),
            "cookie" => Self::Cookie(name(cursor, root)?),
            "query" if cursor.peek() == Some('.') => Self::Query(name(cursor, root)?),
            "query" => Self::QueryString,
            "param" => Self::Param(name(cursor, root)?),
            "body" => Self::Body(body_path(cursor)?),
            "node" => Self::Node {
                name: name(cursor, root)?,
                path: steps(cursor)?,
            },
            "method" => Self::Method,
            "host" => Self::Host,
            "path" => Self::Path,
            "client_ip" => Self::ClientIp,
            "scheme" => Self::Scheme,
            _ => return Err(cursor.fail_at(start, unknown(root))),
        };
        if cursor.peek() == Some('.') {
            return Err(cursor.fail(no_more_names(root)));
        }
        Ok(value)
    }
}

/// The name after a root: `.x-user` or `."x user"`.
fn name(cursor: &mut Cursor<'_>, root: &str) -> Result<Box<str>, SyntaxError> {
    let dot = cursor.eat(".");
    let start = cursor.offset();
    let name = match cursor.peek() {
        Some('"' | '\'') if dot => cursor.quoted()?,
        _ if dot => cursor.name().to_owned(),
        _ => String::new(),
    };
    if name.is_empty() {
        return Err(cursor.fail_at(
            start,
            format!(
                "expected a name after \"{root}\", like `{root}.{}`",
                example(root)
            ),
        ));
    }
    Ok(name.into())
}

fn header_name(cursor: &mut Cursor<'_>) -> Result<HeaderName, SyntaxError> {
    let start = cursor.offset() + 1;
    let name = name(cursor, "header")?;
    let misfit = |_| {
        cursor.fail_at(
            start,
            format!("expected the name of a header, which {} cannot be", quote(&name)),
        )
    };
    HeaderName::from_bytes(name.as_bytes()).map_err(misfit)
}

fn body_path(cursor: &mut Cursor<'_>) -> Result<Box<[Step]>, SyntaxError> {
    let path = steps(cursor)?;
    if path.is_empty() {
        return Err(cursor.fail("expected a name after \"body\", like `body.user.id`"));
    }
    Ok(path)
}

/// As many `.member`, `.0` and `."a member"` as there are.
fn steps(cursor: &mut Cursor<'_>) -> Result<Box<[Step]>, SyntaxError> {
    let mut steps = Vec::new();
    while cursor.eat(".") {
        steps.push(match cursor.peek() {
            Some('"' | '\'') => Step::Member(cursor.quoted()?.into()),
            _ => step(cursor)?,
        });
    }
    Ok(steps.into())
}

fn step(cursor: &mut Cursor<'_>) -> Result<Step, SyntaxError> {
    let name = cursor.name();
    if name.is_empty() {
        return Err(cursor.fail("expected the name of a member or the number of an item after \".\""));
    }
    Ok(index(name).map_or_else(|| Step::Member(name.into()), Step::Index))
}

/// Digits without leading zeros, which is how an index is written.
fn index(name: &str) -> Option<usize> {
    let index = name.parse().ok()?;
    (name == "0" || !name.starts_with('0')).then_some(index)
}

fn example(root: &str) -> &'static str {
    match root {
        "header" => "x-user",
        "cookie" => "group",
        "param" => "id",
        "node" => "user.id",
        _ => "name",
    }
}

fn unknown(root: &str) -> String {
    if root.is_empty() {
        return "expected a value, like `header.x-user` or `path`".to_owned();
    }
    let likeness = |known: &&str| strsim::jaro_winkler(known, root);
    let closest = ROOTS
        .into_iter()
        .filter(|known| likeness(known) > 0.8)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match closest {
        Some(known) => format!(
            "expected a value instead of {}, did you mean `{known}`",
            quote(root)
        ),
        None => format!(
            "expected a value instead of {}: one of `{}`",
            quote(root),
            ROOTS.join("`, `")
        ),
    }
}

fn no_more_names(root: &str) -> String {
    match root {
        "header" | "cookie" | "query" | "param" => {
            format!("expected a name with dots to be in quotes, like `{root}.\"a.b\"`")
        }
        _ => format!("expected no name after \"{root}\""),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header.{}", Name(name.as_str())),
            Self::Cookie(name) => write!(f, "cookie.{}", Name(name)),
            Self::Query(name) => write!(f, "query.{}", Name(name)),
            Self::Param(name) => write!(f, "param.{}", Name(name)),
            Self::Body(path) => write!(f, "body{}", Path(path)),
            Self::Node { name, path } => write!(f, "node.{}{}", Name(name), Path(path)),
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
            Self::Path => f.write_str("path"),
            Self::QueryString => f.write_str("query"),
            Self::ClientIp => f.write_str("client_ip"),
            Self::Scheme => f.write_str("scheme"),
        }
    }
}

/// A name as it is written: in quotes where it has to be.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(is_name_character) {
            return f.write_str(self.0);
        }
        write_quoted(f, self.0)
    }
}

/// The steps of a path as they are written, each after its dot.
struct Path<'a>(&'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.0 {
            f.write_str(".")?;
            match step {
                Step::Index(index) => write!(f, "{index}")?,
                Step::Member(name) if index(name).is_some() => write_quoted(f, name)?,
                Step::Member(name) => write!(f, "{}", Name(name))?,
            }
        }
        Ok(())
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

written_as_text!(
    Value,
    "Something a request has: header.NAME, cookie.NAME, query.NAME, param.NAME, body.PATH, node.NAME.PATH, method, host, \
     path, query, client_ip or scheme. A name with other characters than letters, digits, - and _ is quoted: cookie.\"a.b\".",
    examples: ["client_ip", "header.x-user", "body.user.id"]
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let member = |name: &str| Step::Member(name.into());
        for (text, value) in [
            ("header.X-User", Value::Header(HeaderName::from_static("x-user"))),
            ("cookie.a_b-1", Value::Cookie("a_b-1".into())),
            ("cookie.\"a.b\"", Value::Cookie("a.b".into())),
            ("cookie.'it\\'s \"x\"'", Value::Cookie("it's \"x\"".into())),
            ("query", Value::QueryString),
            ("query.in", Value::Query("in".into())),
            ("query.\"x y\"", Value::Query("x y".into())),
            ("param.id", Value::Param("id".into())),
            (
                "body.items.0.id",
                Value::Body([member("items"), Step::Index(0), member("id")].into()),
            ),
            (
                "body.\"0\".007.\"\"",
                Value::Body([member("0"), member("007"), member("")].into()),
            ),
            (
                "node.user",
                Value::Node {
                    name: "user".into(),
                    path: [].into(),
                },
            ),
            (
                "node.user.level",
                Value::Node {
                    name: "user".into(),
                    path: [member("level")].into(),
                },
            ),
            ("method", Value::Method),
            ("host", Value::Host),
            ("path", Value::Path),
            ("client_ip", Value::ClientIp),
            (" scheme ", Value::Scheme),
        ] {
            assert_eq!(Value::parse(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_told_where_and_why() {
        for (text, error) in [
            (
                "",
                "expected a value, like `header.x-user` or `path` at character 1",
            ),
            (
                "headr.x",
                "expected a value instead of \"headr\", did you mean `header` at character 1",
            ),
            (
                "clientip",
                "expected a value instead of \"clientip\", did you mean `client_ip` at character 1",
            ),
            (
                "header",
                "expected a name after \"header\", like `header.x-user` at character 7",
            ),
            (
                "header.",
                "expected a name after \"header\", like `header.x-user` at character 8",
            ),
            (
                "cookie.\"\"",
                "expected a name after \"cookie\", like `cookie.group` at character 8",
            ),
            (
                "query.",
                "expected a name after \"query\", like `query.name` at character 7",
            ),
            (
                "body",
                "expected a name after \"body\", like `body.user.id` at character 5",
            ),
            (
                "body.a..b",
                "expected the name of a member or the number of an item after \".\" at character 8",
            ),
            (
                "header.\"x y\"",
                "expected the name of a header, which \"x y\" cannot be at character 8",
            ),
            (
                "param.a.b",
                "expected a name with dots to be in quotes, like `param.\"a.b\"` at character 8",
            ),
            ("method.x", "expected no name after \"method\" at character 7"),
            (
                "query.\"é",
                "expected a closing `\"` for the text that starts at character 7",
            ),
            (
                "cookie.\"é\" x",
                "expected nothing after \"cookie.\"é\"\" at character 12",
            ),
        ] {
            assert_eq!(Value::parse(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn an_unlike_word_is_answered_with_all_there_is() {
        let error = Value::parse("origin").unwrap_err();
        assert!(error.message.contains("one of `header`, `cookie`"), "{error}");
    }

    #[test]
    fn a_value_is_a_string_outside() {
        let value: Value = serde_json::from_str("\"header.X-User\"").unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"header.x-user\"");
        assert!(
            serde_json::from_str::<Value>("\"header\"")
                .unwrap_err()
                .to_string()
                .contains("at character 7")
        );
        assert!(serde_json::from_str::<Value>("7").is_err());
        for example in schemars::schema_for!(Value)
            .get("examples")
            .unwrap()
            .as_array()
            .unwrap()
        {
            assert!(Value::parse(example.as_str().unwrap()).is_ok(), "{example}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(name in ".{1,9}", steps in proptest::collection::vec("\\PC{0,4}|[0-9]{1,3}", 1..5), i: usize) {
            let path: Box<[Step]> = steps.iter().map(|s| Step::Member(s.as_str().into())).chain([Step::Index(i)]).collect();
            let name: Box<str> = name.into();
            for value in [
                Value::Cookie(name.clone()), Value::Query(name.clone()), Value::Param(name.clone()),
                Value::Body(path.clone()), Value::Node { name, path },
            ] {
                prop_assert_eq!(Value::parse(&value.to_string()).unwrap(), value);
            }
        }

        #[test]
        fn reading_never_panics(text: String, likely in "(header|body|query)?[.\"'\\\\a-c0é ]{0,9}") {
            let _ = Value::parse(&text);
            let _ = Value::parse(&likely);
        }
    }
}
