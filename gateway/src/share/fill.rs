//! `fill`: a call whose answer is kept if it may be, and for whom it is.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::{
    Concurrent,
    freshness::{Asked, Rule, shareable, storable},
    key::Key,
    store::{Answer, Answers, Stored},
};

/// What a shared call brought.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(super) answer: Arc<Answer>,
    pub(super) audience: Audience,
}

/// Who may have the answer of a shared call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    All,
    Leader,
}

/// What a call has to know of its request, which may be gone before it ends.
pub(super) struct Fill {
    key: Key,
    keyed: Vec<HeaderName>,
    rule: Option<Rule>,
    concurrent: Concurrent,
    answers: Arc<Answers>,
}

impl Fill {
    pub(super) fn new(
        asked: &Asked<'_>,
        rule: Option<&Rule>,
        concurrent: Concurrent,
        answers: &Arc<Answers>,
    ) -> Self {
        Self {
            key: asked.key,
            keyed: asked.keyed.to_vec(),
            rule: rule.copied(),
            concurrent,
            answers: answers.clone(),
        }
    }

    /// Makes the call. Its answer is kept before anyone gets it, so who comes next finds either the call or the answer.
    pub(super) async fn run<E>(
        self,
        call: impl Future<Output = Result<Answer, E>>,
        now: impl Fn() -> Duration,
    ) -> Result<Filled, E> {
        let began = now();
        let answer = Arc::new(call.await?);
        let kept = self.keep(&answer, began, now());
        let audience = self.audience(&answer, kept);
        Ok(Filled { answer, audience })
    }

    /// Keeps the answer, and says whether it may be kept. If not, it still proves outdated what was kept, unless it is a failure.
    fn keep(&self, answer: &Arc<Answer>, began: Duration, now: Duration) -> bool {
        let Some(rule) = self.rule else { return false };
        let delay = now.saturating_sub(began);
        let lifetime = storable(&self.keyed, answer.status, &answer.headers, delay, &rule);
        match lifetime {
            Some(lifetime) => {
                let stored = Stored::new(answer.clone(), now, delay, lifetime);
                self.answers.put(self.key, Arc::new(stored));
            }
            None if !answer.status.is_server_error() => self.answers.remove(&self.key),
            None => {}
        }
        lifetime.is_some()
    }

    fn audience(&self, answer: &Answer, kept: bool) -> Audience {
        let meant = kept || answer.status.is_server_error() || self.concurrent == Concurrent::Coalesced;
        if meant && shareable(&self.keyed, &answer.headers, &self.rule.unwrap_or_default()) {
            Audience::All
        } else {
            Audience::Leader
        }
    }
}
