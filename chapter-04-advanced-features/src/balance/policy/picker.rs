//! One algorithm over the backends that are up: the interface for the request path.
//!
//! A picker is immutable and cheap to replace: when a backend is added, removed, marked down or gets another weight, a
//! new picker is built off the request path and swapped in, with the same [`PickCounters`]. So the tables hold exactly
//! the backends that are up, and a pick needs no lock. What changes from request to request (which backends were
//! already tried or are at their limits) is passed in as a predicate.

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

/// What an algorithm precomputes.
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
    /// ([`super::bounded_load`]); the other algorithms ignore it.
    ///
    /// Takes microseconds, for long cycles and Maglev's table milliseconds: not for the request path.
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

    /// The candidates.
    pub fn candidates(&self) -> &[C] {
        &self.candidates
    }

    /// Picks an eligible candidate; `None` only if none is eligible.
    ///
    /// `key` is the request's hash; only the hashing algorithms use it. `eligible` is false for backends that were
    /// tried for this request and those at their limit. It may be called several times for the same candidate, so it
    /// must have no side effects: take the concurrency slot of the picked candidate afterwards, and pick again if that
    /// fails.
    pub fn pick(&self, key: u64, now: Instant, eligible: impl Fn(&C) -> bool) -> Option<&C> {
        match self.candidates.as_slice() {
            [] => None,
            [single] => eligible(single).then_some(single),
            candidates => {
                self.pick_index(key, now, |index| eligible(&candidates[index])).map(|index| &candidates[index])
            }
        }
    }

    /// As [`pick`](Self::pick), for two candidates or more; returns the index.
    fn pick_index(&self, key: u64, now: Instant, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = self.candidates.as_slice();
        let load = |index: usize| candidates[index].in_flight();
        let sequence = || self.counters.next_round_robin();
        match &self.state {
            PolicyState::RoundRobin => round_robin::pick(sequence(), candidates.len(), eligible),
            PolicyState::WeightedRoundRobin(cycle) => cycle.pick(sequence(), eligible),
            PolicyState::LeastConnections => least_connections::pick(candidates.len(), load, eligible, &self.counters),
            PolicyState::WeightedLeastConnections(distribution) => {
                least_connections::pick_weighted(distribution, load, eligible, &self.counters)
            }
            PolicyState::Random(distribution) => random::pick(distribution, self.counters.next_random(), eligible),
            PolicyState::PowerOfTwoChoices(distribution) => {
                let cost =
                    |index: usize| power_of_two_choices::load_per_weight(load(index), candidates[index].weight());
                power_of_two_choices::pick(distribution, self.counters.next_random(), cost, eligible)
            }
            PolicyState::PeakEwma(distribution) => {
                let cost = |index: usize| {
                    let candidate = &candidates[index];
                    peak_ewma::cost(candidate.latency(now), candidate.in_flight(), candidate.weight())
                };
                power_of_two_choices::pick(distribution, self.counters.next_random(), cost, eligible)
            }
            PolicyState::SourceHash(distribution) => source_hash::pick(distribution, key, eligible),
            PolicyState::Ketama(ring) => self.pick_consistent(ring, key, eligible),
            PolicyState::Rendezvous(rendezvous) => self.pick_consistent(rendezvous, key, eligible),
            PolicyState::Maglev(maglev) => self.pick_consistent(maglev, key, eligible),
        }
    }

    fn pick_consistent(
        &self,
        table: &impl ConsistentHash,
        key: u64,
        eligible: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match &self.load_bound {
            None => table.pick(key, eligible),
            Some(bound) => bound.pick(table, key, |index| self.candidates[index].in_flight(), eligible),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::policy::hash;

    /// A backend with fixed numbers.
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

    #[expect(clippy::disallowed_methods, reason = "there is no other source of an instant, and any will do")]
    fn now() -> Instant {
        Instant::now()
    }

    fn picker(algorithm: Algorithm, factor: Option<f64>, loads: &[u32]) -> Picker<FakeBackend> {
        let fakes = (0..).zip(loads).map(|(name, in_flight)| FakeBackend { name, in_flight: *in_flight });
        Picker::new(algorithm, factor, fakes.collect(), Arc::new(PickCounters::with_seed(1)))
    }

    #[test]
    fn picks_none_of_none_and_the_only_one_if_eligible() {
        for algorithm in Algorithm::all() {
            assert_eq!(picker(algorithm, None, &[]).pick(7, now(), |_| true), None);
            let one = picker(algorithm, Some(1.25), &[9]);
            assert_eq!(one.pick(7, now(), |_| true), Some(&one.candidates()[0]));
            assert_eq!(one.pick(7, now(), |_| false), None);
        }
    }

    #[test]
    fn round_robin_continues_in_the_next_picker() {
        let counters = Arc::new(PickCounters::default());
        let fakes: Vec<FakeBackend> = (0..3).map(|name| FakeBackend { name, in_flight: 0 }).collect();
        let pick = || {
            let rebuilt = Picker::new(Algorithm::RoundRobin, None, fakes.clone(), Arc::clone(&counters));
            rebuilt.pick(0, now(), |_| true).map(|picked| picked.name)
        };
        assert_eq!([pick(), pick(), pick(), pick()], [Some(0), Some(1), Some(2), Some(0)]);
    }

    #[test]
    fn bound_holds_for_consistent_hashes_unless_no_other_is_eligible() {
        for algorithm in Algorithm::all() {
            let bounded = picker(algorithm, Some(1.25), &[100, 0, 0]);
            let picked = |key| bounded.pick(key, now(), |_| true).unwrap().name;
            if algorithm.is_consistent_hash() {
                assert!((0..1_000).all(|key| picked(key) != 0), "{algorithm}");
            }
            // The only eligible one, though far above its bound.
            assert_eq!(bounded.pick(1, now(), |fake| fake.name == 0), Some(&bounded.candidates()[0]), "{algorithm}");
        }
    }
}
