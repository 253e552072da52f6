//! Which backend each client's address was at last: stickiness for clients that keep no cookies.
//!
//! WHEN TO USE IT: for sessions in a backend's memory and clients that are programs. Unlike a hash of the source it moves
//! nobody when a backend joins, goes with any algorithm, and lets a drained backend keep its clients. What it costs: a
//! short lock in one of 64 shards for each request, and some 150 bytes for each client. Behind one large NAT all are
//! one client; and what is remembered ends with the process. HAProxy's `stick-table type ip size 100k expire 30m` with
//! `stick on src`.
//!
//! INVARIANT: it never holds more than it may, however many addresses come: who was away longest is forgotten.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use common::http::BackendId;
use lru::LruCache;

/// More than there are cores: two requests hardly ever want the same one.
const SHARDS: usize = 64;
/// How many of those whose time is over a new entry takes away. More than one, so that they become fewer.
const MAX_EXPIRED_PER_UPDATE: usize = 2;

/// The table of one group.
#[derive(Debug)]
pub struct StickTable {
    shards: Vec<Mutex<LruCache<IpAddr, StickEntry>>>,
    /// In each shard.
    max_entries_per_shard: usize,
    expire: Duration,
    /// With a key of its own: nobody can choose addresses that all fall into one shard.
    hasher: RandomState,
}

#[derive(Debug)]
struct StickEntry {
    backend: BackendId,
    last_used: Instant,
}

impl StickTable {
    /// How many clients are remembered by default.
    pub const DEFAULT_SIZE: usize = 100_000;
    /// An empty table, which takes no memory for those who have not come yet. It holds `entries` at most (and at least
    /// 64), each for `idle` since its last use.
    pub fn new(entries: usize, expire: Duration) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(LruCache::unbounded())).collect();
        Self { shards, max_entries_per_shard: (entries / SHARDS).max(1), expire, hasher: RandomState::new() }
    }

    /// Where this client was last, if that is not too long ago. Counts as a use.
    pub fn lookup(&self, client: IpAddr, now: Instant) -> Option<BackendId> {
        let client = client_key(client);
        let mut shard = self.shard(client);
        let entry = shard.get_mut(&client)?;
        if self.is_expired(entry, now) {
            shard.pop(&client);
            return None;
        }
        entry.last_used = entry.last_used.max(now);
        Some(entry.backend)
    }

    // ANCHOR: settle
    /// The client is to be at `backend` from now on, in place of `before`, where it was when it was looked up. Two
    /// first requests of a client may be under way together: the one that comes second gets the place of the first.
    pub fn update(&self, client: IpAddr, before: Option<BackendId>, backend: BackendId, now: Instant) -> BackendId {
        let client = client_key(client);
        let mut shard = self.shard(client);
        let known = shard.get(&client).filter(|entry| !self.is_expired(entry, now)).map(|entry| entry.backend);
        let backend = known.filter(|known| Some(*known) != before).unwrap_or(backend);
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
    // ANCHOR_END: settle

    fn is_expired(&self, entry: &StickEntry, now: Instant) -> bool {
        now.saturating_duration_since(entry.last_used) >= self.expire
    }

    fn shard(&self, client: IpAddr) -> MutexGuard<'_, LruCache<IpAddr, StickEntry>> {
        #[expect(clippy::cast_possible_truncation, reason = "any of its bits will do")]
        let hash = self.hasher.hash_one(client) as usize;
        lock(&self.shards[hash % SHARDS])
    }
}

/// Nothing panics under it, and half an entry would be no harm.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom the table takes for one client. Of an IPv6 address the network, which is what a home or a host is given: one
/// host may use any of its 2^64 addresses, and would fill the table by itself.
fn client_key(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
