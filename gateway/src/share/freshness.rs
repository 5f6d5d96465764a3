//! `freshness`: what HTTP caching (RFC 9111) and a route's rule say about a request and an answer, as pure functions.
//!
//! Where the two differ, the stricter one holds, with one exception: `stale_if_error` also serves answers that said `no-cache`
//! or `s-maxage`, which RFC 9111 §4.2.4 would rather see refused. The rule's author asked for an old answer instead of none, and a
//! backend that will not have it says `must-revalidate`. An answer is never revalidated: what is not fresh is asked for anew.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};

use super::{
    cache_control::{CacheControl, seconds},
    key::Key,
    list::split_list,
};

/// What a route allows its cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    /// For how long an answer is fresh; nothing is kept if that is 0. The backend can shorten this, never lengthen it.
    pub(crate) ttl: Duration,
    /// For how long after that it stands in when the backend fails.
    pub(crate) stale_if_error: Duration,
    /// Whether answers to requests with `Authorization` are shared between users. A key that contains the header makes this
    /// unnecessary. The words by which a backend can allow it (RFC 9111 §3.5) are not listened to: `public` is said too lightly.
    pub(crate) keep_authorized: bool,
    /// Whether answers with `Set-Cookie` are shared.
    pub(crate) keep_cookies: bool,
}

impl Rule {
    /// Whether anything is kept at all.
    pub(crate) fn keeps(&self) -> bool {
        !self.ttl.is_zero()
    }
}

/// A request, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Which requests are identical to it.
    pub(crate) key: Key,
    /// The headers that are part of the key.
    pub(crate) keyed: &'a [HeaderName],
    /// Its method.
    pub(crate) method: &'a Method,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
}

/// What a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A stored answer within these limits, else the backend's.
    Use(Limits),
    /// The backend's answer, which is then stored: the client insists (`no-cache`, `max-age=0`).
    Refresh,
    /// The backend's answer to this request alone.
    Bypass,
    /// A stored answer within these limits, else none.
    OnlyIfCached(Limits),
}

impl Lookup {
    /// The client's limits, if a stored answer may be used.
    pub(crate) fn limits(&self) -> Option<Limits> {
        match self {
            Self::Use(limits) | Self::OnlyIfCached(limits) => Some(*limits),
            Self::Refresh | Self::Bypass => None,
        }
    }
}

/// Which stored answers the client accepts (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The greatest age.
    pub(crate) max_age: Option<Duration>,
    /// For how long the answer must still be fresh.
    pub(crate) min_fresh: Duration,
    /// For how long it may have been stale. None is kept for longer than the rule's `stale_if_error`.
    pub(crate) max_stale: Duration,
}

/// How long an answer is good for, counted from when it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// For how long it is fresh.
    pub(crate) fresh_for: Duration,
    /// For how long after that it may be used if the backend fails.
    pub(crate) stale_for: Duration,
}

