//! One algorithm over the backends that may be picked now: what the request path asks.
//!
//! A picker is immutable and cheap to throw away: when a backend comes, goes, falls ill or gets another weight, a
//! new one is built beside the traffic and put in its place, with the same [`Turns`]. So the tables hold exactly
//! those that are up, and a pick needs no lock. What changes from request to request (who was tried already, who
//! is full) comes in as a question.

use std::{sync::Arc, time::Instant};

use super::{
    algorithm::Algorithm,
    bounded_load::{Bound, Consistent},
    candidate::{Candidate, Member},
    counters::Turns,
    ketama::Ring,
    least_connections,
    maglev::Maglev,
    peak_ewma, power_of_two_choices, random,
    rendezvous::Rendezvous,
    round_robin, source_hash,
    weighted_distribution::Shares,
    weighted_round_robin::Cycle,
};

/// Picks one of its candidates.
#[derive(Debug)]
pub struct Picker<C> {
    candidates: Vec<C>,
    table: Table,
    bound: Option<Bound>,
    turns: Arc<Turns>,
}

/// What an algorithm works out in advance.
#[derive(Debug)]
enum Table {
    RoundRobin,
    Weighted(Cycle),
    Least,
    WeightedLeast(Shares),
    Random(Shares),
    TwoChoices(Shares),
    PeakEwma(Shares),
    SourceHash(Shares),
    Ketama(Ring),
    Rendezvous(Rendezvous),
    Maglev(Maglev),
}

impl Table {
    fn new(algorithm: Algorithm, members: &[Member]) -> Self {
        let weights = || members.iter().map(|member| member.weight);
        match algorithm {
            Algorithm::RoundRobin => Self::RoundRobin,
            Algorithm::WeightedRoundRobin => Self::Weighted(Cycle::new(&weights().collect::<Vec<_>>())),
            Algorithm::LeastConnections => Self::Least,
            Algorithm::WeightedLeastConnections => Self::WeightedLeast(Shares::new(weights())),
            Algorithm::Random => Self::Random(Shares::new(weights())),
            Algorithm::TwoChoices => Self::TwoChoices(Shares::new(weights())),
            Algorithm::PeakEwma => Self::PeakEwma(Shares::new(weights())),
            Algorithm::SourceHash => Self::SourceHash(Shares::new(weights())),
            Algorithm::Ketama => Self::Ketama(Ring::new(members)),
            Algorithm::Rendezvous => Self::Rendezvous(Rendezvous::new(members)),
            Algorithm::Maglev => Self::Maglev(Maglev::new(members)),
        }
    }
}

impl<C: Candidate> Picker<C> {
    /// A picker over these candidates. `balance_factor` bounds the load of the consistent hashes
    /// ([`super::bounded_load`]); the other algorithms have no use for it.
    ///
    /// To build takes microseconds, for long cycles and Maglev's table milliseconds: not on the request path.
    pub fn new(algorithm: Algorithm, balance_factor: Option<f64>, candidates: Vec<C>, turns: Arc<Turns>) -> Self {
        let members: Vec<Member> = candidates.iter().map(Member::of).collect();
        let bound = balance_factor.filter(|_| algorithm.is_consistent());
        let bound = bound.map(|factor| Bound::new(factor, members.iter().map(|member| member.weight).collect()));
        Self { table: Table::new(algorithm, &members), bound, candidates, turns }
    }

    /// Those to pick from.
    pub fn candidates(&self) -> &[C] {
        &self.candidates
    }

    /// Picks an allowed candidate; `None` only if none is allowed.
    ///
    /// `key` is the hash of what is to stay at one backend; only the hashes read it. `allowed` is to be false for
    /// those that this request has tried and those at their limit. It may be asked more than once about the same
    /// candidate, so it must not count its questions: whoever takes a slot takes it from what was picked, and
    /// picks again if it is gone.
    pub fn pick(&self, key: u64, now: Instant, allowed: impl Fn(&C) -> bool) -> Option<&C> {
        match self.candidates.as_slice() {
            [] => None,
            [only] => allowed(only).then_some(only),
            candidates => self.slot(key, now, |slot| allowed(&candidates[slot])).map(|slot| &candidates[slot]),
        }
    }

