//! What a worker asks of its pool, so that a pool of your own can take the place of ours.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use super::{
    idle_connection::{ConnectionMeta, Evicted, IdleConnection, PoolKey},
    limits::PoolLimits,
};

/// One worker's pool of idle connections of type `C`. Only that worker's thread calls it, between two waits.
///
/// A connection is in the pool exactly while it is idle. Every connection that is put leaves the pool exactly once: it
/// is taken, or returned or passed on as [`Evicted`], which closes it or moves it to the shared pool.
pub trait ConnectionPool<C>: Debug + 'static {
    /// An empty pool within `limits`.
    fn new(limits: PoolLimits) -> Self;

    /// Puts a connection that is no longer in use. Returns the connection that is evicted for it, or itself if it is
    /// not kept; at most one.
    fn put(&mut self, key: PoolKey, connection: C, meta: ConnectionMeta, now: Instant) -> Option<Evicted<C>>;

    /// Takes a connection with this key that has been idle for less than `max_idle`, is within the limits and is
    /// reusable. Expired and not reusable ones that it comes across are removed and passed to `on_evict`.
    fn take(
        &mut self,
        key: PoolKey,
        now: Instant,
        max_idle: Duration,
        is_reusable: impl FnMut(&mut C) -> bool,
        on_evict: impl FnMut(Evicted<C>),
    ) -> Option<IdleConnection<C>>;

    /// Checks all connections, once a second: those that are expired, not reusable, or beyond the limit per key are
    /// removed and passed to `on_evict`.
    fn sweep(
        &mut self,
        now: Instant,
        is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        on_evict: impl FnMut(Evicted<C>),
    );

    /// Takes the longest idle connection, if it has been idle for `min_idle`: to close it when descriptors have run
    /// out, or to hand it to another worker.
    fn take_longest_idle(&mut self, min_idle: Duration, now: Instant) -> Option<(PoolKey, IdleConnection<C>)>;

    /// How many idle connections have this key.
    fn len_of(&self, key: PoolKey) -> usize;
}
