//! GCRA by the crate `governor`, for comparison: `alg=governor`.
//!
//! **Use it** in your own programs: it is well maintained, and its keyed limiters come with a map. Here it does
//! the arithmetic only, on the words of our key table, which has a bound; its own map grows until you sweep it.
//!
//! **Cost** and **burst**: as [`gcra`](super::gcra). It counts whole nanoseconds and rounds the interval down, so at
//! 999,983 per second it lets through 0.002 % too many.

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use governor::{
    Quota as GovernorQuota, RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

use super::{Algorithm, Decision};
use crate::rate::Quota;

/// `governor`'s GCRA for one quota.
#[derive(Debug)]
pub struct GovernorGcra {
    quota: GovernorQuota,
    /// In nanoseconds.
    interval: u64,
}

/// A clock that shows the time it was set to.
#[derive(Clone, Debug, Default)]
struct SetClock(Cell<u64>);

impl Clock for SetClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get().into()
    }
}

/// A word of the key table as a store.
#[derive(Debug)]
struct Word<'a>(&'a AtomicU64);

impl StateStore for Word<'_> {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut word = self.0.load(Relaxed);
        loop {
            let (outcome, next) = decide(Some(word.into()).filter(|_| word != 0))?;
            match self.0.compare_exchange_weak(word, next.into(), Relaxed, Relaxed) {
                Ok(_) => return Ok(outcome),
                Err(moved) => word = moved,
            }
        }
    }
}

/// Reports what remains.
type Limiter<'a> = RateLimiter<NotKeyed, Word<'a>, SetClock, StateInformationMiddleware>;

impl GovernorGcra {
    /// For this quota.
    #[expect(clippy::missing_panics_doc, reason = "no rate has an interval of 0")]
    pub fn new(quota: Quota) -> Self {
        let interval = quota.rate.period().duration() / quota.rate.count().get();
        let of_interval = GovernorQuota::with_period(interval).expect("at most a million per second: a microsecond");
        Self { quota: of_interval.allow_burst(quota.burst), interval: nanos(interval) }
    }

    /// The time until one more would pass, by the arrival time in the word.
    fn reset(&self, state: &AtomicU64, now: u64) -> Duration {
        let owed = state.load(Relaxed).saturating_sub(now);
        let part = owed % self.interval;
        Duration::from_nanos(if owed > 0 && part == 0 { self.interval } else { part })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Algorithm for GovernorGcra {
    type State = AtomicU64;

    fn check(&self, state: &AtomicU64, cost: u32, now: Duration) -> Decision {
        let now = nanos(now);
        // A limiter is a few words around the store, and remembers the time of its creation: 0 for us.
        let limiter = Limiter::new(self.quota, Word(state), SetClock::default());
        limiter.clock().0.set(now);
        let outcome = NonZeroU32::new(cost).map(|cost| limiter.check_n(cost));
        let burst = self.quota.burst_size().get();
        let remaining = || {
            let owed = state.load(Relaxed).saturating_sub(now).div_ceil(self.interval);
            burst.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
        };
        match outcome {
            None => Decision::allowed(remaining(), self.reset(state, now)),
            Some(Ok(Ok(snapshot))) => Decision::allowed(snapshot.remaining_burst_capacity(), self.reset(state, now)),
            Some(Ok(Err(not_until))) => {
                Decision::refused(remaining(), self.reset(state, now), not_until.wait_time_from(now.into()))
            }
            Some(Err(_insufficient_capacity)) => Decision::refused(remaining(), self.reset(state, now), Duration::MAX),
        }
    }

    fn give_back(&self, state: &AtomicU64, cost: u32, _now: Duration) {
        let taken = self.interval.saturating_mul(cost.into());
        let _ = state.fetch_update(Relaxed, Relaxed, |word| Some(word.saturating_sub(taken)));
    }

    fn is_idle(&self, state: &AtomicU64, now: Duration) -> bool {
        state.load(Relaxed) <= nanos(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn governor_decides_as_our_gcra_does() {
        let quota = Quota::new("10/s".parse().unwrap()).with_burst(NonZeroU32::new(3).unwrap()).unwrap();
        let (ours, theirs) = (super::super::Gcra::new(quota), GovernorGcra::new(quota));
        let (our_state, their_state) = (AtomicU64::default(), AtomicU64::default());
        for (ms, cost) in [(0, 1), (0, 1), (0, 1), (40, 1), (100, 1), (100, 1), (350, 2), (350, 1), (900, 4), (900, 3)]
        {
            let now = Duration::from_millis(ms);
            assert_eq!(theirs.check(&their_state, cost, now), ours.check(&our_state, cost, now), "{ms} ms, {cost}");
        }
    }
}
