//! Idle connections to one server address, kept for the next exchange.
//!
//! One shard per worker thread, each behind a lock that is only ever tried: on contention the shard is passed over, so the
//! worst case is a connection opened or dropped without need, never a wait. The last connection put back is taken first,
//! which lets the others grow old and go when traffic falls.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Connection;

/// How many connections are kept idle, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idleness {
    /// Connections in the whole pool.
    pub most: usize,
    /// How long one is kept; has to be shorter than the server's own patience. A server that states its patience
    /// (`Keep-Alive: timeout=N`) is believed, less one second for the way there.
    pub longest: Duration,
}

impl Default for Idleness {
    fn default() -> Self {
        Self {
            most: 256,
            longest: Duration::from_secs(55),
        }
    }
}

/// How long a connection may have been idle that carries a request which must not be sent twice. Shorter than any common server waits.
const SURE: Duration = Duration::from_secs(1);

/// How long it is remembered that a server closed a connection sooner than that.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The idle connections of one server address.
#[derive(Debug)]
pub struct Pool<S> {
    shards: Box<[Mutex<Vec<Idle<S>>>]>,
    idle: AtomicUsize,
    idleness: Idleness,
    born: Instant,
    /// Until when the server counts as hasty, in milliseconds from `born`.
    hasty_until: AtomicU64,
}

#[derive(Debug)]
struct Idle<S> {
    connection: Box<Connection<S>>,
    since: Instant,
    until: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pool<S> {
    /// An empty pool for `workers` threads (at least one shard).
    pub fn new(workers: usize, idleness: Idleness) -> Self {
        let shards = (0..workers.max(1)).map(|_| Mutex::default()).collect();
        Self {
            shards,
            idle: AtomicUsize::new(0),
            idleness,
            born: Instant::now(),
            hasty_until: AtomicU64::new(0),
        }
    }

    /// A connection that was alive a moment ago: from this thread's shard, else from another's. Expired, closed and
    /// talkative ones on the way are dropped. Begin the exchange without waiting for anything in between.
    ///
    /// Where every worker has a runtime of its own, a connection of another's keeps being woken by that one; use
    /// [`take_own`](Self::take_own) to avoid it.
    pub fn take(&self, now: Instant) -> Option<Box<Connection<S>>> {
        let own = self.own_shard();
        let count = self.shards.len();
        (0..count).find_map(|step| self.take_from((own + step) % count, now, None))
    }

    /// The same for a request that must not be sent twice: a connection idle for no more than a second, and none for a minute after the
    /// server was seen to close one that young.
    ///
    /// A server may close an idle connection while a request is on its way to it. Whether it has read the request then cannot always be
    /// told, and the request is lost for the client. The less a server is inclined to close, the less often that happens.
    pub fn take_sure(&self, now: Instant) -> Option<Box<Connection<S>>> {
        if self.hasty_until.load(Relaxed) > self.millis(now) {
            return None;
        }
        let own = self.own_shard();
        let count = self.shards.len();
        (0..count).find_map(|step| self.take_from((own + step) % count, now, Some(SURE)))
    }

    /// Notes that the server closed a young connection, where the caller found out.
    pub fn note_hasty(&self, now: Instant) {
        self.hasty_until.store(self.millis(now + REMEMBERED), Relaxed);
    }

    /// The same, from this thread's shard only.
    pub fn take_own(&self, now: Instant) -> Option<Box<Connection<S>>> {
        self.take_from(self.own_shard(), now, None)
    }

    /// Keeps a connection for reuse in this thread's shard. Drops it when it is not reusable or never used, the pool is full, the
    /// server keeps it for less than a second, or every lock is taken.
    pub fn put(&self, connection: impl Into<Box<Connection<S>>>, now: Instant) {
        let mut connection = connection.into();
        let until = now + self.keep_for(&connection);
        if !connection.reusable() || until <= now || connection.exchanges() == 0 {
            return;
        }
        if self.idle.fetch_add(1, Relaxed) >= self.idleness.most {
            self.idle.fetch_sub(1, Relaxed);
            return;
        }
        connection.shrink();
        let own = self.own_shard();
        let count = self.shards.len();
        match (0..count).find_map(|step| self.lock((own + step) % count)) {
            Some(mut shard) => shard.push(Idle {
                connection,
                since: now,
                until,
            }),
            None => {
                self.idle.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Drops what expired or died; for a background task, every few seconds. A shard in use is left for the next time.
    pub fn sweep(&self, now: Instant) {
        self.retain(|idle| idle.until > now && idle.connection.quiet());
    }

    /// Drops every idle connection: the server is gone, or its address changed.
    pub fn clear(&self) {
        self.retain(|_| false);
    }

    /// Connections kept idle, about: exact when no other thread is taking or putting.
    pub fn idle(&self) -> usize {
        self.idle.load(Relaxed)
    }

    fn keep_for(&self, connection: &Connection<S>) -> Duration {
        let stated = connection
            .kept_for()
            .map(|stated| stated.saturating_sub(Duration::from_secs(1)));
        stated.map_or(self.idleness.longest, |stated| stated.min(self.idleness.longest))
    }

    fn take_from(&self, shard: usize, now: Instant, longest: Option<Duration>) -> Option<Box<Connection<S>>> {
        loop {
            // The lock is released before the connection is looked at or closed.
            let mut idle = {
                let mut shard = self.lock(shard)?;
                let age = now.saturating_duration_since(shard.last()?.since);
                if longest.is_some_and(|longest| age > longest) {
                    return None;
                }
                shard.pop()?
            };
            self.idle.fetch_sub(1, Relaxed);
            if idle.until <= now {
                continue;
            }
            if idle.connection.quiet() {
                return Some(idle.connection);
            }
            if now.saturating_duration_since(idle.since) < SURE {
                self.note_hasty(now);
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    fn retain(&self, keep: impl Fn(&mut Idle<S>) -> bool) {
        for shard in 0..self.shards.len() {
            let Some(mut guard) = self.lock(shard) else {
                continue;
            };
            let dropped: Vec<_> = guard.extract_if(.., |idle| !keep(idle)).collect();
            drop(guard);
            self.idle.fetch_sub(dropped.len(), Relaxed);
        }
    }

    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Vec<Idle<S>>>> {
        match self.shards[shard].try_lock() {
            Ok(guard) => Some(guard),
            // A panic under the lock leaves a list of whole connections.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn own_shard(&self) -> usize {
        THREAD.with(|thread| *thread) % self.shards.len()
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Counts the threads that ever touched a pool, so that workers started together get shards of their own.
    static THREAD: usize = THREADS.fetch_add(1, Relaxed);
}
