//! Why the gateway answered by itself: a reason with its status, said as `application/problem+json` (RFC 9457) and in
//! `X-Gateway-Refusal`.

use std::{borrow::Cow, fmt::Write, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::{
    aggregate::X_GATEWAY_NODES,
    edge::{RequestId, X_REQUEST_ID},
    limiter::Exceeded,
};

/// Why the gateway answered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No route matches.
    NoRoute,
    /// Routes match, for other methods.
    MethodNotAllowed,
    /// The request cannot be forwarded as it is.
    BadRequest,
    /// An `access` filter denied the client.
    AccessDenied,
    /// A limit is reached: of the proxy, the route, the cluster, or of all its servers.
    RateLimited,
    /// A circuit breaker rejects: the route's, or those of all servers of the cluster.
    Breaker,
    /// The cluster has no server that can be used.
    NoServer,
    /// No connection to a server came about.
    ConnectFailed,
    /// The server broke the connection or answered what is no HTTP.
    BadAnswer,
    /// The server took too long.
    Timeout,
    /// A node that an aggregation cannot do without brought no answer, or two nodes' answers do not go together.
    NodeFailed,
    /// The client took too long to send its body.
    ClientTimeout,
    /// The client's body is longer than allowed.
    BodyTooLarge,
    /// No configuration has been applied yet.
    NotReady,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::BadRequest,
        Self::AccessDenied,
        Self::RateLimited,
        Self::Breaker,
        Self::NoServer,
        Self::ConnectFailed,
        Self::BadAnswer,
        Self::Timeout,
        Self::NodeFailed,
        Self::ClientTimeout,
        Self::BodyTooLarge,
        Self::NotReady,
    ];

    /// The word in `X-Gateway-Refusal` and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BadRequest => "bad_request",
            Self::AccessDenied => "access_denied",
            Self::RateLimited => "rate_limited",
            Self::Breaker => "breaker",
            Self::NoServer => "no_server",
            Self::ConnectFailed => "connect_failed",
            Self::BadAnswer => "bad_answer",
            Self::Timeout => "timeout",
            Self::NodeFailed => "node_failed",
            Self::ClientTimeout => "client_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::NotReady => "not_ready",
        }
    }

    /// The status it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::NoRoute => 404,
            Self::MethodNotAllowed => 405,
            Self::BadRequest => 400,
            Self::AccessDenied => 403,
            Self::RateLimited => 429,
            Self::NoServer | Self::Breaker | Self::NotReady => 503,
            Self::ConnectFailed | Self::BadAnswer | Self::NodeFailed => 502,
            Self::Timeout => 504,
            Self::ClientTimeout => 408,
            Self::BodyTooLarge => 413,
        }
    }

    /// Whether a server was asked and it is its doing.
    pub(crate) const fn blames_servers(self) -> bool {
        matches!(self, Self::ConnectFailed | Self::BadAnswer | Self::Timeout)
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NoRoute => "No route matches this request",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::BadRequest => "The request cannot be forwarded",
            Self::AccessDenied => "Access denied",
            Self::RateLimited => "Too many requests",
            Self::Breaker => "The service is given a pause",
            Self::NoServer => "No server is available",
            Self::ConnectFailed => "No connection to the server",
            Self::BadAnswer => "The server gave no valid answer",
            Self::Timeout => "The server took too long",
            Self::NodeFailed => "A part of the answer is missing",
            Self::ClientTimeout => "The request took too long to arrive",
            Self::BodyTooLarge => "The body is too large",
            Self::NotReady => "The gateway has no configuration yet",
        }
    }
}

/// A request is refused. Travels in a box: what carries it is moved at every step of a request's way, and hardly ever holds it.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) refusal: Refusal,
    pub(crate) details: Details,
}

impl Denial {
    pub(crate) fn new(refusal: Refusal, details: Details) -> Box<Self> {
        Box::new(Self { refusal, details })
    }

    /// A limit is reached.
    pub(crate) fn over_limit(exceeded: &Exceeded) -> Box<Self> {
        Self::new(Refusal::RateLimited, Details::over_limit(exceeded))
    }

    /// A breaker rejects for so long.
    pub(crate) fn rejecting(retry_after: Duration) -> Box<Self> {
        Self::new(Refusal::Breaker, Details::rejecting(retry_after))
    }
}

