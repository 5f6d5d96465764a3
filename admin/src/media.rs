//! Which form a body has, and which form the client wants.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::problem::{Code, Problem};

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const YAML: &str = "application/yaml";
/// What YAML was called before RFC 9512.
const OTHER_YAML: [&str; 3] = ["application/x-yaml", "text/yaml", "text/x-yaml"];

/// The forms of a whole configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
}

impl Format {
    pub(crate) fn media(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
        }
    }

    /// The form that is called `media`.
    fn called(media: &str) -> Option<Self> {
        match media {
            JSON => Some(Self::Json),
            YAML => Some(Self::Yaml),
            other => OTHER_YAML.contains(&other).then_some(Self::Yaml),
        }
    }
}

/// Refuses a body that is not of the type `media`.
pub(crate) fn expect(request: &HttpRequest, media: &'static str) -> Result<(), Problem> {
    match content_type(request).as_deref() {
        Some(found) if found == media => Ok(()),
        found => Err(unsupported(found, media, media)),
    }
}

/// The form of a body that is a configuration.
pub(crate) fn format_of_body(request: &HttpRequest) -> Result<Format, Problem> {
    let found = content_type(request);
    let format = found.as_deref().and_then(Format::called);
    format.ok_or_else(|| {
        unsupported(
            found.as_deref(),
            "application/json or application/yaml",
            "application/json, application/yaml",
        )
    })
}

fn unsupported(found: Option<&str>, wanted: &str, accepted: &'static str) -> Problem {
    let found = match found {
        Some(found) => format!("the body is {:?}", found.chars().take(80).collect::<String>()),
        None => "the body has no usable Content-Type".to_owned(),
    };
    let accept = match accepted {
        MERGE_PATCH => HeaderName::from_static("accept-patch"),
        _ => header::ACCEPT,
    };
    Problem::new(
        Code::UnsupportedMedia,
        format!("{found}: send {wanted}, in UTF-8"),
    )
    .header(accept, HeaderValue::from_static(accepted))
}

/// The type of the body in lower case, without parameters. A text in another encoding than UTF-8 has none that is of use.
fn content_type(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_owned();
    let mut charsets = parts.filter_map(|parameter| parameter.strip_prefix("charset="));
    charsets
        .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "us-ascii"))
        .then_some(media)
}

/// Refuses a client that would not take JSON.
pub(crate) fn accept_json(request: &HttpRequest) -> Result<(), Problem> {
    accept(request, &[Format::Json]).map(drop)
}

/// The one of `offered` that the client likes best, the first of them if it does not care.
pub(crate) fn accept(request: &HttpRequest, offered: &[Format]) -> Result<Format, Problem> {
    let lines = request.headers().get_all(header::ACCEPT);
    let wanted: Vec<String> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    let ranges: Vec<Range> = wanted
        .iter()
        .flat_map(|line| line.split(','))
        .filter_map(Range::parse)
        .collect();
    let Some(&first) = offered.first() else {
        return Err(not_acceptable(offered));
    };
    if ranges.is_empty() {
        return Ok(first);
    }
    let liked = offered.iter().map(|format| (quality(&ranges, *format), *format));
    // The first of several that are liked alike.
    let best = liked.rev().max_by_key(|(quality, _)| *quality);
    match best {
        Some((1.., format)) => Ok(format),
        _ => Err(not_acceptable(offered)),
    }
}

fn not_acceptable(offered: &[Format]) -> Problem {
    let offered: Vec<&str> = offered.iter().map(|format| format.media()).collect();
    let detail = format!("this is only there as {}", offered.join(" and "));
    Problem::new(Code::NotAcceptable, detail)
}

/// One part of `Accept` (RFC 9110 §12.5.1).
struct Range<'a> {
    media: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
        let quality = quality.map_or(Some(1.0), |text| text.parse::<f32>().ok());
        let quality = quality.filter(|quality| (0.0..=1.0).contains(quality))?;
        Some(Self {
            media,
            quality: (quality * 1000.0) as u16,
        })
    }

    /// How exactly it names the form, if it does at all.
    fn names(&self, format: Format) -> Option<u8> {
        match self.media {
            "*/*" => Some(0),
            "application/*" => Some(1),
            "text/*" if format == Format::Yaml => Some(1),
            media => (Format::called(media) == Some(format)).then_some(2),
        }
    }
}

/// What the range that names the form most exactly says of it.
fn quality(ranges: &[Range<'_>], format: Format) -> u16 {
    let named = ranges
        .iter()
        .filter_map(|range| Some((range.names(format)?, range.quality)));
    named.max().map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::test::TestRequest;

    use super::*;

    const BOTH: [Format; 2] = [Format::Json, Format::Yaml];

    #[test]
    fn a_client_gets_the_form_that_it_likes_best() {
        for (accept_header, expected) in [
            ("*/*", Some(Format::Json)),
            ("", Some(Format::Json)),
            ("application/yaml", Some(Format::Yaml)),
            ("text/x-yaml", Some(Format::Yaml)),
            (
                "application/json;q=0.5, application/yaml;q=0.9",
                Some(Format::Yaml),
            ),
            ("application/json, application/yaml", Some(Format::Json)),
            ("application/json;q=0, */*", Some(Format::Yaml)),
            ("text/*", Some(Format::Yaml)),
            ("text/html, */*;q=0.1", Some(Format::Json)),
            ("text/html", None),
            ("*/*;q=0", None),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept_header));
            let found = accept(&request.to_http_request(), &BOTH).ok();
            assert_eq!(found, expected, "{accept_header}");
        }
    }

    #[test]
    fn a_body_says_what_it_is() {
        for (content_type, expected) in [
            ("application/json", Some(Format::Json)),
            ("Application/JSON; charset=UTF-8", Some(Format::Json)),
            ("application/x-yaml;charset=\"utf-8\"", Some(Format::Yaml)),
            ("application/json; charset=utf-16", None),
            ("text/plain", None),
            ("", None),
        ] {
            let request = TestRequest::default().insert_header(("content-type", content_type));
            let found = format_of_body(&request.to_http_request()).ok();
            assert_eq!(found, expected, "{content_type}");
        }
        assert!(format_of_body(&TestRequest::default().to_http_request()).is_err());
    }
}
