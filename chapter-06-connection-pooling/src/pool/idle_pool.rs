//! One worker's idle connections.
//!
//! One stack per pool key: the connection that was returned last is taken first. So as few as possible stay in use, and
//! the others stay idle until they exceed a limit or the idle timeout. A queue (FIFO) would keep all of them warm
//! forever, and hand out the one that its backend is about to close.
//!
//! Only idle connections are here, so no rule of this file can ever close or hand out a connection in use.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    connection_pool::ConnectionPool,
    idle_connection::{ConnectionMeta, EvictReason, Evicted, IdleConnection, PoolKey},
    limits::PoolLimits,
};

/// Idle connections, by pool key.
#[derive(Debug)]
pub struct IdlePool<C> {
    limits: PoolLimits,
    /// The longest idle connection in front. An empty stack stays until the next sweep: most are needed again soon.
    /// There are two lookups per request, so the hash is a fast one: no client chooses a key, so none can attack it.
    stacks: HashMap<PoolKey, VecDeque<IdleConnection<C>>, RandomState>,
    len: usize,
}

impl<C: Debug + 'static> ConnectionPool<C> for IdlePool<C> {
    fn new(limits: PoolLimits) -> Self {
        Self { limits, stacks: HashMap::default(), len: 0 }
    }

    // ANCHOR: put
    /// At most one is evicted, so that no put takes longer than another. The limit per key is enforced by the sweep.
    /// When many requests end at once, more connections are returned than may stay idle, and most are needed again a
    /// moment later: closing them here would cost new connects.
    fn put(&mut self, key: PoolKey, connection: C, meta: ConnectionMeta, now: Instant) -> Option<Evicted<C>> {
        let idle = IdleConnection { connection, meta, idle_since: now };
        if !self.limits.allows_reuse(meta, now) {
            return Some(Evicted { key, idle, reason: EvictReason::Expired });
        }
        if self.limits.max_idle_per_key == 0 || self.limits.max_idle_total == 0 {
            return Some(Evicted { key, idle, reason: EvictReason::PoolFull });
        }
        let is_full = self.len >= self.limits.max_idle_total;
        let evicted = if is_full { self.longest_idle_key().and_then(|key| self.evict_oldest(key)) } else { None };
        let stack = self.stacks.entry(key).or_default();
        // In the shared pool, a new entry may have been idle longer than those there; in a worker's pool it never has.
        let at = stack.iter().rposition(|older| older.idle_since <= idle.idle_since).map_or(0, |below| below + 1);
        stack.insert(at, idle);
        self.len += 1;
        evicted
    }
    // ANCHOR_END: put

    // ANCHOR: take
    /// Takes the one that was returned last. Those that have only been idle too long for this request stay for others.
    fn take(
        &mut self,
        key: PoolKey,
        now: Instant,
        max_idle: Duration,
        mut is_reusable: impl FnMut(&mut C) -> bool,
        mut on_evict: impl FnMut(Evicted<C>),
    ) -> Option<IdleConnection<C>> {
        let stack = self.stacks.get_mut(&key)?;
        let mut found = None;
        while let Some(mut idle) = stack.pop_back() {
            self.len -= 1;
            let idle_for = now.saturating_duration_since(idle.idle_since);
            let reason = if !self.limits.allows_reuse(idle.meta, now) || idle_for >= self.limits.idle_timeout {
                EvictReason::Expired
            } else if idle_for >= max_idle {
                // And so have all those below it.
                stack.push_back(idle);
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

    fn sweep(
        &mut self,
        now: Instant,
        mut is_reusable: impl FnMut(PoolKey, &mut C) -> bool,
        mut on_evict: impl FnMut(Evicted<C>),
    ) {
        for (&key, stack) in &mut self.stacks {
            for _ in 0..stack.len() {
                let Some(mut idle) = stack.pop_front() else { break };
                let reason = if !self.limits.allows_idle(&idle, now) {
                    EvictReason::Expired
                } else if !is_reusable(key, &mut idle.connection) {
                    EvictReason::Stale
                } else {
                    stack.push_back(idle);
                    continue;
                };
                self.len -= 1;
                on_evict(Evicted { key, idle, reason });
            }
            let excess = stack.len().saturating_sub(self.limits.max_idle_per_key);
            self.len -= excess;
            stack.drain(..excess).for_each(|idle| on_evict(Evicted { key, idle, reason: EvictReason::PoolFull }));
        }
        self.stacks.retain(|_, stack| !stack.is_empty());
    }

    fn take_longest_idle(&mut self, min_idle: Duration, now: Instant) -> Option<(PoolKey, IdleConnection<C>)> {
        let key = self.longest_idle_key()?;
        let oldest = self.stacks.get(&key)?.front()?;
        if now.saturating_duration_since(oldest.idle_since) < min_idle {
            return None;
        }
        self.evict_oldest(key).map(|evicted| (evicted.key, evicted.idle))
    }

    fn len_of(&self, key: PoolKey) -> usize {
        self.stacks.get(&key).map_or(0, VecDeque::len)
    }
}

impl<C> IdlePool<C> {
    /// How many connections are idle.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is idle.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The key of the longest idle connection. Looks at one connection per stack.
    fn longest_idle_key(&self) -> Option<PoolKey> {
        let fronts = self.stacks.iter().filter_map(|(key, stack)| Some((stack.front()?.idle_since, *key)));
        fronts.min_by_key(|(since, _)| *since).map(|(_, key)| key)
    }

    fn evict_oldest(&mut self, key: PoolKey) -> Option<Evicted<C>> {
        let stack = self.stacks.get_mut(&key)?;
        let idle = stack.pop_front()?;
        self.len -= 1;
        Some(Evicted { key, idle, reason: EvictReason::PoolFull })
    }
}
