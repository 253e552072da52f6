//! The pool in which workers leave connections that they do not need, for workers that have none.
//!
//! It has a lock, so a request that finds a connection in its worker's own pool never touches it; checking whether it
//! is empty costs one load. A connection that changes workers is deregistered from one poller and registered with
//! another, which is two system calls: less than a connect, more than nothing. So a worker keeps the connections that
//! it uses.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use super::{
    connection_pool::ConnectionPool as _,
    idle_connection::{Evicted, IdleConnection, PoolKey},
    idle_pool::IdlePool,
    limits::PoolLimits,
    sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError},
};

/// A pool that several workers share.
#[derive(Debug)]
pub struct SharedPool<C> {
    pool: Mutex<IdlePool<C>>,
    /// How many are there, or were a moment ago.
    len: AtomicUsize,
    capacity: usize,
}

impl<C: Debug + 'static> SharedPool<C> {
    /// An empty pool within `limits`.
    pub fn new(limits: PoolLimits) -> Self {
        Self { pool: Mutex::new(IdlePool::new(limits)), len: AtomicUsize::new(0), capacity: limits.max_idle_total }
    }

    /// How many are there, or were a moment ago.
    pub fn len(&self) -> usize {
        // Relaxed is enough: a worker that reads 0 too early connects, and one that reads 1 too late finds that out
        // under the lock.
        self.len.load(Ordering::Relaxed)
    }

    /// Whether none is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts an idle connection, which keeps its `idle_since`. Returns what is not kept.
    pub fn put(&self, key: PoolKey, idle: IdleConnection<C>) -> Option<Evicted<C>> {
        let mut pool = self.lock();
        let evicted = pool.put(key, idle.connection, idle.meta, idle.idle_since);
        self.len.store(pool.len(), Ordering::Relaxed);
        evicted
    }

    /// Takes a connection with this key that has not expired. The caller has to check whether it is reusable: no poller
    /// has watched it here.
    pub fn take(&self, key: PoolKey, now: Instant, on_evict: impl FnMut(Evicted<C>)) -> Option<IdleConnection<C>> {
        if self.is_empty() {
            return None;
        }
        let mut pool = self.lock();
        let taken = pool.take(key, now, Duration::MAX, |_| true, on_evict);
        self.len.store(pool.len(), Ordering::Relaxed);
        taken
    }

    /// How many have this key.
    pub fn len_of(&self, key: PoolKey) -> usize {
        self.lock().len_of(key)
    }

    /// Whether it is below its limit.
    pub fn has_capacity(&self) -> bool {
        self.len() < self.capacity
    }

    /// As [`IdlePool::take_longest_idle`].
    pub fn take_longest_idle(&self, min_idle: Duration, now: Instant) -> Option<(PoolKey, IdleConnection<C>)> {
        let mut pool = self.lock();
        let taken = pool.take_longest_idle(min_idle, now);
        self.len.store(pool.len(), Ordering::Relaxed);
        taken
    }

    /// As [`IdlePool::sweep`].
    pub fn sweep(
        &self,
        now: Instant,
        is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        on_evict: impl FnMut(Evicted<C>),
    ) {
        let mut pool = self.lock();
        pool.sweep(now, is_reusable, on_evict);
        self.len.store(pool.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, IdlePool<C>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
