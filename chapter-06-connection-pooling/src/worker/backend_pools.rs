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
        match reason {
            EvictReason::PoolFull => self.of(key).evicted += 1,
            EvictReason::Stale => self.of(key).stale += 1,
            EvictReason::Expired => {}
        }
    }

    fn of(&mut self, PoolKey { address }: PoolKey) -> &mut BackendPool {
        self.0.entry(address).or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_all_workers_are_summed_by_backend() {
        let id = |slot| BackendId { slot, generation: 0 };
        let pool = |idle, stale, evicted| BackendPool { idle, stale, evicted };
        let workers = [PublishedPools::default(), PublishedPools::default()];
        workers[0].replace(PoolsByBackend::from([(id(1), pool(9, 9, 9))]));
        workers[0].replace(PoolsByBackend::from([(id(1), pool(1, 2, 3)), (id(2), pool(4, 0, 0))]));
        workers[1].replace(PoolsByBackend::from([(id(1), pool(10, 20, 30))]));
        let expected = PoolsByBackend::from([(id(1), pool(11, 22, 33)), (id(2), pool(4, 0, 0))]);
        assert_eq!(sum(workers.iter()), expected);
    }

    #[test]
    fn evictions_belong_to_an_address_and_expiry_is_none() {
        let [one, other] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let (mut evictions, mut pool) = (Evictions::default(), BackendPool { idle: 7, stale: 1, evicted: 1 });
        for reason in [EvictReason::PoolFull, EvictReason::Stale, EvictReason::Stale, EvictReason::Expired] {
            evictions.count(PoolKey { address: one }, reason);
        }
        evictions.count(PoolKey { address: other }, EvictReason::Expired);
        assert_eq!(evictions.0.len(), 1);
        for address in [one, other] {
            evictions.add_to(&mut pool, address);
        }
        assert_eq!(pool, BackendPool { idle: 7, stale: 3, evicted: 2 });
    }
}
