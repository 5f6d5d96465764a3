//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §13): nobody overwrites what he has not seen.
//!
//! A tag is a hash of 64 bits of what is shown: it is the same from every admin of one version, and two texts that somebody wrote
//! without meaning harm do not share one. A newer version may have others; a client then reads again.

use std::hash::{DefaultHasher, Hasher};

use actix_web::{
    HttpRequest,
    http::header::{ETag, EntityTag, Header, IF_MATCH, IF_NONE_MATCH, IfMatch, IfNoneMatch},
};

use crate::{
    finding::Finding,
    media::Format,
    problem::{Code, Problem},
};

/// The tag of what is shown as these bytes.
pub(crate) fn tag(bytes: &[u8]) -> EntityTag {
    EntityTag::new_strong(hash(bytes))
}

/// The tag of a whole configuration in one of its forms, of which `json` is one.
pub(crate) fn tag_of_whole(json: &[u8], format: Format) -> EntityTag {
    EntityTag::new_strong(match format {
        Format::Json => hash(json),
        Format::Yaml => format!("{}-yaml", hash(json)),
    })
}

fn hash(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}

/// The header that tells a tag.
pub(crate) fn header(tag: EntityTag) -> ETag {
    ETag(tag)
}

/// What a request makes its outcome depend on.
pub(crate) struct Preconditions {
    matching: Option<IfMatch>,
    none_matching: Option<IfNoneMatch>,
}

impl Preconditions {
    /// Those of `request`.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let given = |name| request.headers().contains_key(name);
        Ok(Self {
            matching: match IfMatch::parse(request) {
                _ if !given(IF_MATCH) => None,
                Ok(matching) if !matches!(&matching, IfMatch::Items(tags) if tags.is_empty()) => {
                    Some(matching)
                }
                _ => return Err(unreadable("If-Match")),
            },
            none_matching: match IfNoneMatch::parse(request) {
                _ if !given(IF_NONE_MATCH) => None,
                Ok(none) if !matches!(&none, IfNoneMatch::Items(tags) if tags.is_empty()) => Some(none),
                _ => return Err(unreadable("If-None-Match")),
            },
        })
    }

    /// Whether they depend on anything at all.
    pub(crate) fn any(&self) -> bool {
        self.matching.is_some() || self.none_matching.is_some()
    }

    /// Refuses a write if they do not hold for what is there, which has these tags: none if it is not there, several if it has
    /// several forms.
    pub(crate) fn hold(&self, current: &[EntityTag]) -> Result<(), Problem> {
        let refuse = |detail: &str| Err(Problem::new(Code::PreconditionFailed, detail));
        match &self.matching {
            Some(IfMatch::Any) if current.is_empty() => return refuse("it is not there (If-Match)"),
            Some(IfMatch::Items(tags)) if !share(tags, current) => {
                return refuse("it is not what If-Match names any more: read it again");
            }
            _ => {}
        }
        match &self.none_matching {
            Some(IfNoneMatch::Any) if !current.is_empty() => refuse("it is there already (If-None-Match)"),
            Some(IfNoneMatch::Items(tags)) if share(tags, current) => {
                refuse("it is what If-None-Match names")
            }
            _ => Ok(()),
        }
    }

    /// Whether the client has what is there already, which has the tag `current`. Refuses if `If-Match` does not hold.
    pub(crate) fn has(&self, current: &EntityTag) -> Result<bool, Problem> {
        let matching = Self {
            matching: self.matching.clone(),
            none_matching: None,
        };
        matching.hold(std::slice::from_ref(current))?;
        Ok(match &self.none_matching {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(current)),
            None => false,
        })
    }
}

fn share(tags: &[EntityTag], current: &[EntityTag]) -> bool {
    tags.iter()
        .any(|tag| current.iter().any(|current| tag.strong_eq(current)))
}

/// No tag could be read. To take that for no condition would let a write through.
fn unreadable(name: &str) -> Problem {
    let error = Finding::of_parameter(name, "use * or tags in quotes, as ETag tells them");
    Problem::new(Code::BadRequest, "a header is wrong").because(vec![error])
}
