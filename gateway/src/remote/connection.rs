//! The way to an admin: where it is, who asks, how long an answer may take, and one request after another.

use std::{io, time::Duration};

use clap::Args;
use form_urlencoded::Serializer;
use http::{Method, Request, Uri};
use meta::timespan::Timespan;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::{
    Order,
    failure::{Failure, Refusal},
};

/// The longest answer that is read: a configuration has at most 32 MiB, and a diff holds two.
const MOST_ANSWER: u64 = 128 << 20;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The variable that holds a token if no other is named.
const TOKEN: &str = "GATEWAY_TOKEN";

/// Which admin, and how to talk to it.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// Where the admin is
    #[arg(
        long,
        value_name = "URL",
        env = "GATEWAY_ADMIN",
        default_value = "http://127.0.0.1:9093"
    )]
    admin: String,
    /// The environment variable that holds the token to show, if not GATEWAY_TOKEN
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    timeout: Timespan,
}

/// An admin.
pub(super) struct Remote {
    agent: Agent,
    /// Without a slash at its end.
    url: String,
    token: Option<String>,
    timeout: Timespan,
}

/// The body of a request.
pub(super) struct Body {
    pub(super) media: &'static str,
    pub(super) text: String,
}

impl Body {
    fn none() -> Self {
        Self {
            media: "application/json",
            text: String::new(),
        }
    }
}

impl Connection {
    /// The admin, who is not asked anything yet.
    pub(super) fn open(&self) -> Result<Remote, Failure> {
        let url = self.admin.trim_end_matches('/');
        let is_http = |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some();
        if !url.parse::<Uri>().is_ok_and(|uri| is_http(&uri)) {
            let right = "write it as in http://127.0.0.1:9093";
            return Err(Failure::Usage(format!(
                "{url:?} is no address of an admin: {right}"
            )));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT.min(self.timeout.get())))
            .timeout_global(Some(self.timeout.get()))
            .user_agent(concat!("gateway/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Remote {
            agent: config.into(),
            url: url.to_owned(),
            token: self.token()?,
            timeout: self.timeout,
        })
    }

    /// The token to show; a variable that is named has to hold one.
    fn token(&self) -> Result<Option<String>, Failure> {
        let name = self.token_env.as_deref();
        let token = std::env::var(name.unwrap_or(TOKEN)).ok();
        let token = token.filter(|token| !token.is_empty());
        match (token, name) {
            (None, Some(name)) => Err(Failure::Usage(format!(
                "the environment variable {name:?} holds no token"
            ))),
            (token, _) => Ok(token),
        }
    }
}

impl Remote {
    /// What is at `path`, as JSON.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(&self.call(Method::GET, path, "application/json", Body::none())?)
    }

    /// What is at `path`, as text of the type `media`.
    pub(super) fn text(&self, path: &str, media: &str) -> Result<String, Failure> {
        let bytes = self.call(Method::GET, path, media, Body::none())?;
        String::from_utf8(bytes).map_err(|_| self.strange("it is no text"))
    }

    /// Sends a write and gives what came of it.
    pub(super) fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        order: &Order,
        body: Option<Body>,
    ) -> Result<T, Failure> {
        let mut query = Serializer::new(String::new());
        if order.dry_run {
            query.append_pair("dry_run", "true");
        }
        if let Some(message) = &order.message {
            query.append_pair("message", message);
        }
        let path = format!("{path}?{}", query.finish());
        let body = body.unwrap_or_else(Body::none);
        self.read(&self.call(method, &path, "application/json", body)?)
    }

    fn call(&self, method: Method, path: &str, accept: &str, body: Body) -> Result<Vec<u8>, Failure> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}/api/v1{path}", self.url))
            .header("accept", accept);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(author) = author() {
            request = request.header("x-gateway-author", author);
        }
        let unusable = |error: http::Error| Failure::Usage(format!("this cannot be asked: {error}"));
        let sent = match method {
            Method::GET => self.agent.run(request.body(()).map_err(unusable)?),
            _ => {
                let request = request.header("content-type", body.media);
                self.agent.run(request.body(body.text).map_err(unusable)?)
            }
        };
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let bytes = answer.body_mut().with_config().limit(MOST_ANSWER).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(&error))?;
        match status.is_success() {
            true => Ok(bytes),
            false => Err(self.refusal(status.as_u16(), &bytes)),
        }
    }

    fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(bytes).map_err(|error| self.strange(&error.to_string()))
    }

    fn refusal(&self, status: u16, body: &[u8]) -> Failure {
        match serde_json::from_slice::<Refusal>(body) {
            Ok(refusal) => Failure::Refused(refusal),
            Err(_) => self.strange(&format!("it is {status} without a reason")),
        }
    }

    fn strange(&self, what: &str) -> Failure {
        let url = &self.url;
        Failure::Unreachable(format!("{url} does not answer as an admin does: {what}"))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let (url, timeout) = (&self.url, self.timeout);
        Failure::Unreachable(match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => format!(
                "nobody listens at {url}: start a gateway that has `admin:` in its start-up file, or gateway-admin, \
                 or say with --admin or GATEWAY_ADMIN where one is"
            ),
            ureq::Error::Timeout(ureq::Timeout::Connect) => format!("{url} cannot be reached in time"),
            ureq::Error::Timeout(_) => format!(
                "{url} has not answered within {timeout} (--timeout); what was to be written may have been"
            ),
            error => format!("{url}: {error}"),
        })
    }
}

/// Who asks, if the environment says and it can stand in a header.
fn author() -> Option<String> {
    let user = std::env::var("USER").ok()?;
    let plain = !user.is_empty() && user.len() <= 64 && user.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(user)
}
