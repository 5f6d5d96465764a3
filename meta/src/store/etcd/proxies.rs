//! Who runs: each proxy keeps a key under a lease, so that it is gone soon after the proxy is.

use std::{sync::Arc, time::Duration};

use etcd_client::{Client, PutOptions};
use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{EtcdStore, Inner, commit::json, connection::Failure};
use crate::{store::StoreError, timespan::Timespan};

/// From one write of what a proxy tells to the next, at least: everybody who follows the store is sent it.
const BETWEEN: Duration = Duration::from_millis(200);

/// A proxy that runs, by what it tells of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// Its name.
    pub id: String,
    /// What it tells; `null` if that is no JSON.
    pub value: Value,
}

/// Keeps a proxy registered. Dropped, it lets the lease run out.
#[must_use = "dropping it ends the registration"]
pub struct Registration {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    registered: watch::Receiver<bool>,
    timeout: Duration,
}

impl EtcdStore {
    /// Registers the proxy `id` and keeps it registered, through outages of any length, with the latest of `values`.
    ///
    /// Others see it gone `ttl` after this process stopped without a word; etcd makes that at least some 2 s.
    pub fn register(&self, id: &str, ttl: Timespan, values: watch::Receiver<Value>) -> Registration {
        let (stop, stopped) = watch::channel(false);
        let (tell, registered) = watch::channel(false);
        let keeper = Keeper {
            inner: self.inner.clone(),
            key: self.inner.layout.proxy(id),
            ttl: ttl.get(),
            values,
            tell,
        };
        Registration {
            task: tokio::spawn(keeper.keep(stopped)),
            stop,
            registered,
            timeout: self.inner.way.timeout(),
        }
    }

    /// The proxies that are registered, by id.
    pub async fn proxies(&self) -> Result<Vec<Proxy>, StoreError> {
        let prefix = self.inner.layout.proxies();
        let first = prefix.clone();
        let options = etcd_client::GetOptions::new().with_prefix();
        let get = |client: Client| async move { client.kv_client().get(first, Some(options)).await };
        let answer = self.inner.way.call(get).await;
        let answer = answer.map_err(|failure| failure.to("list the proxies"))?;
        let proxy = |kv: &etcd_client::KeyValue| Proxy {
            id: String::from_utf8_lossy(kv.key()).replacen(&prefix, "", 1),
            value: serde_json::from_slice(kv.value()).unwrap_or_default(),
        };
        Ok(answer.kvs().iter().map(proxy).collect())
    }
}

impl Registration {
    /// Whether it is registered, as far as it knows: after an outage it is not before etcd has said so.
    pub fn is_registered(&self) -> bool {
        *self.registered.borrow()
    }

    /// The same, for whoever outlives the registration.
    pub fn registered(&self) -> watch::Receiver<bool> {
        self.registered.clone()
    }

    /// Ends it at once, for others to see. Takes two timeouts of the store at most.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        let _ = timeout(self.timeout * 2, &mut self.task).await;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the end of a registration.
async fn ended(stopped: &mut watch::Receiver<bool>) {
    // An error means that the registration is dropped, and its task is about to be.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

struct Keeper {
    inner: Arc<Inner>,
    key: String,
    ttl: Duration,
    values: watch::Receiver<Value>,
    tell: watch::Sender<bool>,
}

impl Keeper {
    async fn keep(mut self, mut stopped: watch::Receiver<bool>) {
        let (shortest, longest) = self.inner.pace.pauses;
        let mut pause = shortest;
        loop {
            let mut lease = None;
            let failure = tokio::select! {
                failure = self.hold(&mut lease) => failure,
                () = ended(&mut stopped) => {
                    if let Some(lease) = lease {
                        self.revoke(lease).await;
                    }
                    return;
                }
            };
            if self.tell.send_replace(false) {
                log::warn!(
                    "etcd: {} is not registered any more: {}",
                    self.key,
                    failure.reason()
                );
                pause = shortest;
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Registers under a lease of its own and renews that, until something fails.
    async fn hold(&mut self, held: &mut Option<i64>) -> Failure {
        match self.try_hold(held).await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn try_hold(&mut self, held: &mut Option<i64>) -> Result<std::convert::Infallible, Failure> {
        let seconds = self.ttl.as_secs_f64().ceil().max(1.0) as i64;
        let grant = |client: Client| async move { client.lease_client().grant(seconds, None).await };
        let granted = self.inner.way.call(grant).await?;
        let lease = granted.id();
        *held = Some(lease);
        let renewal = Duration::from_secs(granted.ttl().max(1) as u64) / 3;
        self.put(lease).await?;
        if !self.tell.send_replace(true) {
            log::info!("etcd: {} is registered", self.key);
        }
        let mut next = Instant::now() + renewal;
        let mut telling = true;
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    self.renew(lease).await?;
                    next = Instant::now() + renewal;
                }
                changed = self.values.changed(), if telling => match changed {
                    Ok(()) => {
                        self.put(lease).await?;
                        sleep(BETWEEN).await;
                    }
                    Err(_) => telling = false,
                },
            }
        }
    }

    async fn put(&mut self, lease: i64) -> Result<(), Failure> {
        let (key, value) = (self.key.clone(), json(&*self.values.borrow_and_update()));
        let options = PutOptions::new().with_lease(lease);
        let put = |client: Client| async move { client.kv_client().put(key, value, Some(options)).await };
        self.inner.way.call(put).await.map(drop)
    }

    /// Renews the lease, and puts the key again if somebody took it away.
    async fn renew(&mut self, lease: i64) -> Result<(), Failure> {
        let renew = |client: Client| async move { client.lease_client().keep_alive(lease).await };
        self.inner.way.call(renew).await?;
        let key = self.key.clone();
        let get = |client: Client| async move { client.kv_client().get(key, None).await };
        let answer = self.inner.way.call(get).await?;
        if answer.kvs().first().is_none_or(|kv| kv.lease() != lease) {
            self.put(lease).await?;
        }
        Ok(())
    }

    async fn revoke(&self, lease: i64) {
        let revoke = |client: Client| async move { client.lease_client().revoke(lease).await };
        if let Err(failure) = self.inner.way.call(revoke).await {
            log::info!(
                "etcd: {} stays until its lease runs out: {}",
                self.key,
                failure.reason()
            );
        }
    }
}
