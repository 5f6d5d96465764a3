//! Bodies, read within bounds: how long, how deep, how fast.
//!
//! JSON is read strictly and then as the YAML that it is, so that a key that stands twice, a number that cannot be held and whatever
//! else is refused in a file is refused here too, with its place.

use std::collections::HashMap;

use actix_web::{HttpRequest, http::header, rt::time::timeout, web::Payload};
use futures::StreamExt;
use meta::document::{Document, decode, read_tree};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value as Json;
use tokio::time::Duration;

use crate::{
    finding::{Finding, Sent},
    media::{self, Format},
    problem::{Code, Problem},
};

/// How many bytes one object has at most: as many as etcd takes.
pub(crate) const MOST_OBJECT: usize = 512 << 10;
/// How many bytes a transaction or a configuration has at most: as many as a commit to etcd.
pub(crate) const MOST_WHOLE: usize = 32 << 20;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of `request`, at most `most` bytes.
pub(crate) async fn read(request: &HttpRequest, payload: Payload, most: usize) -> Result<Vec<u8>, Problem> {
    let coded = request.headers().get(header::CONTENT_ENCODING);
    if coded.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "the body has a Content-Encoding: send it as it is";
        return Err(Problem::new(Code::UnsupportedMedia, detail).header(
            header::ACCEPT_ENCODING,
            header::HeaderValue::from_static("identity"),
        ));
    }
    let too_large = || {
        let detail = format!("the body has more than {most} bytes");
        Problem::new(Code::TooLarge, detail)
    };
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let whole = async {
        let (mut body, mut parts) = (Vec::new(), payload);
        while let Some(part) = parts.next().await {
            let broken = |error| Problem::new(Code::BadRequest, format!("the body broke off: {error}"));
            let part = part.map_err(broken)?;
            if body.len() + part.len() > most {
                return Err(too_large());
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    };
    let late = |_| Problem::new(Code::Timeout, "the body did not come in time");
    timeout(PATIENCE, whole).await.map_err(late)?
}

/// The body as JSON of the type `media`.
pub(crate) async fn read_json(
    request: &HttpRequest,
    payload: Payload,
    most: usize,
    media: &'static str,
) -> Result<Json, Problem> {
    media::expect(request, media)?;
    json(&read(request, payload, most).await?)
}

/// As [`read_json`]; `None` if there is no body.
pub(crate) async fn read_json_if_any(
    request: &HttpRequest,
    payload: Payload,
    most: usize,
) -> Result<Option<Json>, Problem> {
    let body = read(request, payload, most).await?;
    if body.is_empty() {
        return Ok(None);
    }
    media::expect(request, media::JSON)?;
    json(&body).map(Some)
}

/// The body, which is a JSON object, as a `T`.
pub(crate) fn decoded<T: DeserializeOwned>(body: &Json) -> Result<T, Problem> {
    let errors = match body {
        Json::Object(_) => match decode(body) {
            Ok(read) => return Ok(read),
            Err(flaws) => flaws
                .into_iter()
                .map(|flaw| Finding::at(flaw.pointer, flaw.message))
                .collect(),
        },
        _ => vec![Finding::at("", "expected a JSON object")],
    };
    Err(Problem::new(Code::Invalid, "the body is not what is read here").because(errors))
}

/// The body as a whole configuration, with its places.
pub(crate) async fn read_configuration(request: &HttpRequest, payload: Payload) -> Result<Document, Problem> {
    let format = media::format_of_body(request)?;
    let body = read(request, payload, MOST_WHOLE).await?;
    Ok(match format {
        Format::Json => Document::read(&as_yaml(strict(&body)?)),
        Format::Yaml => Document::read_bytes(&body),
    })
}

fn json(body: &[u8]) -> Result<Json, Problem> {
    let tree = read_tree(&as_yaml(strict(body)?));
    // The syntax is right: a key twice, a number that cannot be held, or too deep.
    let unusable = |problem| {
        let errors = vec![Sent::Whole(HashMap::new()).locate(&problem)];
        Problem::new(Code::Invalid, "the body is JSON that cannot be used").because(errors)
    };
    tree.map(|tree| tree.to_value()).map_err(unusable)
}

/// The body if it is JSON and nothing else that YAML would take.
fn strict(body: &[u8]) -> Result<&str, Problem> {
    let no_json = |error: String| {
        let errors = vec![Finding::at("", error)];
        Problem::new(Code::BadRequest, "the body is no JSON").because(errors)
    };
    let text = str::from_utf8(body).map_err(|error| no_json(error.to_string()))?;
    let read = serde_json::from_str::<IgnoredAny>(text);
    read.map_err(|error| no_json(error.to_string()))?;
    Ok(text)
}

/// JSON as YAML reads it: what JSON writes as two halves (`\ud83d\ude00`) is one escape there (`\U0001f600`). Places behind it in
/// the same line are two columns too far left.
fn as_yaml(json: &str) -> String {
    let mut yaml = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        yaml.push_str(before);
        match whole_character(escape) {
            Some(character) => {
                yaml.push_str(&format!("\\U{:08x}", u32::from(character)));
                rest = &escape[12..];
            }
            // An escape is two characters of ASCII at least; both, as the second may be a backslash too.
            None => {
                yaml.push_str(&escape[..2]);
                rest = &escape[2..];
            }
        }
    }
    yaml.push_str(rest);
    yaml
}

/// The character that two escaped halves at the beginning of `text` make.
fn whole_character(text: &str) -> Option<char> {
    let half = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let halves = [half(0)?, half(6)?];
    char::decode_utf16(halves)
        .next()?
        .ok()
        .filter(|character| u32::from(*character) > 0xffff)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_means_what_it_means_to_readers_of_json() {
        for text in [
            r#"{"a":"\ud83d\ude00 \\ud83d\\ude00 \/ \u00e9 \" \\", "b":[1,-2,1.5,1e2,true,null]}"#,
            "{\t\"a\"\n:\t[ ] , \"b\":{}}",
            r#""text""#,
            r#"{"yes":"yes","~":"0x10","a b: c":"- x # y"}"#,
        ] {
            let expected: Json = serde_json::from_str(text).unwrap();
            assert_eq!(json(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_or_ambiguous_is_refused() {
        let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
        for (text, code) in [
            ("", Code::BadRequest),
            ("{", Code::BadRequest),
            ("{a: 1}", Code::BadRequest),
            ("- a", Code::BadRequest),
            ("{\"a\":1,}", Code::BadRequest),
            ("{\"a\":1} x", Code::BadRequest),
            ("{\"a\":1,\"a\":2}", Code::Invalid),
            ("\"\\ud83d\"", Code::Invalid),
            ("1e999", Code::Invalid),
            ("123456789012345678901234567890", Code::Invalid),
            (&deep, Code::Invalid),
        ] {
            let problem = json(text.as_bytes()).unwrap_err();
            assert_eq!((problem.code, problem.errors.len()), (code, 1), "{text}");
        }
        assert!(json(b"\"\xff\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives_with_any_escapes(text in "\\PC{0,12}") {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(json(format!("\"{escaped}\"").as_bytes()).unwrap(), Json::from(text.clone()));
            let plain = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(json(plain.as_bytes()).unwrap(), Json::from(text));
        }
    }
}
