//! Refusals as the client reads them: RFC 9457 `application/problem+json` with everything that is wrong at once.
//!
//! `code` is for programs, `detail` for people. `type` is left out, which means `about:blank`: `title` is the status in words.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use meta::store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Finding;

/// What a problem is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// A parameter, a header or the syntax of the body.
    BadRequest,
    /// A browser sent it for a page of another site.
    OtherSite,
    /// There is nothing of that name.
    NotFound,
    /// The path is known, the method is not.
    MethodNotAllowed,
    /// What the client accepts is not what there is.
    NotAcceptable,
    /// The body did not come in time.
    Timeout,
    /// There is an object of that id.
    Exists,
    /// Others use what would be taken away; `errors` names them.
    InUse,
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// The body, or what it would write, is too large.
    TooLarge,
    /// The body is of another type than is read here.
    UnsupportedMedia,
    /// What was sent was understood and is wrong; `errors` says where.
    Invalid,
    /// The store cannot be reached, or refuses.
    StoreUnavailable,
    /// The store holds something that cannot be read as a whole; somebody has to see to it.
    StoreUnreadable,
    /// Whether the write was made is not known: read before trying again.
    Uncertain,
    /// Too many write at once.
    Busy,
}

impl Code {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::OtherSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Exists | Self::InUse => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::StoreUnavailable | Self::StoreUnreadable | Self::Uncertain | Self::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// After how many seconds it may be of use to try again.
    fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::StoreUnavailable | Self::Uncertain => Some("5"),
            Self::Busy => Some("1"),
            _ => None,
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    detail: String,
    pub(crate) errors: Vec<Finding>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A refusal as it is sent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Details<'p> {
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// The status in words.
    title: &'p str,
    code: Code,
    /// What is wrong, for people.
    detail: &'p str,
    /// Everything that is wrong, one by one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(extend("default" = []))]
    errors: &'p [Finding],
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The same with all that is wrong.
    pub(crate) fn because(self, errors: Vec<Finding>) -> Self {
        Self { errors, ..self }
    }

    /// The same with a header of the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut answer = HttpResponse::build(status);
        self.headers.iter().cloned().for_each(|header| {
            answer.insert_header(header);
        });
        if let Some(seconds) = self.code.retry_after() {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        let details = Details {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or_default(),
            code: self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        // Texts and numbers only, which are always JSON.
        let body = serde_json::to_vec(&details).unwrap_or_default();
        answer.content_type("application/problem+json").body(body)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Conflict { .. } => Code::Busy,
            StoreError::Incomplete(_) => Code::StoreUnreadable,
            StoreError::NoSuchObject { .. } | StoreError::NoSuchRevision(_) => Code::NotFound,
            StoreError::BadObject { .. } => Code::Invalid,
            StoreError::TooLarge { .. } => Code::TooLarge,
            StoreError::Uncertain { .. } => Code::Uncertain,
            StoreError::Missing(_)
            | StoreError::Unreachable { .. }
            | StoreError::Refused { .. }
            | StoreError::BadSetting(_)
            | StoreError::Io { .. } => Code::StoreUnavailable,
        };
        if code == Code::Uncertain {
            log::warn!("{error}");
        }
        Self::new(code, error.to_string())
    }
}
