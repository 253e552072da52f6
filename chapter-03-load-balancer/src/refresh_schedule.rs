//! When each name is looked up next.
//!
//! At every interval, and sooner once a connect has failed: the name may have moved. But a backend that is down fails
//! every connect, and a lookup for each would be an attack on the name server, so a name is looked up at most once per
//! [`MIN_LOOKUP_INTERVAL`]. No clock and no resolver: [`dns_refresher`](crate::dns_refresher) has both.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The shortest time between two lookups of a name.
pub const MIN_LOOKUP_INTERVAL: Duration = Duration::from_secs(1);
/// How much later than planned a lookup may be, as a fraction of its interval: so that many balancers which lose the
/// same backend do not ask the name server in step.
const JITTER: f64 = 0.1;

/// When each name is looked up next.
#[derive(Debug)]
pub struct RefreshSchedule {
    interval: Duration,
    names: HashMap<String, NextLookup>,
}

#[derive(Debug, Clone, Copy)]
struct NextLookup {
    /// The next lookup if no connect fails.
    regular: Instant,
    /// The next lookup if one fails.
    earliest: Instant,
}

impl RefreshSchedule {
    /// A schedule that looks up each name every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, names: HashMap::new() }
    }

    /// When to look up `host`, with or without a failed connect. A name that is new was looked up just before `now`.
    pub fn next_lookup(&mut self, host: &str, connect_failed: bool, now: Instant) -> Instant {
        if !self.names.contains_key(host) {
            self.record_lookup(host, now, 0);
        }
        self.names.get(host).map_or(now, |next| if connect_failed { next.earliest } else { next.regular })
    }

    /// Records that a lookup of `host` has ended at `now`. `random` is a uniform number for the jitter.
    pub fn record_lookup(&mut self, host: &str, now: Instant, random: u64) {
        let fraction = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let later = |interval: Duration| now + interval.mul_f64(1.0 + JITTER * fraction);
        let next = NextLookup {
            regular: later(self.interval),
            // An interval that is shorter was asked for.
            earliest: later(self.interval.min(MIN_LOOKUP_INTERVAL)),
        };
        self.names.insert(host.to_owned(), next);
    }

    /// Forgets the names that no backend has any more.
    pub fn retain(&mut self, is_in_use: impl Fn(&str) -> bool) {
        self.names.retain(|host, _| is_in_use(host));
    }
}

#[cfg(test)]
mod tests {
    use common::clock::now;

    use super::*;

    const HOST: &str = "backend.test";

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_name_is_looked_up_at_every_interval_and_soon_after_a_failed_connect() {
        let (start, mut schedule) = (now(), RefreshSchedule::new(seconds(10.0)));
        assert_eq!(schedule.next_lookup(HOST, false, start), start + seconds(10.0));
        assert_eq!(schedule.next_lookup(HOST, true, start), start + seconds(1.0));
        let looked_up = start + seconds(10.0);
        schedule.record_lookup(HOST, looked_up, 0);
        assert_eq!(schedule.next_lookup(HOST, false, looked_up), looked_up + seconds(10.0));
        assert_eq!(schedule.next_lookup(HOST, true, looked_up + seconds(5.0)), looked_up + seconds(1.0), "due already");
    }

    #[test]
    fn a_backend_that_stays_down_causes_one_lookup_per_second() {
        let (start, mut schedule) = (now(), RefreshSchedule::new(seconds(10.0)));
        let mut lookups = 0;
        for millis in 0..10_000 {
            let at = start + Duration::from_millis(millis);
            if schedule.next_lookup(HOST, true, at) <= at {
                lookups += 1;
                schedule.record_lookup(HOST, at, 0);
            }
        }
        assert_eq!(lookups, 9);
    }

    #[test]
    fn jitter_only_delays() {
        let (start, mut schedule) = (now(), RefreshSchedule::new(seconds(10.0)));
        let mut delays = Vec::new();
        for random in [0, u64::MAX / 2, u64::MAX] {
            schedule.record_lookup(HOST, start, random);
            let next = [schedule.next_lookup(HOST, true, start), schedule.next_lookup(HOST, false, start)];
            delays.push(next.map(|next| ((next - start).as_secs_f64() * 100.0).round() / 100.0));
        }
        assert_eq!(delays, [[1.0, 10.0], [1.05, 10.5], [1.1, 11.0]]);
    }

    #[test]
    fn a_shorter_interval_is_kept_and_unused_names_are_forgotten() {
        let (start, mut schedule) = (now(), RefreshSchedule::new(seconds(0.5)));
        assert_eq!(schedule.next_lookup(HOST, true, start), start + seconds(0.5));
        schedule.retain(|host| host != HOST);
        assert!(schedule.names.is_empty());
    }
}
