//! Following etcd for as long as the store lives: list, watch, and begin again after any doubt.
//!
//! An etcd can lose its data, go back to a backup, or stop without a word while its connections stay open; and an idle watch
//! looks like a dead one. So a watch that has been silent for [`Pace::idle`] is asked for a sign of life, and `revision` is read
//! beside it: what does not fit what is known is listed again. A dead etcd is noticed after `idle` and one timeout, 8 s by default.
//!
//! The signs of life are never taken for progress: before etcd 3.4.25 they can be ahead of the events.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_client::{Client, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{sleep, timeout, timeout_at};

use super::{
    Inner,
    connection::{Failure, MOST_ANSWER},
    listing,
    settings::Pace,
    turns::Turns,
    view::{Item, View},
};
use crate::{
    document::Document,
    problem::Problem,
    store::{Link, Revision, State},
};

/// Why following stopped.
enum Stop {
    /// It is to begin with a listing.
    Doubt(String),
    /// It failed; what is known still holds, and the watch can go on from there.
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            // The listing reads what is too long for an event in smaller pieces.
            Failure::TooLong | Failure::Compacted => Self::Doubt(failure.reason()),
            failure => Self::Failure(failure),
        }
    }
}

/// Follows for ever.
pub(super) async fn follow(inner: Arc<Inner>) {
    let mut outage = Outage::default();
    let mut doubt = true;
    loop {
        let round = async {
            if doubt {
                inner.relist().await?;
                doubt = false;
            }
            inner.watch(&mut outage).await
        };
        let stop = tokio::select! {
            stop = round => stop,
            () = inner.doubted.notified() => Err(Stop::Doubt("what was read does not fit what was seen".into())),
        };
        let pause = match stop {
            Ok(never) => match never {},
            Err(Stop::Doubt(reason)) => {
                log::info!("etcd: reading everything again: {reason}");
                doubt = true;
                inner.pace.pauses.0
            }
            Err(Stop::Failure(failure)) => {
                outage.note(&inner, failure.reason());
                outage.pause(&inner.pace)
            }
        };
        sleep(pause).await;
    }
}

/// How long etcd has not been reached.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    tries: u32,
    told: bool,
}

impl Outage {
    /// Twice as long from try to try, give or take half, so that many proxies do not come back at the same moment.
    fn pause(&mut self, pace: &Pace) -> Duration {
        let (shortest, longest) = pace.pauses;
        let pause = shortest.saturating_mul(1 << self.tries.min(16)).min(longest);
        self.tries = self.tries.saturating_add(1);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Tells whoever waits for changes, once the outage has lasted as long as a call may take.
    fn note(&mut self, inner: &Inner, reason: String) {
        *inner.link() = Link {
            connected: false,
            error: Some(reason.clone()),
        };
        if self.since.is_none() {
            log::warn!("etcd: {reason}; trying again");
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if !self.told && since.elapsed() >= inner.way.timeout() {
            self.told = true;
            inner.publish_trouble(&reason);
        }
    }

    fn over(&mut self, inner: &Inner) {
        if let Some(since) = self.since {
            log::info!("etcd: reached again after {:.1?}", since.elapsed());
        }
        inner.link().connected = true;
        inner.publish_view();
        *self = Self::default();
    }
}

impl Inner {
    /// Reads everything and publishes it.
    async fn relist(&self) -> Result<(), Stop> {
        let listed = listing::list(&self.way, &self.layout, None).await?;
        self.link().connected = true;
        let mut known = self.view();
        if let Some(before) = &*known
            && (before.cluster != listed.cluster || before.seen > listed.seen)
        {
            log::warn!(
                "etcd: this is another etcd than before, or one restored from a backup: revision {} of cluster {:x}, was {} of \
                 {:x}; following it",
                listed.seen,
                listed.cluster,
                before.seen,
                before.cluster
            );
        }
        let mut view = listed.after(known.as_ref());
        if let (None, Some(held)) = (&*known, *self.held()) {
            view.expect(held);
        }
        if let Some(problem) = view.obstacle() {
            log::error!("etcd: {}", problem.message);
        }
        *known = Some(view);
        drop(known);
        self.publish_view();
        self.moved.send_modify(|listings| *listings += 1);
        Ok(())
    }

    /// Watches from what is known on, as long as all is well.
    async fn watch(&self, outage: &mut Outage) -> Result<Infallible, Stop> {
        let (seen, cluster) = self.seen();
        let options = WatchOptions::new().with_prefix().with_start_revision(seen + 1);
        let root = self.layout.root();
        let open = |client: Client| async move {
            let mut watch = client.watch_client().max_decoding_message_size(MOST_ANSWER);
            watch.watch(root, Some(options)).await
        };
        let mut stream = self.way.call(open).await?;
        let created = self.hear(&mut stream).await?;
        let header = created
            .header()
            .map(|header| (header.cluster_id(), header.revision()));
        if header.is_none_or(|(of, revision)| of != cluster || revision < seen) {
            return Err(Stop::Doubt("etcd is not the one it was".into()));
        }
        outage.over(self);
        let mut turns = Turns::new(Instant::now());
        self.heed(&mut stream, created, &mut turns).await?;
        loop {
            match timeout(self.pace.idle, stream.message()).await {
                Ok(message) => {
                    let message = self.heard(message)?;
                    self.heed(&mut stream, message, &mut turns).await?;
                }
                Err(_) => self.verify(&mut stream, &mut turns).await?,
            }
        }
    }

    /// Waits for a message that must come.
    async fn hear(&self, stream: &mut WatchStream) -> Result<WatchResponse, Stop> {
        match timeout(self.way.timeout(), stream.message()).await {
            Ok(message) => self.heard(message),
            Err(_) => {
                self.way.abandon();
                let reason = format!("the watch was silent for {:?}", self.way.timeout());
                Err(Stop::Failure(Failure::Way(reason)))
            }
        }
    }

    fn heard(
        &self,
        message: Result<Option<WatchResponse>, etcd_client::Error>,
    ) -> Result<WatchResponse, Stop> {
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.way.abandon();
                return Err(Stop::Failure(Failure::Way("etcd ended the watch".into())));
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if let Failure::Way(_) = failure {
                    self.way.abandon();
                }
                return Err(failure.into());
            }
        };
        match (message.canceled(), message.compact_revision()) {
            (false, _) => Ok(message),
            (true, 0) => {
                // Without a leader, for one: another member may have one.
                self.way.abandon();
                let reason = format!("etcd ended the watch: {}", message.cancel_reason());
                Err(Stop::Failure(Failure::Way(reason)))
            }
            (true, _) => Err(Failure::Compacted.into()),
        }
    }

