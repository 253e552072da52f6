//! The stick table: the last backend of each client address; session affinity for clients without cookies.
//!
//! WHEN TO USE IT: for sessions in a backend's memory and clients that are programs. Unlike a source hash it moves no
//! client when a backend is added, works with any algorithm, and lets a drained backend keep its clients. What it
//! costs: a short lock in one of 64 shards for each request, and some 150 bytes for each client. Clients behind one
//! large NAT count as one, and the table ends with the process. HAProxy's `stick-table type ip size 100k expire 30m`
//! with `stick on src`.
//!
//! INVARIANT: it never exceeds its size, however many addresses appear: the least recently used entry is evicted.
//! Growing would let a client with many addresses exhaust memory; rejecting new clients would let it lock others out.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use common::http::BackendId;
use lru::LruCache;

use super::client_network;

/// More than there are CPU cores, so that two requests rarely lock the same shard.
const SHARDS: usize = 64;
/// How many expired entries each update removes. More than one, so that their number shrinks.
const MAX_EXPIRED_PER_UPDATE: usize = 2;

/// The stick table of one group.
#[derive(Debug)]
pub struct StickTable {
    shards: Vec<Mutex<LruCache<IpAddr, StickEntry>>>,
    /// Maximum entries per shard.
    max_entries_per_shard: usize,
    expire: Duration,
    /// Randomly keyed, so that no client can choose addresses that all map to one shard.
    hasher: RandomState,
}

#[derive(Debug)]
struct StickEntry {
    backend: BackendId,
    last_used: Instant,
}

impl StickTable {
    /// The default number of entries.
    pub const DEFAULT_SIZE: usize = 100_000;

    /// An empty table; memory is allocated as clients appear. It holds at most `entries` (and at least 64), each for
    /// `expire` since its last use.
    pub fn new(entries: usize, expire: Duration) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(LruCache::unbounded())).collect();
        Self { shards, max_entries_per_shard: (entries / SHARDS).max(1), expire, hasher: RandomState::new() }
    }

    /// The client's backend, unless the entry has expired. Counts as a use.
    pub fn lookup(&self, client: IpAddr, now: Instant) -> Option<BackendId> {
        let client = client_network(client);
        let mut shard = self.shard(client);
        let entry = shard.get_mut(&client)?;
        if self.is_expired(entry, now) {
            shard.pop(&client);
            return None;
        }
        entry.last_used = entry.last_used.max(now);
        Some(entry.backend)
    }

    // ANCHOR: update
    /// Stores `backend` for the client in place of `previous`, the result of its lookup, and returns the stored
    /// backend. Two first requests of a client may run concurrently: the second gets the backend of the first.
    pub fn update(&self, client: IpAddr, previous: Option<BackendId>, backend: BackendId, now: Instant) -> BackendId {
        let client = client_network(client);
        let mut shard = self.shard(client);
        let current = shard.get(&client).filter(|entry| !self.is_expired(entry, now)).map(|entry| entry.backend);
        let backend = current.filter(|current| Some(*current) != previous).unwrap_or(backend);
        shard.push(client, StickEntry { backend, last_used: now });
        if shard.len() > self.max_entries_per_shard {
            shard.pop_lru();
        }
        for _ in 0..MAX_EXPIRED_PER_UPDATE {
            if shard.peek_lru().is_some_and(|(_, entry)| self.is_expired(entry, now)) {
                shard.pop_lru();
            }
        }
        backend
    }
    // ANCHOR_END: update

    fn is_expired(&self, entry: &StickEntry, now: Instant) -> bool {
        now.saturating_duration_since(entry.last_used) >= self.expire
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, LruCache<IpAddr, StickEntry>> {
        #[expect(clippy::cast_possible_truncation, reason = "any of its bits are random enough")]
        let hash = self.hasher.hash_one(client) as usize;
        lock(&self.shards[hash % SHARDS])
    }
}

/// Locks a shard. No code under the lock panics, and a partial entry would do no harm.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