    /// As [`pick`](Self::pick), for two candidates or more, by their places.
    fn slot(&self, key: u64, now: Instant, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = self.candidates.as_slice();
        let load = |slot: usize| candidates[slot].in_flight();
        let turn = || self.turns.turn();
        match &self.table {
            Table::RoundRobin => round_robin::pick(turn(), candidates.len(), usable),
            Table::Weighted(cycle) => cycle.pick(turn(), usable),
            Table::Least => least_connections::pick(candidates.len(), load, usable, turn),
            Table::WeightedLeast(shares) => least_connections::pick_weighted(shares, load, usable, turn),
            Table::Random(shares) => random::pick(shares, self.turns.random(), usable),
            Table::TwoChoices(shares) => {
                let cost = |slot: usize| power_of_two_choices::cost(load(slot), candidates[slot].weight());
                power_of_two_choices::pick(shares, self.turns.random(), cost, usable)
            }
            Table::PeakEwma(shares) => {
                let cost = |slot: usize| {
                    let candidate = &candidates[slot];
                    peak_ewma::cost(candidate.latency(now), candidate.in_flight(), candidate.weight())
                };
                power_of_two_choices::pick(shares, self.turns.random(), cost, usable)
            }
            Table::SourceHash(shares) => source_hash::pick(shares, key, usable),
            Table::Ketama(ring) => self.consistent(ring, key, usable),
            Table::Rendezvous(rendezvous) => self.consistent(rendezvous, key, usable),
            Table::Maglev(maglev) => self.consistent(maglev, key, usable),
        }
    }

    fn consistent(&self, table: &impl Consistent, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        match &self.bound {
            None => table.pick(key, usable),
            Some(bound) => bound.pick(table, key, |slot| self.candidates[slot].in_flight(), usable),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::policy::hash;

    /// A backend made of numbers.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Fake {
        name: u64,
        in_flight: u32,
    }

    impl Candidate for Fake {
        fn key(&self) -> u64 {
            hash::mix(self.name)
        }

        fn weight(&self) -> u32 {
            1
        }

        fn in_flight(&self) -> u32 {
            self.in_flight
        }

        fn latency(&self, _now: Instant) -> Duration {
            Duration::from_millis(1)
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an instant can be had nowhere else; it does not matter which")]
    fn now() -> Instant {
        Instant::now()
    }

    fn picker(algorithm: Algorithm, factor: Option<f64>, loads: &[u32]) -> Picker<Fake> {
        let fakes = (0..).zip(loads).map(|(name, in_flight)| Fake { name, in_flight: *in_flight });
        Picker::new(algorithm, factor, fakes.collect(), Arc::new(Turns::seeded(1)))
    }

    #[test]
    fn of_none_nobody_and_of_one_that_one_if_allowed() {
        for algorithm in Algorithm::all() {
            assert_eq!(picker(algorithm, None, &[]).pick(7, now(), |_| true), None);
            let one = picker(algorithm, Some(1.25), &[9]);
            assert_eq!(one.pick(7, now(), |_| true), Some(&one.candidates()[0]));
            assert_eq!(one.pick(7, now(), |_| false), None);
        }
    }

    #[test]
    fn turns_go_on_in_the_next_picker() {
        let turns = Arc::new(Turns::default());
        let fakes: Vec<Fake> = (0..3).map(|name| Fake { name, in_flight: 0 }).collect();
        let pick = || {
            let rebuilt = Picker::new(Algorithm::RoundRobin, None, fakes.clone(), Arc::clone(&turns));
            rebuilt.pick(0, now(), |_| true).map(|picked| picked.name)
        };
        assert_eq!([pick(), pick(), pick(), pick()], [Some(0), Some(1), Some(2), Some(0)]);
    }

    #[test]
    fn the_bound_holds_for_consistent_hashes_and_gives_way_to_need() {
        for algorithm in Algorithm::all() {
            let bounded = picker(algorithm, Some(1.25), &[100, 0, 0]);
            let picked = |key| bounded.pick(key, now(), |_| true).unwrap().name;
            if algorithm.is_consistent() {
                assert!((0..1_000).all(|key| picked(key) != 0), "{algorithm}");
            }
            // The only one that is allowed, though far beyond its bound.
            assert_eq!(bounded.pick(1, now(), |fake| fake.name == 0), Some(&bounded.candidates()[0]), "{algorithm}");
        }
    }
}