/// What makes the answer to a request differ from those to others with its key.
const PARTIAL_OR_CONDITIONAL: [HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// The statuses that are cacheable by default (RFC 9110 §15.1) and are kept: without 206, whose parts would have to be put
/// together, 300 and 308, 405, 414 and 501.
const KEPT: [StatusCode; 6] = [
    StatusCode::OK,
    StatusCode::NON_AUTHORITATIVE_INFORMATION,
    StatusCode::NO_CONTENT,
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::NOT_FOUND,
    StatusCode::GONE,
];

/// What the request may have: its side of the rules. What it bypasses is neither looked up, nor stored, nor shared, even if the
/// client asked for `only-if-cached`.
pub(crate) fn may_look_up(asked: &Asked<'_>, rule: &Rule) -> Lookup {
    let said = CacheControl::of(asked.headers);
    if said.no_store || is_particular(asked) || !may_share_authorized(asked, rule) {
        return Lookup::Bypass;
    }
    let max_age = if said.no_cache { Some(0) } else { said.max_age };
    let limits = Limits {
        max_age: max_age.map(Duration::from_secs),
        min_fresh: Duration::from_secs(said.min_fresh.unwrap_or(0)),
        max_stale: Duration::from_secs(said.max_stale.unwrap_or(0)),
    };
    match limits.max_age {
        _ if said.only_if_cached => Lookup::OnlyIfCached(limits),
        Some(Duration::ZERO) => Lookup::Refresh,
        _ => Lookup::Use(limits),
    }
}

/// How long the answer to a GET that [`may_look_up`] did not let bypass is good for: the answer's side of the rules. `None` if it
/// must not be stored. `delay` is how long the backend took, which counts towards the answer's age.
pub(crate) fn storable(
    keyed: &[HeaderName],
    status: StatusCode,
    headers: &HeaderMap,
    delay: Duration,
    rule: &Rule,
) -> Option<Lifetime> {
    let said = CacheControl::of(headers);
    if said.no_store || !KEPT.contains(&status) || !shareable(keyed, headers, rule) {
        return None;
    }
    let lifetime = Lifetime {
        fresh_for: fresh_for(&said, headers, age(headers).saturating_add(delay), rule),
        stale_for: stale_for(&said, rule),
    };
    Some(lifetime).filter(|lifetime| *lifetime != Lifetime::default())
}

/// Whether others with the same key may have the answer at all: it is for no single user, and all it varies by is in the key.
pub(crate) fn shareable(keyed: &[HeaderName], headers: &HeaderMap, rule: &Rule) -> bool {
    let personal =
        CacheControl::of(headers).private || headers.contains_key(header::SET_COOKIE) && !rule.keep_cookies;
    !personal
        && headers
            .get_all(header::VARY)
            .iter()
            .all(|line| is_told_apart(line, keyed))
}

/// The age that the answer arrived with. The first member counts, what cannot be read counts as nothing (RFC 9111 §5.1).
pub(crate) fn age(headers: &HeaderMap) -> Duration {
    let said = headers.get(header::AGE).and_then(|age| age.to_str().ok());
    let first = said.and_then(|ages| ages.split(',').next());
    Duration::from_secs(first.and_then(|age| seconds(age.trim())).unwrap_or(0))
}

fn is_particular(asked: &Asked<'_>) -> bool {
    let reads = [Method::GET, Method::HEAD].contains(asked.method);
    !reads
        || PARTIAL_OR_CONDITIONAL
            .iter()
            .any(|name| asked.headers.contains_key(name))
}

fn may_share_authorized(asked: &Asked<'_>, rule: &Rule) -> bool {
    rule.keep_authorized
        || asked.keyed.contains(&header::AUTHORIZATION)
        || !asked.headers.contains_key(header::AUTHORIZATION)
}

/// A backend that says nothing leaves it to the rule.
fn fresh_for(said: &CacheControl, headers: &HeaderMap, age: Duration, rule: &Rule) -> Duration {
    if said.no_cache {
        return Duration::ZERO;
    }
    let max_age = said.s_maxage.or(said.max_age).map(Duration::from_secs);
    match max_age.or_else(|| until_expiry(headers)) {
        Some(lifetime) => rule.ttl.min(lifetime.saturating_sub(age)),
        None => rule.ttl,
    }
}

/// The backend can shorten this as well (RFC 5861 §4), or forbid it.
fn stale_for(said: &CacheControl, rule: &Rule) -> Duration {
    if said.must_revalidate || said.proxy_revalidate {
        return Duration::ZERO;
    }
    let allowed = said.stale_if_error.map_or(Duration::MAX, Duration::from_secs);
    rule.stale_if_error.min(allowed)
}

/// `Expires` less `Date`. What cannot be computed has expired, which is how `Expires: 0` is meant (RFC 9111 §5.3). That includes
/// the two obsolete forms of a date, and an `Expires` without a `Date`: no wall clock is read here.
fn until_expiry(headers: &HeaderMap) -> Option<Duration> {
    let expires = headers.get(header::EXPIRES)?;
    let lifetime = date(expires)
        .zip(headers.get(header::DATE).and_then(date))
        .and_then(|(expires, date)| Duration::try_from(expires.duration_since(date)).ok());
    Some(lifetime.unwrap_or_default())
}

/// A date of HTTP, without its two obsolete forms (RFC 9110 §5.6.7).
pub(crate) fn date(text: &HeaderValue) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text.as_bytes())
        .ok()
}

/// Whether the key tells apart what a line of `Vary` names. `*`, or a line that cannot be read, names what no key has.
fn is_told_apart(line: &HeaderValue, keyed: &[HeaderName]) -> bool {
    let has = |name: &str| {
        keyed
            .iter()
            .any(|keyed| keyed.as_str().eq_ignore_ascii_case(name))
    };
    line.to_str().is_ok_and(|line| split_list(line, b',').all(has))
}