/// What else is said with a refusal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// More than the title, for whoever called.
    pub(crate) detail: Cow<'static, str>,
    /// The status in place of the refusal's own.
    pub(crate) status: Option<u16>,
    /// Of an aggregation: how each node ended, as `X-Gateway-Nodes` and as a member of the body.
    pub(crate) nodes: Option<(HeaderValue, String)>,
    /// `Allow`.
    pub(crate) allow: Option<String>,
    /// `Retry-After` in seconds.
    pub(crate) retry_after: Option<u32>,
    /// The limit that is reached: `RateLimit-Policy` and `RateLimit`.
    pub(crate) limit: Option<Exceeded>,
}

impl Details {
    /// Only a word more.
    pub(crate) fn of(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// A limit is reached.
    fn over_limit(exceeded: &Exceeded) -> Self {
        Self {
            retry_after: Some(whole_seconds(exceeded.wait)),
            limit: Some(*exceeded),
            ..Self::of(exceeded.detail())
        }
    }

    /// A breaker rejects for so long.
    fn rejecting(retry_after: Duration) -> Self {
        Self {
            retry_after: Some(whole_seconds(retry_after)),
            ..Self::of("it failed too often; requests pass again after the pause")
        }
    }
}

/// `wait` in seconds, rounded up: who comes back then is not too early. At least 1, since 0 would be an invitation.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

/// The most of an unread request body that is read and thrown away to keep the connection.
const DRAIN_BYTES: u64 = 64 * 1024;

/// Answers with a refusal. The connection is kept where HTTP allows: a short unread body is read first.
pub(crate) async fn refuse(
    session: &mut Session,
    Denial { refusal, details }: Denial,
    id: &RequestId,
) -> pingora::Result<()> {
    let status = details.status.unwrap_or(refusal.status());
    let mut body = format!("{{\"status\":{status},\"title\":\"{}\"", refusal.title());
    if !details.detail.is_empty() {
        let _ = write!(body, ",\"detail\":\"{}\"", details.detail);
    }
    if let Some((_, member)) = &details.nodes {
        let _ = write!(body, ",{member}");
    }
    body.push('}');
    if matches!(refusal, Refusal::BadRequest | Refusal::ClientTimeout) {
        // Where such a request ends is not for us to guess.
        session.set_keepalive(None);
    }
    let mut response = ResponseHeader::build_no_case(status, Some(10))?;
    response.insert_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    )?;
    response.insert_header("x-gateway-refusal", HeaderValue::from_static(refusal.word()))?;
    if let Some((field, _)) = details.nodes {
        response.insert_header(X_GATEWAY_NODES, field)?;
    }
    if let Some(allow) = details.allow {
        response.insert_header(header::ALLOW, allow)?;
    }
    if let Some(seconds) = details.retry_after {
        response.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds))?;
        if let Some(limit) = details.limit {
            let (policy, state) = limit.fields(seconds);
            response.insert_header("ratelimit-policy", policy)?;
            response.insert_header("ratelimit", state)?;
        }
    }
    answer(session, response, Bytes::from(body), id).await
}

/// Sends an answer of the gateway's own, whole.
pub(crate) async fn answer(
    session: &mut Session,
    mut response: ResponseHeader,
    body: Bytes,
    id: &RequestId,
) -> pingora::Result<()> {
    let has_body = !matches!(response.status.as_u16(), 204 | 304);
    let to_head = session.req_header().method == http::Method::HEAD;
    // To a HEAD a length may be announced of a body that is not here.
    let is_announced = to_head && body.is_empty() && response.headers.contains_key(header::CONTENT_LENGTH);
    if has_body && !is_announced {
        response.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    response.insert_header(X_REQUEST_ID, id.to_value())?;
    keep_despite_short_body(session);
    let session = session.as_downstream_mut();
    session.write_response_header(Box::new(response)).await?;
    let body = if to_head || !has_body { Bytes::new() } else { body };
    session.write_response_body(body, true).await
}

/// Lets the engine read the rest of a short body after the answer, instead of closing the connection on it.
fn keep_despite_short_body(session: &mut Session) {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let expects = session.req_header().headers.contains_key(header::EXPECT);
    if length.is_some_and(|length| length <= DRAIN_BYTES) && !expects {
        let session = session.as_downstream_mut();
        session.set_close_on_response_before_downstream_finish(false);
        session.set_total_drain_timeout(Some(Duration::from_secs(1)));
    }
}
