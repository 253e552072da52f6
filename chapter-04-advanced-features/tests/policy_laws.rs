//! Properties of the algorithms that hold for all backends, weights and keys.
//!
//! Shares are measured with fixed names, seeds and keys, so that the result is reproducible; properties of any input
//! are tested with random inputs.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use advanced_features::balance::policy::{Algorithm, Candidate, PeakEwma, PickCounters, Picker, hash};
use proptest::prelude::*;

const KEYS: u64 = 100_000;

/// A backend with a name, and a constant weight and load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fake {
    name: u64,
    weight: u32,
    in_flight: u32,
}

impl Candidate for Fake {
    fn name_hash(&self) -> u64 {
        hash::hash(format!("10.0.0.{}:9001", self.name).as_bytes())
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn latency(&self, _now: Instant) -> Duration {
        Duration::from_millis(1)
    }
}

/// Idle backends with these weights, named from 0.
fn idle(weights: &[u32]) -> Vec<Fake> {
    (0..).zip(weights).map(|(name, weight)| Fake { name, weight: *weight, in_flight: 0 }).collect()
}

fn picker(algorithm: Algorithm, fakes: Vec<Fake>) -> Picker<Fake> {
    Picker::new(algorithm, None, fakes, Arc::new(PickCounters::with_seed(1)))
}

#[expect(clippy::disallowed_methods, reason = "there is no other source of an instant; only differences matter")]
fn now() -> Instant {
    Instant::now()
}

/// How often each name is picked for the keys from 0 to `picks`.
fn counts<C: Candidate>(picker: &Picker<C>, picks: u64, name: impl Fn(&C) -> u64) -> HashMap<u64, u32> {
    let now = now();
    let mut counts = HashMap::new();
    for key in 0..picks {
        let chosen = picker.pick(key, now, |_| true).expect("all are eligible");
        *counts.entry(name(chosen)).or_default() += 1;
    }
    counts
}

/// Asserts that each share matches its weight within this relative tolerance.
fn assert_shares(algorithm: Algorithm, weights: &[u32], tolerance: f64) {
    let counts = counts(&picker(algorithm, idle(weights)), KEYS, |fake| fake.name);
    let total: u32 = weights.iter().sum();
    for (name, weight) in (0..).zip(weights) {
        let fair = 100_000.0 * f64::from(*weight) / f64::from(total);
        let count = f64::from(counts.get(&name).copied().unwrap_or(0));
        let off = (count - fair).abs() / fair;
        assert!(off <= tolerance, "{algorithm}, {weights:?}: {name} has {count} instead of {fair}, {off:.3} off");
    }
}

#[test]
fn shares_are_exact_over_a_full_cycle() {
    for (algorithm, weights) in [
        (Algorithm::RoundRobin, &[1_u32, 1, 1][..]),
        (Algorithm::RoundRobin, &[1; 30]),
        (Algorithm::WeightedRoundRobin, &[5, 1, 1]),
        (Algorithm::WeightedRoundRobin, &[3, 2, 1]),
        (Algorithm::WeightedRoundRobin, &[100, 60, 20, 20]),
        (Algorithm::LeastConnections, &[1; 7]),
    ] {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let counts = counts(&picker(algorithm, idle(weights)), 10 * total, |fake| fake.name);
        for (name, weight) in (0..).zip(weights) {
            assert_eq!(counts[&name], 10 * *weight, "{algorithm} {weights:?}");
        }
    }
}

#[test]
fn shares_are_exact_across_threads() {
    let picker = picker(Algorithm::WeightedRoundRobin, idle(&[5, 1, 1]));
    let mut all = [0; 3];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| counts(&picker, 7_000, |fake| fake.name))).collect();
        for thread in threads {
            thread.join().unwrap().into_iter().for_each(|(name, count)| all[usize::try_from(name).unwrap()] += count);
        }
    });
    assert_eq!(all, [20_000, 4_000, 4_000]);
}

#[test]
fn random_and_even_hashes_are_within_3_percent() {
    use Algorithm::{PeakEwma, PowerOfTwoChoices, Random, Rendezvous, SourceHash};
    for algorithm in [Random, PowerOfTwoChoices, PeakEwma, Rendezvous, SourceHash] {
        for weights in [&[1_u32; 3][..], &[1; 10], &[5, 1, 1], &[4, 3, 2, 1]] {
            // Of two idle backends, the first drawn is picked; with equal latencies and unequal weights, the larger.
            if algorithm != PeakEwma || weights.iter().all(|weight| *weight == 1) {
                assert_shares(algorithm, weights, 0.03);
            }
        }
    }
}

