//! Where workers leave what they have too many of, for those that have none.
//!
//! It is locked, and so it is never on the way of a request that finds a connection in its worker's own pool: to look
//! whether there is anything at all costs one load. A connection that changes hands has to be taken from one poller and
//! given to another, which is two system calls: less than a connect, more than nothing. So whoever has some keeps them.

use std::time::{Duration, Instant};

use super::{
    idle_connection::{IdleConnection, PoolKey},
    idle_pool::{Evicted, IdlePool},
    limits::PoolLimits,
    sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError},
};

/// A pool that several workers share.
#[derive(Debug)]
pub struct SharedPool<C> {
    pool: Mutex<IdlePool<C>>,
    /// As many as lie there, or lay there a moment ago.
    len: AtomicUsize,
    capacity: usize,
}

impl<C> SharedPool<C> {
    /// An empty shelf within `limits`.
    pub fn new(limits: PoolLimits) -> Self {
        Self { pool: Mutex::new(IdlePool::new(limits)), len: AtomicUsize::new(0), capacity: limits.max_idle_total }
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
    pub fn put(&self, peer: PoolKey, idle: IdleConnection<C>) -> Option<Evicted<C>> {
        let mut pool = self.lock();
        let removed = pool.put(peer, idle.connection, idle.meta, idle.idle_since);
        self.len.store(pool.len(), Ordering::Relaxed);
        removed
    }

    /// Takes one that leads to `peer`, if it has not had its time. Whether it is fit for use is to be seen: it lay where
    /// nobody listened.
    pub fn take(&self, peer: PoolKey, now: Instant, removed: impl FnMut(Evicted<C>)) -> Option<IdleConnection<C>> {
        if self.is_empty() {
            return None;
        }
        let mut pool = self.lock();
        let in_flight = pool.take(peer, now, Duration::MAX, |_| true, removed);
        self.len.store(pool.len(), Ordering::Relaxed);
        in_flight
    }

    /// Whether there is room for one more.
    pub fn has_capacity(&self) -> bool {
        self.len() < self.capacity
    }

    /// As [`Pool::take_surplus`].
    pub fn take_longest_idle(&self, at_least: Duration, now: Instant) -> Option<(PoolKey, IdleConnection<C>)> {
        let mut pool = self.lock();
        let in_flight = pool.take_longest_idle(at_least, now);
        self.len.store(pool.len(), Ordering::Relaxed);
        in_flight
    }

    /// As [`Pool::sweep`].
    pub fn sweep(
        &self,
        now: Instant,
        is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        removed: impl FnMut(Evicted<C>),
    ) {
        let mut pool = self.lock();
        pool.sweep(now, is_reusable, removed);
        self.len.store(pool.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, IdlePool<C>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
