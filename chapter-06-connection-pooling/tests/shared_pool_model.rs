//! The shared pool under every interleaving of two or three workers, with the model checker loom.
//!
//! The pool's files are compiled here once more, with loom's lock and loom's atomics instead of the standard library's:
//! the code that is checked is the code that runs, line by line.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; the test uses only a part of the pool"
)]

#[path = "../src/pool"]
mod pool {
    #[path = "connection_pool.rs"]
    pub mod connection_pool;
    #[path = "idle_connection.rs"]
    pub mod idle_connection;
    #[path = "idle_pool.rs"]
    pub mod idle_pool;
    #[path = "limits.rs"]
    pub mod limits;
    #[path = "shared_pool.rs"]
    pub mod shared_pool;

    pub(crate) mod sync {
        pub(crate) use loom::sync::{
            Mutex, MutexGuard,
            atomic::{AtomicUsize, Ordering},
        };
        pub(crate) use std::sync::PoisonError;
    }
}

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use loom::{sync::Arc, thread};
use pool::{
    idle_connection::{ConnectionMeta, IdleConnection, PoolKey},
    limits::PoolLimits,
    shared_pool::SharedPool,
};

const LIMITS: PoolLimits = PoolLimits {
    max_idle_per_key: 2,
    max_idle_total: 2,
    idle_timeout: Duration::from_secs(30),
    max_age: Duration::from_mins(1),
    max_requests: 10,
};

fn key() -> PoolKey {
    PoolKey { address: SocketAddr::from(([127, 0, 0, 1], 80)) }
}

fn idle(connection: u32, now: Instant) -> IdleConnection<u32> {
    IdleConnection { connection, meta: ConnectionMeta::new(now), idle_since: now }
}

#[test]
fn each_connection_ends_with_one_owner() {
    loom::model(|| {
        let (pool, now) = (Arc::new(SharedPool::new(LIMITS)), common::clock::now());
        assert!(pool.put(key(), idle(0, now)).is_none());
        let mut seen: Vec<_> = [1, 2]
            .map(|number| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    let evicted = pool.put(key(), idle(number, now)).map(|evicted| evicted.idle.connection);
                    let taken = pool.take(key(), now, |_| {}).map(|idle| idle.connection);
                    [evicted, taken]
                })
            })
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .flatten()
            .collect();
        while let Some(idle) = pool.take(key(), now, |_| {}) {
            seen.push(idle.connection);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "a connection is lost, or has two owners");
        assert_eq!(pool.len(), 0);
    });
}

#[test]
fn an_idle_connection_is_taken_by_exactly_one_worker() {
    loom::model(|| {
        let (pool, now) = (Arc::new(SharedPool::new(LIMITS)), common::clock::now());
        pool.put(key(), idle(1, now));
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.take(key(), now, |_| {}).is_some())
        };
        let own = pool.take(key(), now, |_| {}).is_some();
        assert!(own ^ other.join().unwrap(), "one connection, and not exactly one owner");
    });
}