#[test]
fn ketama_is_within_25_percent() {
    for weights in [&[1_u32; 3][..], &[1; 10], &[1; 30], &[5, 1, 1], &[3, 2, 1]] {
        assert_shares(Algorithm::Ketama, weights, 0.25);
    }
}

#[test]
fn maglevs_shares_are_within_5_percent() {
    assert_shares(Algorithm::Maglev, &[1; 10], 0.05);
}

/// How many keys change their backend when `leaver` is removed: in total, and between two backends that stay.
fn moved(algorithm: Algorithm, weights: &[u32], leaver: u64) -> (u64, u64) {
    let before = picker(algorithm, idle(weights));
    let after = picker(algorithm, idle(weights).into_iter().filter(|fake| fake.name != leaver).collect());
    let now = now();
    let backend = |picker: &Picker<Fake>, key| picker.pick(key, now, |_| true).map(|fake| fake.name);
    let mut moved = (0, 0);
    for key in 0..KEYS {
        let (from, to) = (backend(&before, key), backend(&after, key));
        moved.0 += u64::from(from != to);
        moved.1 += u64::from(from != to && from != Some(leaver));
    }
    moved
}

/// Print the counts: `cargo test -p chapter-04-advanced-features --test policy_laws leaver -- --nocapture`.
#[test]
fn a_leaver_moves_few_keys_of_consistent_hashes() {
    for leaver in 0..10 {
        for algorithm in [Algorithm::Ketama, Algorithm::Rendezvous] {
            assert_eq!(moved(algorithm, &[1; 10], leaver).1, 0, "{algorithm} moved keys between two that stay");
        }
        let (all, _) = moved(Algorithm::Maglev, &[1; 10], leaver);
        assert!(all <= KEYS / 10 + KEYS / 20, "maglev moved {all} of {KEYS}");
    }
    for algorithm in Algorithm::all()
        .into_iter()
        .filter(|algorithm| *algorithm == Algorithm::SourceHash || algorithm.is_consistent_hash())
    {
        let (all, between) = moved(algorithm, &[1; 10], 3);
        println!("{algorithm:11} one of 10 leaves: {all} of {KEYS} keys move, {between} between two that stay");
    }
    // The contrast: nine of ten keys move where one of ten had to.
    assert!(moved(Algorithm::SourceHash, &[1; 10], 3).0 > KEYS / 2);
}

/// A backend whose latency estimate changes with each response.
struct LatencyBackend {
    name: u64,
    weight: u32,
    ewma: PeakEwma,
}

