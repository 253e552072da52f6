//! The pool by backend: how many connections are idle, and what became of others. Each worker publishes it once a
//! second, when it has swept its pool, so that a request pays nothing for it.
//!
//! Connections belong to an address. Backends that share one, such as a server that is in two groups, share its
//! connections, and each of them shows them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use common::http::BackendId;

use crate::pool::{EvictReason, PoolKey};

/// The pool's connections to one backend, as of the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackendPool {
    /// Idle connections that a request to this backend may use.
    pub idle: usize,
    /// Idle connections that the backend had closed, or on which it had sent unrequested data.
    pub stale: u64,
    /// Idle connections that were closed because the pool was full, or because descriptors had run out.
    pub evicted: u64,
}

/// What has become of connections by address since they were last published.
#[derive(Debug, Default)]
pub(crate) struct Evictions(HashMap<SocketAddr, BackendPool>);

impl Evictions {
    /// Counts a connection that the pool did not keep.
    #[cold]
    pub(crate) fn count(&mut self, key: PoolKey, reason: EvictReason) {
        let counts = self.0.entry(key.address).or_default();
        match reason {
            EvictReason::PoolFull => counts.evicted += 1,
            EvictReason::Stale => counts.stale += 1,
            EvictReason::Expired => {}
        }
    }

    /// Adds those of one address to what was counted before.
    pub(crate) fn add_to(&self, pool: &mut BackendPool, address: SocketAddr) {
        if let Some(more) = self.0.get(&address) {
            pool.stale += more.stale;
            pool.evicted += more.evicted;
        }
    }
}

/// The pools of one worker by backend; those with nothing to say are left out.
pub(crate) type PoolsByBackend = HashMap<BackendId, BackendPool>;

/// What one worker has published. A reader takes the whole map in no time, so the worker never waits for it.
#[derive(Debug, Default)]
pub(crate) struct PublishedPools(Mutex<Arc<PoolsByBackend>>);

impl PublishedPools {
    pub(crate) fn latest(&self) -> Arc<PoolsByBackend> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, pools: PoolsByBackend) {
        let pools = Arc::new(pools);
        // The old one is freed after the lock is.
        let _old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), pools);
    }
}

/// The pools of all workers.
pub(crate) fn sum<'a>(workers: impl Iterator<Item = &'a PublishedPools>) -> PoolsByBackend {
    let mut sum = PoolsByBackend::new();
    for pools in workers.map(PublishedPools::latest) {
        for (id, BackendPool { idle, stale, evicted }) in &*pools {
            let all = sum.entry(*id).or_default();
            all.idle += idle;
            all.stale += stale;
            all.evicted += evicted;
        }
    }
    sum
}
