//! A limit on the bandwidth of each client.
//!
//! WHEN TO USE IT: a limit on requests counts a picture as much as a search. This one counts bytes: of each connection,
//! or of all connections of an address together, over all workers. It delays and refuses nothing. nginx's `limit_rate`,
//! HAProxy's `filter bwlim-out`.
//!
//! All bytes of the client's socket count: heads, bodies, local replies, tunnels. Those of TLS itself do not. A request's
//! bytes count for its client, as for `--limit … by=ip`; only the head of a connection's first request counts for the
//! peer, and a later one's for the client before: whose it is, it says itself.

pub mod byte_bucket;
pub mod rule;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use common::http::{Direction, Reservation, Throttle};
use serde::Serialize;

use self::{
    byte_bucket::ByteBucket,
    rule::{BandwidthKey, BandwidthRule},
};
use crate::{
    rule::KeyHasher,
    table::{Key, KeyTable},
};

/// The limit on bandwidth, shared by all workers.
#[derive(Debug)]
pub struct BandwidthLimit {
    rule: BandwidthRule,
    down: ByteBucket,
    up: Option<ByteBucket>,
    hasher: KeyHasher,
    /// `None` for a limit by connection.
    clients: Option<KeyTable<ClientBuckets>>,
    /// What further addresses share while the table is full, as for `--limit`.
    shared: ClientBuckets,
    pauses_down: AtomicU64,
    pauses_up: AtomicU64,
    without_slot: AtomicU64,
}

/// The buckets of an address or a connection, one for each direction.
#[derive(Debug, Default)]
struct ClientBuckets {
    down: AtomicU64,
    up: AtomicU64,
}

impl ClientBuckets {
    fn of(&self, direction: Direction) -> &AtomicU64 {
        if direction == Direction::Down { &self.down } else { &self.up }
    }
}

/// What the limit has done so far, as the admin interface shows it.
#[derive(Clone, Debug, Serialize)]
pub struct BandwidthReport {
    /// The rule.
    pub rule: String,
    /// How many times a write to a client had to wait.
    pub pauses_down: u64,
    /// How many times a read from a client had to wait.
    pub pauses_up: u64,
    /// How many times an address shared a bucket with others, because the table of addresses was full.
    pub without_slot: u64,
}

impl BandwidthLimit {
    /// For `clients` addresses at a time.
    pub fn new(rule: BandwidthRule, clients: usize, epoch: Instant) -> Self {
        Self {
            rule,
            down: ByteBucket::new(rule.down, epoch),
            up: rule.up.map(|up| ByteBucket::new(up, epoch)),
            hasher: KeyHasher::default(),
            clients: (rule.key == BandwidthKey::Ip).then(|| KeyTable::new(clients)),
            shared: ClientBuckets::default(),
            pauses_down: AtomicU64::new(0),
            pauses_up: AtomicU64::new(0),
            without_slot: AtomicU64::new(0),
        }
    }

    /// The throttle of a connection from `peer`.
    pub fn throttle(self: &Arc<Self>, peer: IpAddr) -> ClientThrottle {
        let buckets = match self.rule.key {
            BandwidthKey::Ip => Buckets::OfAddress(self.hasher.address_key(peer)),
            BandwidthKey::Connection => Buckets::Own(ClientBuckets::default()),
        };
        ClientThrottle { limit: Arc::clone(self), buckets }
    }

    /// The rule.
    pub fn rule(&self) -> BandwidthRule {
        self.rule
    }

    /// The memory of its table, in bytes.
    pub fn bytes(&self) -> usize {
        self.clients.as_ref().map_or(0, KeyTable::bytes)
    }

    /// What it has done so far.
    pub fn report(&self) -> BandwidthReport {
        BandwidthReport {
            rule: self.rule.to_string(),
            pauses_down: self.pauses_down.load(Relaxed),
            pauses_up: self.pauses_up.load(Relaxed),
            without_slot: self.without_slot.load(Relaxed),
        }
    }

    fn rate(&self, direction: Direction) -> Option<&ByteBucket> {
        if direction == Direction::Down { Some(&self.down) } else { self.up.as_ref() }
    }

    fn is_idle(&self, buckets: &ClientBuckets, now: Instant) -> bool {
        self.down.is_idle(&buckets.down, now) && self.up.as_ref().is_none_or(|up| up.is_idle(&buckets.up, now))
    }

    /// Calls `take` with the buckets of an address; see [`KeyTable::with_state`].
    fn with_buckets<T>(
        &self,
        client: Key,
        now: Instant,
        take: impl Fn(&ClientBuckets) -> T,
        undo: impl Fn(&ClientBuckets, &T),
    ) -> T {
        let table = self.clients.as_ref();
        let taken = table.and_then(|table| table.with_state(client, |state| self.is_idle(state, now), &take, undo));
        taken.map_or_else(
            || {
                self.without_slot.fetch_add(1, Relaxed);
                take(&self.shared)
            },
            |(_, outcome)| outcome,
        )
    }
}

/// The limit on one connection.
#[derive(Debug)]
pub struct ClientThrottle {
    limit: Arc<BandwidthLimit>,
    buckets: Buckets,
}

#[derive(Debug)]
enum Buckets {
    Own(ClientBuckets),
    /// In the table. Looked up each time: an address whose buckets are full again has no slot of its own.
    OfAddress(Key),
}

impl Throttle for ClientThrottle {
    fn reserve(&mut self, direction: Direction, wanted: usize, now: Instant) -> Reservation {
        let limit = &*self.limit;
        let Some(rate) = limit.rate(direction) else { return Reservation { bytes: wanted, at: now } };
        let reservation = match &self.buckets {
            Buckets::Own(buckets) => rate.reserve(buckets.of(direction), wanted, now),
            Buckets::OfAddress(client) => limit.with_buckets(
                *client,
                now,
                |buckets| rate.reserve(buckets.of(direction), wanted, now),
                |buckets, reservation| rate.give_back(buckets.of(direction), reservation.bytes, 0),
            ),
        };
        if reservation.at > now {
            let pauses = if direction == Direction::Down { &limit.pauses_down } else { &limit.pauses_up };
            pauses.fetch_add(1, Relaxed);
        }
        reservation
    }

    fn give_back(&mut self, direction: Direction, reserved: usize, moved: usize, now: Instant) {
        let limit = &*self.limit;
        let Some(rate) = limit.rate(direction) else { return };
        match &self.buckets {
            Buckets::Own(buckets) => rate.give_back(buckets.of(direction), reserved, moved),
            Buckets::OfAddress(client) => limit.with_buckets(
                *client,
                now,
                |buckets| rate.give_back(buckets.of(direction), reserved, moved),
                |buckets, ()| rate.take_back(buckets.of(direction), reserved, moved),
            ),
        }
    }

    fn set_client(&mut self, client: IpAddr) {
        if let Buckets::OfAddress(key) = &mut self.buckets {
            *key = self.limit.hasher.address_key(client);
        }
    }
}

#[cfg(test)]
mod tests;
