//! The store that many share: etcd, one key for each object ([`layout`]).
//!
//! **Reading** ([`follow`]): everything once, then a watch that is begun again for ever, whatever happens to etcd. A value that
//! cannot be read is one broken object. What is handed out is never less than what was read whole: an etcd that does not answer,
//! or that has lost its data, gives states that are not complete and say so.
//!
//! **Writing** ([`commit`]): one transaction on exactly the state that the commit is meant for, guarded by `PREFIX/revision`. A
//! commit of more than [`commit::INLINE`] objects is written in parts, which count from the moment the last one is there.
//!
//! **History** ([`past`]): each commit leaves what leads back to the state before, so it does not depend on etcd's own.
//!
//! **Proxies** ([`proxies`]): keys under a lease.
//!
//! The first call that needs it begins the following, on the runtime of its caller; dropping the store ends it.

mod changes;
mod commit;
mod connection;
mod finish;
mod follow;
mod layout;
mod listing;
mod object;
mod past;
mod proxies;
mod settings;
mod turns;
mod view;

pub use proxies::{Proxy, Registration};
pub use settings::{BadSetting, EtcdSettings};

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use etcd_client::Client;
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{
    connection::{Connection, Failure},
    layout::Layout,
    settings::Pace,
    view::View,
};
use super::{Held, HistoryEntry, Link, Note, Operation, Revision, State, Store, StoreError};

/// A prefix of an etcd as a store.
pub struct EtcdStore {
    inner: Arc<Inner>,
    following: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    way: Connection,
    layout: Layout,
    pace: Pace,
    view: Mutex<Option<View>>,
    published: watch::Sender<Option<State>>,
    /// Tells of everything that the view takes in; counts the listings.
    moved: watch::Sender<u64>,
    /// Makes the following begin again.
    doubted: Notify,
    link: Mutex<Link>,
    /// What there was before this process began to read, if that is known.
    held: Mutex<Option<Held>>,
}

/// What the key `revision` was at one moment.
struct GuardRead {
    cluster: u64,
    /// Of etcd, at that moment.
    revision: i64,
    /// 0 if it was not there.
    modified: i64,
    value: Vec<u8>,
}

impl EtcdStore {
    /// The store that `settings` name, which is not called yet. Reads the files and the variable that they name.
    ///
    /// Fails with [`StoreError::BadSetting`] only.
    pub fn new(settings: &EtcdSettings) -> Result<Self, StoreError> {
        Self::paced(settings, Pace::default())
    }

    fn paced(settings: &EtcdSettings, pace: Pace) -> Result<Self, StoreError> {
        let options = settings.options().map_err(StoreError::BadSetting)?;
        Ok(Self {
            inner: Arc::new(Inner {
                way: Connection::new(settings.endpoints.clone(), options, settings.timeout.get()),
                layout: Layout::new(&settings.prefix),
                pace,
                view: Mutex::default(),
                published: watch::Sender::new(None),
                moved: watch::Sender::new(0),
                doubted: Notify::new(),
                link: Mutex::new(Link {
                    connected: false,
                    error: None,
                }),
                held: Mutex::default(),
            }),
            following: Mutex::default(),
        })
    }

    /// Begins to follow etcd, or begins again if the runtime that did has ended.
    fn follow(&self) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if following.as_ref().is_none_or(JoinHandle::is_finished) {
            *following = Some(tokio::spawn(follow::follow(self.inner.clone())));
        }
    }
}

impl Drop for EtcdStore {
    fn drop(&mut self) {
        let following = self.following.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = following.take() {
            task.abort();
        }
    }
}

#[async_trait]
impl Store for EtcdStore {
    /// Holds every commit that was made before the call. A foreign write may be missing for as long as the watch is behind.
    async fn load(&self) -> Result<State, StoreError> {
        self.follow();
        self.inner.catch_up("read the configuration").await?;
        self.inner.publish_view();
        let state = self.inner.published.borrow().clone();
        state.ok_or_else(|| behind("read the configuration"))
    }

    async fn changed(&self, seen: &State) -> Result<State, StoreError> {
        let mut published = self.inner.published.subscribe();
        loop {
            self.follow();
            let state = published.borrow_and_update().clone();
            if let Some(state) = state.filter(|state| !state.is(seen)) {
                return Ok(state);
            }
            // Not longer than a moment: the runtime that follows may end before this one.
            let _ = timeout(Duration::from_secs(1), published.changed()).await;
        }
    }

    fn link(&self) -> Link {
        self.inner.link().clone()
    }

    fn expect(&self, held: Held) {
        *self.inner.held() = Some(held);
    }

    async fn commit(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: Note,
    ) -> Result<Revision, StoreError> {
        self.follow();
        let inner = self.inner.clone();
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = inner.commit(expected, operations, &note).await;
            let committed = outcome.is_ok();
            // Nobody may be waiting any more.
            let _ = tell.send(outcome);
            if committed {
                inner.prune().await;
            }
        });
        told.await.unwrap_or_else(|_| {
            Err(StoreError::Uncertain {
                reason: "the commit broke off".into(),
            })
        })
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        self.follow();
        self.inner.history().await
    }

    async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        self.follow();
        self.inner.at(revision).await
    }
}

impl Inner {
    /// What is known; not to be held for long.
    fn view(&self) -> MutexGuard<'_, Option<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn guard(&self) -> Result<GuardRead, Failure> {
        let key = self.layout.revision();
        let answer = self
            .way
            .call(|client: Client| async move { client.kv_client().get(key, None).await })
            .await?;
        let header = answer.header();
        let kv = answer.kvs().first();
        Ok(GuardRead {
            cluster: header.map_or(0, |header| header.cluster_id()),
            revision: header.map_or(0, |header| header.revision()),
            modified: kv.map_or(0, |kv| kv.mod_revision()),
            value: kv.map(|kv| kv.value().to_owned()).unwrap_or_default(),
        })
    }

    /// Waits until all that was committed before the call is known.
    async fn catch_up(&self, action: &str) -> Result<(), StoreError> {
        let (seen, cluster) = self.seen();
        let listings = *self.moved.borrow();
        let guard = self.guard().await.map_err(|failure| failure.to(action))?;
        let is_other = seen > 0 && (guard.revision < seen || guard.cluster != cluster);
        if is_other {
            self.doubted.notify_one();
        }
        let caught_up = |view: &View, now: u64| match is_other {
            true => now > listings,
            false => view.guard_modified() >= guard.modified,
        };
        match self.wait_for(self.way.timeout(), caught_up).await {
            true => Ok(()),
            false => Err(behind(action)),
        }
    }

    /// Waits until what is known satisfies `wanted`, which is given the number of listings too; whether it did in time.
    async fn wait_for(&self, at_most: Duration, wanted: impl Fn(&View, u64) -> bool) -> bool {
        let mut moved = self.moved.subscribe();
        let waiting = async {
            loop {
                let listings = *moved.borrow_and_update();
                if self.view().as_ref().is_some_and(|view| wanted(view, listings)) {
                    return;
                }
                if moved.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(at_most, waiting).await.is_ok()
    }
}

fn behind(action: &str) -> StoreError {
    StoreError::Unreachable {
        action: action.to_owned(),
        reason: "the watch is behind".into(),
    }
}

#[cfg(test)]
mod tests;
