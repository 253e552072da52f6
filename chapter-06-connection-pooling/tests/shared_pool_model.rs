//! The shelf under every order in which two or three cores can come to it, by the model checker loom.
//!
//! The files of the pool are compiled here once more, with loom's lock and loom's atomics in place of the standard
//! library's: what is checked is the code that runs, line by line.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; not all of the pool is asked here"
)]

#[path = "../src/pool"]
mod pool {
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

fn peer() -> PoolKey {
    PoolKey { address: SocketAddr::from(([127, 0, 0, 1], 80)) }
}

fn idle(connection: u32, now: Instant) -> IdleConnection<u32> {
    IdleConnection { connection, meta: ConnectionMeta::new(now), idle_since: now }
}

#[test]
fn each_connection_ends_with_one_owner() {
    loom::model(|| {
        let (shelf, now) = (Arc::new(SharedPool::new(LIMITS)), common::clock::now());
        assert!(shelf.put(peer(), idle(0, now)).is_none());
        let cores: Vec<_> = [1, 2]
            .map(|number| {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || {
                    let refused = shelf.put(peer(), idle(number, now)).map(|removed| removed.idle.connection);
                    let taken = shelf.take(peer(), now, |_| {}).map(|idle| idle.connection);
                    [refused, taken]
                })
            })
            .into_iter()
            .flat_map(|core| core.join().unwrap())
            .flatten()
            .collect();
        let mut seen = cores;
        while let Some(idle) = shelf.take(peer(), now, |_| {}) {
            seen.push(idle.connection);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "one is lost, or is had by two");
        assert_eq!(shelf.len(), 0);
    });
}

#[test]
fn what_lies_there_before_is_found_or_had_by_another() {
    loom::model(|| {
        let (shelf, now) = (Arc::new(SharedPool::new(LIMITS)), common::clock::now());
        shelf.put(peer(), idle(1, now));
        let other = {
            let shelf = Arc::clone(&shelf);
            thread::spawn(move || shelf.take(peer(), now, |_| {}).is_some())
        };
        let own = shelf.take(peer(), now, |_| {}).is_some();
        assert!(own ^ other.join().unwrap(), "one connection, two takers");
    });
}