    /// Takes in the events of `first` and of what follows soon, and publishes what comes of them.
    async fn heed(
        &self,
        stream: &mut WatchStream,
        first: WatchResponse,
        turns: &mut Turns,
    ) -> Result<(), Stop> {
        if !self.take(&first) {
            return Ok(());
        }
        let now = Instant::now();
        let gathered = self.gather(stream, now + turns.wait(now)).await;
        self.publish_view();
        gathered
    }

    async fn gather(&self, stream: &mut WatchStream, until: Instant) -> Result<(), Stop> {
        while let Ok(message) = timeout_at(until.into(), stream.message()).await {
            self.take(&self.heard(message)?);
        }
        Ok(())
    }

    fn take(&self, message: &WatchResponse) -> bool {
        let items = message
            .events()
            .iter()
            .filter_map(|event| event.kv())
            .map(Item::happened);
        let items: Vec<Item> = items.collect();
        let changed = match self.view().as_mut() {
            Some(view) => view.take(&self.layout, items),
            None => false,
        };
        self.moved.send_modify(|_| ());
        changed
    }

    /// Asks whether silence means that nothing happens.
    async fn verify(&self, stream: &mut WatchStream, turns: &mut Turns) -> Result<(), Stop> {
        let asked = timeout(self.way.timeout(), stream.request_progress()).await;
        if !matches!(asked, Ok(Ok(()))) {
            self.way.abandon();
            return Err(Stop::Failure(Failure::Way("the watch cannot be asked".into())));
        }
        let (seen, cluster) = self.seen();
        let guard = self.guard().await?;
        if guard.cluster != cluster || guard.revision < seen {
            return Err(Stop::Doubt("etcd is not the one it was".into()));
        }
        loop {
            let message = self.hear(stream).await?;
            self.heed(stream, message, turns).await?;
            let known = self.view().as_ref().map_or(0, View::guard_modified);
            if known >= guard.modified {
                return Ok(());
            }
            // What is later was heard, so this will never be.
            if self.seen().0 > guard.modified {
                return Err(Stop::Doubt("the watch has left something out".into()));
            }
        }
    }

    /// The revision up to which everything is known, and the cluster it is of.
    pub(super) fn seen(&self) -> (i64, u64) {
        let view = self.view();
        view.as_ref().map_or((0, 0), |view| (view.seen, view.cluster))
    }

    /// Publishes what is known, if it is not yet.
    pub(super) fn publish_view(&self) {
        if let Some(view) = self.view().as_mut().filter(|view| !view.told) {
            view.told = true;
            self.published.send_replace(Some(view.state()));
        }
    }

    /// Publishes that nothing can be read, with the number of what was read last.
    fn publish_trouble(&self, reason: &str) {
        let mut view = self.view();
        let message = format!("etcd cannot be reached: {reason}. What it held before goes on being served");
        let document = Document::unreadable(Problem::of_text(None, message));
        let revision = view.as_ref().map_or(Revision(0), View::revision);
        if let Some(view) = view.as_mut() {
            view.told = false;
        }
        self.published.send_replace(Some(State {
            revision,
            document: Arc::new(document),
        }));
    }
}