impl Candidate for LatencyBackend {
    fn name_hash(&self) -> u64 {
        hash::mix(self.name)
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn latency(&self, now: Instant) -> Duration {
        self.ewma.latency(now)
    }
}

/// 100 requests a second, one at a time, to two fast backends and one that is slow or fails.
#[test]
fn peak_ewma_prefers_fast_backends_and_still_tries_the_slow_one() {
    let start = now();
    for third_fails in [false, true] {
        let latency_backend = |name| LatencyBackend { name, weight: 1, ewma: PeakEwma::new(start) };
        let picker = Picker::new(
            Algorithm::PeakEwma,
            None,
            (0..3).map(latency_backend).collect(),
            Arc::new(PickCounters::with_seed(1)),
        );
        let mut third = 0;
        for i in 0..10_000_u32 {
            let now = start + Duration::from_millis(10) * i;
            let chosen = picker.pick(0, now, |_| true).unwrap();
            match (chosen.name, third_fails) {
                (2, true) => chosen.ewma.record_failure(now),
                (2, false) => chosen.ewma.record(Duration::from_millis(200), now),
                _ => chosen.ewma.record(Duration::from_millis(1), now),
            }
            third += u32::from(chosen.name == 2);
        }
        assert!((2..20).contains(&third), "the third, fails: {third_fails}, was picked {third} times");
    }
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(Algorithm::all().to_vec())
}

fn fakes() -> impl Strategy<Value = Vec<Fake>> {
    let fake = (1_u32..=10, 0_u32..20);
    prop::collection::vec(fake, 1..12).prop_map(|all| {
        let named = (0..).zip(all);
        named.map(|(name, (weight, in_flight))| Fake { name, weight, in_flight }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn picks_an_eligible_backend_whenever_there_is_one(
        (algorithm, fakes, factor) in (algorithms(), fakes(), prop::option::of(1.0..3.0)),
        eligible in prop::collection::vec(any::<bool>(), 12),
        keys in prop::collection::vec(any::<u64>(), 1..50),
    ) {
        let is_eligible = |fake: &Fake| eligible[usize::try_from(fake.name).unwrap()];
        let any_eligible = fakes.iter().any(is_eligible);
        let picker = Picker::new(algorithm, factor, fakes, Arc::new(PickCounters::with_seed(keys[0])));
        let now = now();
        for key in keys {
            let picked = picker.pick(key, now, is_eligible);
            prop_assert_eq!(picked.is_some(), any_eligible);
            prop_assert!(picked.is_none_or(is_eligible));
        }
    }

    #[test]
    fn each_idle_backend_is_picked_within_10_000(algorithm in algorithms(), fakes in fakes()) {
        let start = now();
        let latency_backend =
            |fake: &Fake| LatencyBackend { name: fake.name, weight: fake.weight, ewma: PeakEwma::new(start) };
        let picker = Picker::new(
            algorithm, None, fakes.iter().map(latency_backend).collect(), Arc::new(PickCounters::with_seed(1)),
        );
        let counts = counts(&picker, 10_000, |backend| backend.name);
        prop_assert_eq!(counts.len(), fakes.len(), "{}: {:?}", algorithm, counts);
    }

    #[test]
    fn the_order_of_the_backends_does_not_move_a_key(
        (fakes, rotation, factor) in (fakes(), 0_usize..12, prop::option::of(1.0..3.0)),
        keys in prop::collection::vec(any::<u64>(), 1..100),
    ) {
        let mut rotated = fakes.clone();
        rotated.rotate_left(rotation % fakes.len());
        let now = now();
        for algorithm in Algorithm::all().into_iter().filter(|algorithm| algorithm.is_consistent_hash()) {
            let one = Picker::new(algorithm, factor, fakes.clone(), Arc::default());
            let other = Picker::new(algorithm, factor, rotated.clone(), Arc::default());
            for key in &keys {
                prop_assert_eq!(one.pick(*key, now, |_| true), other.pick(*key, now, |_| true));
            }
        }
    }

    #[test]
    fn no_key_moves_between_two_that_stay(
        fakes in fakes(), leaver in 0_usize..12, keys in prop::collection::vec(any::<u64>(), 1..200),
    ) {
        let leaver = fakes[leaver % fakes.len()];
        let staying: Vec<Fake> = fakes.iter().copied().filter(|fake| *fake != leaver).collect();
        let now = now();
        for algorithm in [Algorithm::Ketama, Algorithm::Rendezvous] {
            let (before, after) = (picker(algorithm, fakes.clone()), picker(algorithm, staying.clone()));
            for key in &keys {
                let from = before.pick(*key, now, |_| true).copied();
                let to = after.pick(*key, now, |_| true).copied();
                prop_assert!(from == to || from == Some(leaver), "{}: {:?} to {:?}", algorithm, from, to);
                // An ineligible backend behaves like a removed one: its keys move to the same backends.
                prop_assert_eq!(before.pick(*key, now, |fake| *fake != leaver).copied(), to);
            }
        }
    }

    #[test]
    fn bounded_load_keeps_all_below_the_bound(
        (algorithm, count, factor) in (
            proptest::sample::select(vec![Algorithm::Ketama, Algorithm::Rendezvous, Algorithm::Maglev]),
            2_usize..10,
            1.0..2.0,
        ),
        hot in any::<u64>(),
    ) {
        // All requests have the same key, and none ever completes.
        let mut fakes = idle(&vec![1; count]);
        for requests in 0..60_u32 {
            let picker = Picker::new(algorithm, Some(factor), fakes.clone(), Arc::default());
            let picked = picker.pick(hot, now(), |_| true).unwrap().name;
            let fake = &mut fakes[usize::try_from(picked).unwrap()];
            fake.in_flight += 1;
            let average = f64::from(requests) / f64::from(u32::try_from(count).unwrap());
            prop_assert!(f64::from(fake.in_flight) <= (factor * average + 1.0).ceil());
        }
    }
}
