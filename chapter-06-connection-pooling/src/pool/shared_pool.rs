//! Where cores leave what they have too many of, for those that have none.
//!
//! It is locked, and so it is never on the way of a request that finds a connection in its core's own pool: to look
//! whether there is anything at all costs one load. A connection that changes hands has to be taken from one poller and
//! given to another, which is two system calls: less than a connect, more than nothing. So whoever has some keeps them.

use std::time::{Duration, Instant};

use super::{
    idle_connection::{Idle, Peer},
    idle_pool::{Pool, Removed},
    limits::Limits,
    sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError},
};

/// A pool that several cores share.
#[derive(Debug)]
pub struct Shelf<C> {
    pool: Mutex<Pool<C>>,
    /// As many as lie there, or lay there a moment ago.
    len: AtomicUsize,
    room: usize,
}

impl<C> Shelf<C> {
    /// An empty shelf within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { pool: Mutex::new(Pool::new(limits)), len: AtomicUsize::new(0), room: limits.total }
    }

    /// How many lie there, or lay there a moment ago.
    pub fn len(&self) -> usize {
        // Relaxed is enough: who is told of none that lies there connects, and who is told of one that does not finds
        // that out under the lock.
        self.len.load(Ordering::Relaxed)
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves a connection there, which has rested since it says so. Gives what is not kept.
    pub fn put(&self, peer: Peer, idle: Idle<C>) -> Option<Removed<C>> {
        let mut pool = self.lock();
        let removed = pool.put(peer, idle.connection, idle.life, idle.since);
        self.len.store(pool.len(), Ordering::Relaxed);
        removed
    }

    /// Takes one that leads to `peer`, if it has not had its time. Whether it is fit for use is to be seen: it lay where
    /// nobody listened.
    pub fn take(&self, peer: Peer, now: Instant, removed: impl FnMut(Removed<C>)) -> Option<Idle<C>> {
        if self.is_empty() {
            return None;
        }
        let mut pool = self.lock();
        let taken = pool.take(peer, now, Duration::MAX, |_| true, removed);
        self.len.store(pool.len(), Ordering::Relaxed);
        taken
    }

    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.len() < self.room
    }

    /// As [`Pool::take_surplus`].
    pub fn take_surplus(&self, at_least: Duration, now: Instant) -> Option<(Peer, Idle<C>)> {
        let mut pool = self.lock();
        let taken = pool.take_surplus(at_least, now);
        self.len.store(pool.len(), Ordering::Relaxed);
        taken
    }

    /// As [`Pool::sweep`].
    pub fn sweep(&self, now: Instant, fit: impl FnMut(Peer, &mut C) -> bool, removed: impl FnMut(Removed<C>)) {
        let mut pool = self.lock();
        pool.sweep(now, fit, removed);
        self.len.store(pool.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Pool<C>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
