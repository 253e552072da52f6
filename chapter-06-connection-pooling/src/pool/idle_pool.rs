//! One worker's connections that rest.
//!
//! A lane for each peer, a stack: the connection that came back last is taken first. So as few as possible stay in use,
//! and the others rest until they are too many or have rested too long. A queue would keep all of them warm for ever,
//! and hand out the one that its backend is about to close.
//!
//! Only what rests is here, so that no rule of this file can ever close or hand out a connection in use.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    idle_connection::{ConnectionMeta, IdleConnection, PoolKey},
    limits::PoolLimits,
};

/// Connections that rest.
#[derive(Debug)]
pub struct IdlePool<C> {
    limits: PoolLimits,
    /// The one that has rested longest in front. A lane that is empty stays until the next sweep: most are needed again
    /// in a moment. Two looks per request, so the hash is a quick one: no client chooses a peer.
    stacks: HashMap<PoolKey, VecDeque<IdleConnection<C>>, RandomState>,
    len: usize,
}

/// Why a connection is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictReason {
    /// There is no room, and it has rested longest.
    PoolFull,
    /// It has rested too long, is too old or has served enough.
    Expired,
    /// Whoever looked at it found it unfit: it has ended, or something came that nobody asked for.
    Stale,
}

/// A connection that the pool keeps no longer.
#[derive(Debug)]
pub struct Evicted<C> {
    /// Whom it leads to.
    pub key: PoolKey,
    /// The connection.
    pub idle: IdleConnection<C>,
    /// Why.
    pub reason: EvictReason,
}

impl<C> IdlePool<C> {
    /// An empty pool within `limits`.
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, stacks: HashMap::default(), len: 0 }
    }

    /// How many rest.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rest that lead to `peer`.
    pub fn len_of(&self, key: PoolKey) -> usize {
        self.stacks.get(&key).map_or(0, VecDeque::len)
    }

    // ANCHOR: put
    /// Takes in a connection whose use has ended. Gives what is not kept, for its sake or instead of it: at most one, so
    /// that no put takes longer than another.
    ///
    /// How many may rest for a peer is for the sweep to see to. When many requests end at once, more come back than may
    /// rest, and a moment later most of them are wanted again: to close them here would be to connect anew for nothing.
    pub fn put(&mut self, key: PoolKey, connection: C, meta: ConnectionMeta, now: Instant) -> Option<Evicted<C>> {
        let idle = IdleConnection { connection, meta, idle_since: now };
        if !self.limits.allows_reuse(meta, now) {
            return Some(Evicted { key, idle, reason: EvictReason::Expired });
        }
        if self.limits.max_idle_per_key == 0 || self.limits.max_idle_total == 0 {
            return Some(Evicted { key, idle, reason: EvictReason::PoolFull });
        }
        let is_full = self.len >= self.limits.max_idle_total;
        let evicted = if is_full { self.longest_idle_key().and_then(|peer| self.evict_oldest(peer)) } else { None };
        let buffer = self.stacks.entry(key).or_default();
        // On the shelf what is laid down may have rested longer than what lies there; in a worker it never has.
        let place = buffer.iter().rposition(|older| older.idle_since <= idle.idle_since).map_or(0, |below| below + 1);
        buffer.insert(place, idle);
        self.len += 1;
        evicted
    }
    // ANCHOR_END: put

    // ANCHOR: take
    /// Takes the connection to `peer` that came back last, has rested for less than `within` and that `fit` finds fit for
    /// use. Those that are not, or have had their time, go to `removed`. Those that have only rested too long for this
    /// request stay for others.
    pub fn take(
        &mut self,
        key: PoolKey,
        now: Instant,
        max_idle: Duration,
        mut is_reusable: impl FnMut(&mut C) -> bool,
        mut on_evict: impl FnMut(Evicted<C>),
    ) -> Option<IdleConnection<C>> {
        let buffer = self.stacks.get_mut(&key)?;
        let mut found = None;
        while let Some(mut idle) = buffer.pop_back() {
            self.len -= 1;
            let reason = if !self.limits.allows_idle(&idle, now) {
                EvictReason::Expired
            } else if now.saturating_duration_since(idle.idle_since) >= max_idle {
                // And so have all that lie below it.
                buffer.push_back(idle);
                self.len += 1;
                break;
            } else if !is_reusable(&mut idle.connection) {
                EvictReason::Stale
            } else {
                found = Some(idle);
                break;
            };
            on_evict(Evicted { key, idle, reason });
        }
        found
    }
    // ANCHOR_END: take

    /// Looks at all: those that `fit` finds unfit, that have had their time, or that are more than may rest for their peer
    /// go to `removed`.
    pub fn sweep(
        &mut self,
        now: Instant,
        mut is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        mut on_evict: impl FnMut(Evicted<C>),
    ) {
        for (&key, buffer) in &mut self.stacks {
            for _ in 0..buffer.len() {
                let Some(mut idle) = buffer.pop_front() else { break };
                let reason = if !self.limits.allows_idle(&idle, now) {
                    EvictReason::Expired
                } else if !is_reusable(key, &mut idle.connection) {
                    EvictReason::Stale
                } else {
                    buffer.push_back(idle);
                    continue;
                };
                self.len -= 1;
                on_evict(Evicted { key, idle, reason });
            }
            let surplus = buffer.len().saturating_sub(self.limits.max_idle_per_key);
            self.len -= surplus;
            buffer.drain(..surplus).for_each(|idle| on_evict(Evicted { key, idle, reason: EvictReason::PoolFull }));
        }
        self.stacks.retain(|_, lane| !lane.is_empty());
    }

    /// Takes the connection that has rested longest, if it has rested for `at_least`: a surplus, as those that came back
    /// later were enough meanwhile.
    pub fn take_longest_idle(&mut self, at_least: Duration, now: Instant) -> Option<(PoolKey, IdleConnection<C>)> {
        let key = self.longest_idle_key()?;
        let oldest = self.stacks.get(&key)?.front()?;
        if now.saturating_duration_since(oldest.idle_since) < at_least {
            return None;
        }
        self.evict_oldest(key).map(|on_evict| (on_evict.key, on_evict.idle))
    }

    /// The peer of the connection that has rested longest. Looks at one connection of each lane.
    fn longest_idle_key(&self) -> Option<PoolKey> {
        let fronts = self.stacks.iter().filter_map(|(key, buffer)| Some((buffer.front()?.idle_since, *key)));
        fronts.min_by_key(|(since, _)| *since).map(|(_, peer)| peer)
    }

    fn evict_oldest(&mut self, key: PoolKey) -> Option<Evicted<C>> {
        let buffer = self.stacks.get_mut(&key)?;
        let idle = buffer.pop_front()?;
        self.len -= 1;
        Some(Evicted { key, idle, reason: EvictReason::PoolFull })
    }
}
