//! How many connections may rest, and for how long.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use super::idle_connection::{Idle, Life};

/// What bounds a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that may rest for each peer once a sweep has been there; until the next there may be more.
    pub per_peer: usize,
    /// Connections that may rest in all.
    pub total: usize,
    /// How long one may rest. Shorter than the backend's own limit: else it closes the one that is just taken.
    pub rest: Duration,
    /// How old one may become before it is not used again, so that a backend's new address, or a new server behind an
    /// old one, gets its share.
    pub age: Duration,
    /// How many requests one may serve.
    pub requests: u32,
}

/// Of what may rest in a process with several cores, this part lies on the shelf.
const SHELF: usize = 4;

impl Limits {
    /// What one of so many cores may keep of what the process may.
    #[must_use]
    pub fn of_a_core(self, cores: NonZeroUsize) -> Self {
        let part = |all: usize| if cores.get() == 1 { all } else { (all - all / SHELF) / cores };
        Self { per_peer: part(self.per_peer), total: part(self.total), ..self }
    }

    /// What remains for the shelf: with one core nothing, as nobody is there to share with.
    #[must_use]
    pub fn of_the_shelf(self, cores: NonZeroUsize) -> Self {
        let core = self.of_a_core(cores);
        let rest = |all: usize, core: usize| all - core * cores.get();
        Self { per_peer: rest(self.per_peer, core.per_peer), total: rest(self.total, core.total), ..self }
    }

    /// Whether a connection may serve once more.
    pub fn allow(&self, life: Life, now: Instant) -> bool {
        life.requests < self.requests && now.saturating_duration_since(life.born) < self.age
    }

    /// Whether one that rests may rest on.
    pub fn allow_rest<C>(&self, idle: &Idle<C>, now: Instant) -> bool {
        self.allow(idle.life, now) && now.saturating_duration_since(idle.since) < self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        per_peer: 256,
        total: 4096,
        rest: Duration::from_secs(30),
        age: Duration::from_hours(1),
        requests: 10_000,
    };

    #[test]
    fn cores_and_shelf_have_together_what_the_process_may_have() {
        for cores in 1..=300 {
            let cores = NonZeroUsize::new(cores).unwrap();
            let (core, shelf) = (LIMITS.of_a_core(cores), LIMITS.of_the_shelf(cores));
            assert_eq!(core.per_peer * cores.get() + shelf.per_peer, 256, "{cores}");
            assert_eq!(core.total * cores.get() + shelf.total, 4096, "{cores}");
        }
        assert_eq!(LIMITS.of_a_core(NonZeroUsize::MIN), LIMITS);
        let four = NonZeroUsize::new(4).unwrap();
        assert_eq!((LIMITS.of_a_core(four).per_peer, LIMITS.of_the_shelf(four).per_peer), (48, 64));
    }

    #[test]
    fn a_connection_ends_with_its_rest_its_age_and_its_requests() {
        let born = common::clock::now();
        let at = |seconds| born + Duration::from_secs(seconds);
        let idle = |requests, since| Idle { connection: (), life: Life { born, requests }, since };
        assert!(LIMITS.allow_rest(&idle(9_999, at(10)), at(39)));
        assert!(!LIMITS.allow_rest(&idle(9_999, at(10)), at(40)));
        assert!(!LIMITS.allow_rest(&idle(10_000, at(10)), at(11)));
        assert!(LIMITS.allow_rest(&idle(1, at(3_599)), at(3_599)));
        assert!(!LIMITS.allow_rest(&idle(1, at(3_599)), at(3_600)));
    }
}
