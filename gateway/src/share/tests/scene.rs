//! Clients before a backend of scripted answers, on a simulated clock.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use tokio::{sync::Semaphore, task::yield_now};

use crate::share::{
    Concurrent, Reply, Served, Sharing, Unanswered,
    freshness::{Asked, Rule},
    key::KeyBuilder,
    store::{Answer, Answers},
};

/// Fresh for 60 s, stale for 600 s more.
pub(super) const RULE: Rule = Rule {
    ttl: Duration::from_secs(60),
    stale_if_error: Duration::from_secs(600),
    keep_authorized: false,
    keep_cookies: false,
};

/// More calls than any test makes, so that one which makes too many fails instead of waiting.
const EVERY_CALL: usize = 1 << 20;

pub(super) type Outcome = Result<Reply, Unanswered<&'static str>>;

/// A gateway before a backend that answers each call when it is let, numbering its bodies.
pub(super) struct Scene {
    pub(super) sharing: Sharing<&'static str>,
    seconds: Arc<AtomicU64>,
    calls: Arc<AtomicUsize>,
    pub(super) let_answer: Arc<Semaphore>,
    says: Arc<Mutex<Says>>,
}

#[derive(Clone)]
enum Says {
    Answer(u16, &'static [(&'static str, &'static str)]),
    Failure,
}

pub(super) struct Request {
    method: Method,
    headers: HeaderMap,
    rule: Option<Rule>,
    concurrent: Concurrent,
}

pub(super) fn get(lines: &[(&'static str, &str)]) -> Request {
    Request {
        method: Method::GET,
        headers: headers(lines),
        rule: Some(RULE),
        concurrent: Concurrent::Separate,
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let lines = lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    lines.collect()
}

impl Request {
    pub(super) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub(super) fn rule(self, rule: impl Into<Option<Rule>>) -> Self {
        Self {
            rule: rule.into(),
            ..self
        }
    }

    pub(super) fn coalesced(self) -> Self {
        Self {
            concurrent: Concurrent::Coalesced,
            ..self
        }
    }
}

impl Scene {
    /// The backend answers at once.
    pub(super) fn new() -> Self {
        let scene = Self::holding();
        scene.let_answer.add_permits(EVERY_CALL);
        scene
    }

    /// The backend answers when it is let.
    pub(super) fn holding() -> Self {
        Self {
            sharing: Sharing::new(Arc::new(Answers::new(1 << 20))),
            seconds: Arc::default(),
            calls: Arc::default(),
            let_answer: Arc::new(Semaphore::new(0)),
            says: Arc::new(Mutex::new(Says::Answer(200, &[]))),
        }
    }

    pub(super) fn say(&self, status: u16, lines: &'static [(&'static str, &'static str)]) {
        *self.says.lock().unwrap() = Says::Answer(status, lines);
    }

    pub(super) fn fail(&self) {
        *self.says.lock().unwrap() = Says::Failure;
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, SeqCst);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    pub(super) async fn ask(&self, request: Request) -> Outcome {
        let asked = Asked {
            key: KeyBuilder::new()
                .headers(&[header::ACCEPT], &request.headers)
                .finish(),
            keyed: &[header::ACCEPT],
            method: &request.method,
            headers: &request.headers,
        };
        let seconds = self.seconds.clone();
        let now = move || Duration::from_secs(seconds.load(SeqCst));
        self.sharing
            .answer(asked, request.rule.as_ref(), request.concurrent, now, || {
                self.call()
            })
            .await
    }

    fn call(&self) -> impl Future<Output = Result<Answer, &'static str>> + use<> {
        let number = self.calls.fetch_add(1, SeqCst) + 1;
        let (let_answer, says) = (self.let_answer.clone(), self.says.clone());
        async move {
            let_answer.acquire().await.unwrap().forget();
            match says.lock().unwrap().clone() {
                Says::Answer(status, lines) => Ok(Answer {
                    status: StatusCode::from_u16(status).unwrap(),
                    headers: headers(lines),
                    body: Bytes::from(number.to_string()),
                }),
                Says::Failure => Err("refused"),
            }
        }
    }

    /// Asks with as many concurrent requests, and lets the backend answer once all have come.
    pub(super) async fn crowd(&self, size: usize, request: impl Fn() -> Request) -> Vec<Outcome> {
        let open = async {
            yield_now().await;
            self.let_answer.add_permits(EVERY_CALL);
        };
        let (outcomes, ()) = futures::join!(join_all((0..size).map(|_| self.ask(request()))), open);
        outcomes
    }
}

/// How it was served, and the number of the call whose answer it is.
pub(super) fn seen(outcome: &Outcome) -> (Served, usize) {
    let reply = outcome.as_ref().unwrap();
    let number = std::str::from_utf8(&reply.answer.body).unwrap().parse().unwrap();
    (reply.served, number)
}

pub(super) fn how_often(outcomes: &[Outcome], served: Served) -> usize {
    outcomes
        .iter()
        .filter(|outcome| seen(outcome).0 == served)
        .count()
}
