//! What the built-in filters are configured with.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::FilterConfig;
use crate::{
    cidr::Cidr,
    language::{Template, UrlTemplate, Value},
};

/// `access`: who may call, by the client's address. Denied wins; with an `allow` list everyone else is denied. 403 for the denied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Only these may call; everyone if empty.
    pub allow: Vec<Cidr>,
    /// These may not.
    pub deny: Vec<Cidr>,
}

impl FilterConfig for Access {
    const NAME: &'static str = "access";

    fn flaws(&self) -> Vec<(String, String)> {
        if self.allow.is_empty() && self.deny.is_empty() {
            return vec![(
                String::new(),
                "neither \"allow\" nor \"deny\" has an entry: name at least one".into(),
            )];
        }
        Vec::new()
    }
}

/// `headers`: changes to header fields of the request on its way to the backend and of the response on its way to the client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Headers {
    /// Of the request.
    pub request: HeaderChanges,
    /// Of the response.
    pub response: HeaderChanges,
}

/// Changes to header fields: first `remove`, then `set`, then `add`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderChanges {
    /// Replaces every field of that name.
    pub set: BTreeMap<HeaderName, Template>,
    /// Adds a field beside those of that name.
    pub add: BTreeMap<HeaderName, Template>,
    /// Removes every field of that name.
    pub remove: Vec<HeaderName>,
}

impl HeaderChanges {
    fn values(&self, under: &str) -> impl Iterator<Item = (String, Value)> + '_ {
        let under = under.to_owned();
        let set = self.set.iter().map(|(name, template)| ("set", name, template));
        let add = self.add.iter().map(|(name, template)| ("add", name, template));
        set.chain(add).flat_map(move |(what, name, template)| {
            let pointer = format!("{under}/{what}/{name}");
            template
                .values()
                .map(|(_, value)| (pointer.clone(), value.clone()))
                .collect::<Vec<_>>()
        })
    }
}

impl FilterConfig for Headers {
    const NAME: &'static str = "headers";

    fn flaws(&self) -> Vec<(String, String)> {
        let nothing = [&self.request, &self.response]
            .iter()
            .all(|changes| **changes == HeaderChanges::default());
        let mut flaws = Vec::new();
        if nothing {
            flaws.push((
                String::new(),
                "nothing is changed: name at least one of request.set, request.add, \
                request.remove, response.set, response.add, response.remove"
                    .to_owned(),
            ));
        }
        let response = &self.response;
        for (what, name) in [("set", response.set.keys()), ("add", response.add.keys())]
            .into_iter()
            .flat_map(|(what, names)| names.map(move |name| (what, name)))
        {
            if name.0 == http::header::HOST {
                flaws.push((
                    format!("/response/{what}/{name}"),
                    "a response has no \"host\"".to_owned(),
                ));
            }
        }
        if let Some(at) = self
            .request
            .remove
            .iter()
            .position(|name| name.0 == http::header::HOST)
        {
            flaws.push((
                format!("/request/remove/{at}"),
                "a request needs its \"host\": set it instead".to_owned(),
            ));
        }
        flaws
    }

    fn values(&self) -> Vec<(String, Value)> {
        self.request
            .values("/request")
            .chain(self.response.values("/response"))
            .collect()
    }
}

/// A header field's name, in lower case. Fields that frame a message or belong to one connection cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(http::HeaderName);

impl HeaderName {
    /// The same as the `http` crate's type.
    pub fn get(&self) -> &http::HeaderName {
        &self.0
    }
}

/// Fields of one connection (RFC 9110 §7.6.1) or of a message's framing (RFC 9112 §6).
const OURS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

impl FromStr for HeaderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        let name = http::HeaderName::from_bytes(text.as_bytes())
            .ok()
            .filter(|_| text.len() <= 256);
        let name = name.ok_or_else(|| format!("{shown:?} is no header name (RFC 9110 §5.6.2)"))?;
        if OURS.contains(&name.as_str()) {
            return Err(format!(
                "{shown:?} belongs to the connection or to the framing of a message: it cannot be changed"
            ));
        }
        Ok(Self(name))
    }
}

impl PartialOrd for HeaderName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeaderName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for HeaderName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for HeaderName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$" })
    }
}

/// `redirect`: sends the client elsewhere. Without a `?` in `to` the client's query is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where to: a URL or a path.
    pub to: UrlTemplate,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "Redirect::default_status")]
    pub status: u16,
}

impl Redirect {
    fn default_status() -> u16 {
        308
    }
}

impl FilterConfig for Redirect {
    const NAME: &'static str = "redirect";
    const ANSWERS: bool = true;

    fn flaws(&self) -> Vec<(String, String)> {
        if matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return Vec::new();
        }
        vec![(
            "/status".into(),
            format!("{} is no redirect: use 301, 302, 303, 307 or 308", self.status),
        )]
    }

    fn values(&self) -> Vec<(String, Value)> {
        self.to
            .values()
            .map(|(_, value)| ("/to".to_owned(), value.clone()))
            .collect()
    }
}

/// `reply`: answers by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// 200 to 599.
    #[serde(default = "Reply::default_status")]
    pub status: u16,
    /// The header fields; `content-length` is added.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<HeaderName, Template>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Template>,
}

impl Reply {
    fn default_status() -> u16 {
        200
    }
}

impl FilterConfig for Reply {
    const NAME: &'static str = "reply";
    const ANSWERS: bool = true;

    fn flaws(&self) -> Vec<(String, String)> {
        let mut flaws = Vec::new();
        if !(200..=599).contains(&self.status) {
            flaws.push((
                "/status".to_owned(),
                format!("{} is no status of an answer: use 200 to 599", self.status),
            ));
        }
        if matches!(self.status, 204 | 304) && self.body.is_some() {
            flaws.push((
                "/body".to_owned(),
                format!("an answer {} has no body", self.status),
            ));
        }
        flaws
    }

    fn values(&self) -> Vec<(String, Value)> {
        let headers = self
            .headers
            .iter()
            .map(|(name, template)| (format!("/headers/{name}"), template));
        let all = headers.chain(self.body.iter().map(|template| ("/body".to_owned(), template)));
        all.flat_map(|(pointer, template)| {
            template
                .values()
                .map(|(_, value)| (pointer.clone(), value.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
    }
}
