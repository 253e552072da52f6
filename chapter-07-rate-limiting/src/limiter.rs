//! A limit by key: an algorithm, and the table of its states.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    algorithm::{Algorithm, Decision},
    table::{Key, KeyTable, Slot},
};

/// A decision, and where it was made.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// The decision.
    pub decision: Decision,
    /// `None`: what the keys without a slot share.
    slot: Option<Slot>,
}

/// A limit for each key.
///
/// Called on the request path by all workers at once: nothing blocks, and a known key takes no lock (the log's own
/// excepted). `now` is the time since a moment that is the same in all calls.
pub trait RateLimiter: Debug + Send + Sync {
    /// Takes `cost` of the key's share, if it is available.
    fn check(&self, key: Key, cost: u32, now: Duration) -> Checked;

    /// Gives back what `checked` has taken shortly before, and tells what is left then.
    fn give_back(&self, checked: &Checked, cost: u32, now: Duration) -> Decision;

    /// How many requests had no state of their own, because the table was full.
    fn overflows(&self) -> u64;

    /// The most memory that it can take, in bytes.
    fn max_bytes(&self) -> usize;
}

/// A limit by `A` for each key.
#[derive(Debug)]
pub struct KeyedLimiter<A: Algorithm> {
    algorithm: A,
    /// `None` if all requests are counted together.
    table: Option<KeyTable<A::State>>,
    /// What new keys share while the table is full. Unlimited they would be an attacker's way around the limit, and
    /// refused, an attacker's way to lock out everybody else.
    shared: A::State,
    overflows: AtomicU64,
}

impl<A: Algorithm> KeyedLimiter<A> {
    /// For `keys` keys at a time. For 0 keys it is one limit, whatever the key.
    pub fn new(algorithm: A, keys: usize) -> Self {
        let table = (keys > 0).then(|| KeyTable::new(keys));
        Self { algorithm, table, shared: A::State::default(), overflows: AtomicU64::new(0) }
    }

    fn state(&self, slot: Option<Slot>) -> &A::State {
        self.table.as_ref().zip(slot).map_or(&self.shared, |(table, slot)| table.state(slot))
    }
}

impl<A: Algorithm> RateLimiter for KeyedLimiter<A> {
    fn check(&self, key: Key, cost: u32, now: Duration) -> Checked {
        if let Some(table) = &self.table {
            let taken = table.with_state(
                key,
                |state| self.algorithm.is_idle(state, now),
                |state| self.algorithm.check(state, cost, now),
                |state, decision| {
                    if decision.allowed {
                        self.algorithm.give_back(state, cost, now);
                    }
                },
            );
            if let Some((slot, decision)) = taken {
                return Checked { decision, slot: Some(slot) };
            }
            self.overflows.fetch_add(1, Relaxed);
        }
        Checked { decision: self.algorithm.check(&self.shared, cost, now), slot: None }
    }

    fn give_back(&self, checked: &Checked, cost: u32, now: Duration) -> Decision {
        // Within the time of a request the state does not become idle, unless the rate is so high that what is given
        // back now would have been refilled anyway.
        let state = self.state(checked.slot);
        self.algorithm.give_back(state, cost, now);
        self.algorithm.check(state, 0, now)
    }

    fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    fn max_bytes(&self) -> usize {
        let (bytes, slots) = self.table.as_ref().map_or((0, 0), |table| (table.bytes(), table.slots()));
        bytes + size_of::<A::State>() + (slots + 1) * self.algorithm.max_heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{algorithm::Gcra, rate::Quota};

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn each_key_has_its_own_share_and_new_ones_share_one_when_the_table_is_full() {
        let limiter = KeyedLimiter::new(Gcra::new(Quota::new("5/h".parse().unwrap())), 8);
        let allowed = |key: u64, now| {
            limiter.check(Key::from_hash(key.wrapping_mul(0x9E37_79B9_7F4A_7C15)), 1, now).decision.allowed
        };
        let known = (1..=10_000).filter(|key| allowed(*key, NOW)).count();
        let slots = limiter.table.as_ref().unwrap().slots();
        assert_eq!(known, slots + 1, "and one for the rest");
        assert_eq!(limiter.overflows(), 10_000 - slots as u64);
        // An hour later all are idle, and all slots free.
        let later = Duration::from_hours(1);
        assert_eq!((20_001..=20_016).filter(|key| allowed(*key, later)).count(), 16);
        assert_eq!(limiter.overflows(), 10_000 - slots as u64);
    }

    #[test]
    fn without_keys_all_requests_are_counted_together() {
        let quota = Quota::new("1/h".parse().unwrap()).with_burst(3.try_into().unwrap()).unwrap();
        let limiter = KeyedLimiter::new(Gcra::new(quota), 0);
        let checks = [1, 2, u64::MAX].map(|hash| limiter.check(Key::from_hash(hash), 1, NOW));
        assert_eq!(checks.map(|checked| checked.decision.remaining), [2, 1, 0]);
        assert!(!limiter.check(Key::from_hash(1), 1, NOW).decision.allowed);
        assert_eq!(limiter.give_back(&checks[1], 1, NOW).remaining, 1);
        assert_eq!((limiter.overflows(), limiter.max_bytes()), (0, size_of::<u64>()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_also_by_keys_without_a_slot() {
        let limiter = KeyedLimiter::new(Gcra::new(Quota::new("1/h".parse().unwrap())), 8);
        let full = |number: u64| limiter.check(Key::from_hash(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)), 1, NOW);
        let first = full(1);
        assert!(first.decision.allowed && !full(1).decision.allowed);
        assert_eq!(limiter.give_back(&first, 1, NOW).remaining, 1);
        assert!(full(1).decision.allowed);
        let shared = (2..1_000).map(full).find(|checked| checked.slot.is_none()).unwrap();
        let overflows = limiter.overflows();
        assert!(shared.decision.allowed && limiter.give_back(&shared, 1, NOW).remaining == 1);
        assert_eq!(limiter.overflows(), overflows, "giving back is no request");
    }

    #[test]
    fn two_threads_at_one_key_let_through_exactly_the_limit() {
        let quota = Quota::new("1/h".parse().unwrap()).with_burst(5_000.try_into().unwrap()).unwrap();
        let limiter = KeyedLimiter::new(Gcra::new(quota), 64);
        let allowed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let checked = limiter.check(Key::from_hash(3), 1, NOW);
                        allowed.fetch_add(u64::from(checked.decision.allowed), Relaxed);
                    }
                });
            }
        });
        assert_eq!(allowed.into_inner(), 5_000);
    }
}
