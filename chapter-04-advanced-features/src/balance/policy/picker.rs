//! One algorithm over the backends that may be picked now: what the request path asks.
//!
//! A picker is immutable and cheap to throw away: when a backend comes, goes, falls ill or gets another weight, a
//! new one is built beside the traffic and put in its place, with the same [`Turns`]. So the tables hold exactly
//! those that are up, and a pick needs no lock. What changes from request to request (who was tried already, who
//! is full) comes in as a question.

use std::{sync::Arc, time::Instant};

use super::{
    algorithm::Algorithm,
    bounded_load::{ConsistentHash, LoadBound},
    candidate::{Candidate, HashedCandidate},
    counters::PickCounters,
    ketama::KetamaRing,
    least_connections,
    maglev::Maglev,
    peak_ewma, power_of_two_choices, random,
    rendezvous::Rendezvous,
    round_robin, source_hash,
    weighted_distribution::WeightedDistribution,
    weighted_round_robin::WeightedCycle,
};

/// Picks one of its candidates.
#[derive(Debug)]
pub struct Picker<C> {
    candidates: Vec<C>,
    state: PolicyState,
    load_bound: Option<LoadBound>,
    counters: Arc<PickCounters>,
}

/// What an algorithm works out in advance.
#[derive(Debug)]
enum PolicyState {
    RoundRobin,
    WeightedRoundRobin(WeightedCycle),
    LeastConnections,
    WeightedLeastConnections(WeightedDistribution),
    Random(WeightedDistribution),
    PowerOfTwoChoices(WeightedDistribution),
    PeakEwma(WeightedDistribution),
    SourceHash(WeightedDistribution),
    Ketama(KetamaRing),
    Rendezvous(Rendezvous),
    Maglev(Maglev),
}

impl PolicyState {
    fn new(algorithm: Algorithm, members: &[HashedCandidate]) -> Self {
        let weights = || members.iter().map(|member| member.weight);
        match algorithm {
            Algorithm::RoundRobin => Self::RoundRobin,
            Algorithm::WeightedRoundRobin => {
                Self::WeightedRoundRobin(WeightedCycle::new(&weights().collect::<Vec<_>>()))
            }
            Algorithm::LeastConnections => Self::LeastConnections,
            Algorithm::WeightedLeastConnections => Self::WeightedLeastConnections(WeightedDistribution::new(weights())),
            Algorithm::Random => Self::Random(WeightedDistribution::new(weights())),
            Algorithm::PowerOfTwoChoices => Self::PowerOfTwoChoices(WeightedDistribution::new(weights())),
            Algorithm::PeakEwma => Self::PeakEwma(WeightedDistribution::new(weights())),
            Algorithm::SourceHash => Self::SourceHash(WeightedDistribution::new(weights())),
            Algorithm::Ketama => Self::Ketama(KetamaRing::new(members)),
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
    pub fn new(
        algorithm: Algorithm,
        balance_factor: Option<f64>,
        candidates: Vec<C>,
        counters: Arc<PickCounters>,
    ) -> Self {
        let members: Vec<HashedCandidate> = candidates.iter().map(HashedCandidate::new).collect();
        let bound = balance_factor.filter(|_| algorithm.is_consistent_hash());
        let load_bound =
            bound.map(|factor| LoadBound::new(factor, members.iter().map(|member| member.weight).collect()));
        Self { state: PolicyState::new(algorithm, &members), load_bound, candidates, counters }
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
    pub fn pick(&self, key: u64, now: Instant, eligible: impl Fn(&C) -> bool) -> Option<&C> {
        match self.candidates.as_slice() {
            [] => None,
            [single] => eligible(single).then_some(single),
            candidates => self.pick_index(key, now, |slot| eligible(&candidates[slot])).map(|slot| &candidates[slot]),
        }
    }

    /// As [`pick`](Self::pick), for two candidates or more, by their places.
    fn pick_index(&self, key: u64, now: Instant, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = self.candidates.as_slice();
        let load = |slot: usize| candidates[slot].in_flight();
        let sequence = || self.counters.next_round_robin();
        match &self.state {
            PolicyState::RoundRobin => round_robin::pick(sequence(), candidates.len(), usable),
            PolicyState::WeightedRoundRobin(cycle) => cycle.pick(sequence(), usable),
            PolicyState::LeastConnections => least_connections::pick(candidates.len(), load, usable, sequence),
            PolicyState::WeightedLeastConnections(shares) => {
                least_connections::pick_weighted(shares, load, usable, sequence)
            }
            PolicyState::Random(shares) => random::pick(shares, self.counters.next_random(), usable),
            PolicyState::PowerOfTwoChoices(shares) => {
                let cost = |slot: usize| power_of_two_choices::load_per_weight(load(slot), candidates[slot].weight());
                power_of_two_choices::pick(shares, self.counters.next_random(), cost, usable)
            }
            PolicyState::PeakEwma(shares) => {
                let cost = |slot: usize| {
                    let candidate = &candidates[slot];
                    peak_ewma::cost(candidate.latency(now), candidate.in_flight(), candidate.weight())
                };
                power_of_two_choices::pick(shares, self.counters.next_random(), cost, usable)
            }
            PolicyState::SourceHash(shares) => source_hash::pick(shares, key, usable),
            PolicyState::Ketama(ring) => self.pick_consistent(ring, key, usable),
            PolicyState::Rendezvous(rendezvous) => self.pick_consistent(rendezvous, key, usable),
            PolicyState::Maglev(maglev) => self.pick_consistent(maglev, key, usable),
        }
    }

    fn pick_consistent(&self, table: &impl ConsistentHash, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        match &self.load_bound {
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
    struct FakeBackend {
        name: u64,
        in_flight: u32,
    }

    impl Candidate for FakeBackend {
        fn name_hash(&self) -> u64 {
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

    fn picker(algorithm: Algorithm, factor: Option<f64>, loads: &[u32]) -> Picker<FakeBackend> {
        let fakes = (0..).zip(loads).map(|(name, in_flight)| FakeBackend { name, in_flight: *in_flight });
        Picker::new(algorithm, factor, fakes.collect(), Arc::new(PickCounters::with_seed(1)))
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
        let turns = Arc::new(PickCounters::default());
        let fakes: Vec<FakeBackend> = (0..3).map(|name| FakeBackend { name, in_flight: 0 }).collect();
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
            if algorithm.is_consistent_hash() {
                assert!((0..1_000).all(|key| picked(key) != 0), "{algorithm}");
            }
            // The only one that is allowed, though far beyond its bound.
            assert_eq!(bounded.pick(1, now(), |fake| fake.name == 0), Some(&bounded.candidates()[0]), "{algorithm}");
        }
    }
}
