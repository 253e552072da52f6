//! The checks of exercise 4.2.

use std::collections::{BTreeMap, BTreeSet};

use exercises_04::contracts::WeightedBackend;
use integration_tests::rng::Rng;

use crate::exercise_checks;

type Aperture = fn(&[&str], usize, usize, usize) -> Vec<WeightedBackend>;

exercise_checks!(
    exercises_04,
    e2_aperture::aperture,
    [
        subset_has_the_required_size_and_no_duplicates,
        every_backend_gets_the_same_traffic,
        list_order_makes_no_difference,
        one_backend_more_or_less_changes_little,
        one_balancer_more_or_less_changes_little,
        no_subset_lies_in_one_rack,
        few_backends_or_balancers_work,
    ]
);

/// Backends, balancers, and the minimum number of backends per balancer.
const CASES: [(usize, usize, usize); 13] = [
    (300, 40, 20),
    (300, 40, 30),
    (12, 3, 4),
    (12, 4, 3),
    (10, 3, 4),
    (10, 7, 3),
    (7, 10, 3),
    (3, 50, 2),
    (64, 5, 1),
    (65, 64, 64),
    (9, 9, 1),
    (29, 30, 30),
    (100, 1, 5),
];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("10.0.{}.{}:8080", number / 50, number % 50)).collect()
}

/// The subset of a balancer, by name.
fn subset<'a>(
    aperture: Aperture,
    names: &[&'a str],
    index: usize,
    balancers: usize,
    at_least: usize,
) -> BTreeMap<&'a str, u32> {
    let mut subset = BTreeMap::new();
    for WeightedBackend { backend, weight } in aperture(names, index, balancers, at_least) {
        assert!(weight > 0, "the weights of a subset should be at least 1, but backend {backend} has 0");
        let name = names.get(backend);
        let name = name.unwrap_or_else(|| panic!("{backend} should be an index among {} backends", names.len()));
        let before = subset.insert(*name, weight);
        assert_eq!(before, None, "{name} is in a subset twice; this is its first weight");
    }
    subset
}

fn set<'a>(aperture: Aperture, names: &[&'a str], index: usize, balancers: usize, least: usize) -> BTreeSet<&'a str> {
    subset(aperture, names, index, balancers, least).into_keys().collect()
}

fn subset_has_the_required_size_and_no_duplicates(aperture: Aperture) {
    for (count, balancers, at_least) in CASES {
        let names = names(count);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (least, most) = (at_least.min(count), at_least + count.div_ceil(balancers) + 1);
        for index in 0..balancers {
            let size = subset(aperture, &names, index, balancers, at_least).len();
            assert!(
                (least..=most).contains(&size),
                "{count} backends, {balancers} balancers, at least {at_least}: the subset of balancer {index} should \
                 have {least} to {most} backends, but has {size}",
            );
        }
    }
}

fn every_backend_gets_the_same_traffic(aperture: Aperture) {
    for (count, balancers, at_least) in CASES {
        let names = names(count);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut traffic: BTreeMap<_, f64> = names.iter().map(|name| (*name, 0.0)).collect();
        for index in 0..balancers {
            let subset = subset(aperture, &names, index, balancers, at_least);
            let all: f64 = subset.values().copied().map(f64::from).sum();
            for (name, weight) in subset {
                *traffic.entry(name).or_default() += f64::from(weight) / all;
            }
        }
        let most = traffic.values().copied().fold(0.0, f64::max);
        let least = traffic.values().copied().fold(f64::INFINITY, f64::min);
        assert!(
            most - least < 1e-9,
            "{count} backends, {balancers} balancers, at least {at_least}: all backends should have the traffic of \
             the same number of balancers, but one has that of {least:.3}, another of {most:.3}",
        );
    }
}

fn list_order_makes_no_difference(aperture: Aperture) {
    let names = names(40);
    let sorted: Vec<_> = names.iter().map(String::as_str).collect();
    let mut seed = Rng::new(42);
    let mut shuffled = sorted.clone();
    for last in (1..shuffled.len()).rev() {
        shuffled.swap(last, seed.below(last + 1));
    }
    for index in 0..9 {
        assert_eq!(
            subset(aperture, &shuffled, index, 9, 6),
            subset(aperture, &sorted, index, 9, 6),
            "the subset of balancer {index} of 9, by names, with 40 backends shuffled and in order"
        );
    }
}

fn one_backend_more_or_less_changes_little(aperture: Aperture) {
    for (count, balancers, at_least) in [(100, 50, 20), (60, 60, 12), (90, 30, 20)] {
        let names = names(count);
        let all: Vec<_> = names.iter().map(String::as_str).collect();
        let most = 2 * count.div_ceil(balancers) + 2;
        for gone in [0, count / 2, count - 1] {
            let fewer: Vec<_> = all.iter().copied().filter(|name| *name != all[gone]).collect();
            for index in 0..balancers {
                let with = set(aperture, &all, index, balancers, at_least);
                let without = set(aperture, &fewer, index, balancers, at_least);
                let (added, restored) = (without.difference(&with).count(), with.difference(&without).count());
                assert!(
                    added <= most && restored <= most,
                    "{count} backends, {balancers} balancers, at least {at_least}: when {} leaves or joins, at most \
                     {most} should be new in the subset of balancer {index}, but {added} or {restored} are",
                    all[gone]
                );
            }
        }
    }
}

fn one_balancer_more_or_less_changes_little(aperture: Aperture) {
    for (count, balancers, at_least) in [(100, 50, 20), (60, 60, 12), (90, 30, 20)] {
        let names = names(count);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let most = 2 * count.div_ceil(balancers) + 2;
        for index in 0..balancers {
            let before = set(aperture, &names, index, balancers, at_least);
            let after = set(aperture, &names, index, balancers + 1, at_least);
            let (added, restored) = (after.difference(&before).count(), before.difference(&after).count());
            assert!(
                added <= most && restored <= most,
                "{count} backends, {balancers} balancers, at least {at_least}: when a balancer joins or leaves, at most \
                 {most} should be new in the subset of balancer {index}, but {added} or {restored} are",
            );
        }
    }
}

fn no_subset_lies_in_one_rack(aperture: Aperture) {
    let names: Vec<_> = (0..80).map(|number| format!("rack{}-{:02}:80", number / 20, number % 20)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for index in 0..16 {
        let subset = set(aperture, &names, index, 16, 20);
        let racks: BTreeSet<_> = subset.iter().filter_map(|name| name.split('-').next()).collect();
        assert!(
            racks.len() >= 3,
            "4 racks of 20 backends, 16 balancers, at least 20: the subset of balancer {index} should span three \
             or four racks, but is {subset:?}",
        );
    }
}

fn few_backends_or_balancers_work(aperture: Aperture) {
    assert_eq!(aperture(&[], 0, 3, 5), [], "no backends");
    for (index, balancers, at_least) in [(0, 1, 0), (0, 1, 1), (2, 3, 0), (4, 5, 9), (0, 1, 1_000)] {
        let subset = set(aperture, &["a:1"], index, balancers, at_least);
        assert_eq!(subset, BTreeSet::from(["a:1"]), "a single backend, balancer {index} of {balancers}");
    }
    let subset = subset(aperture, &["a:1", "b:1", "c:1"], 1, 2, 100);
    assert_eq!(subset.len(), 3, "three backends, at least 100; the subset is {subset:?}");
    let is_even = subset.values().all(|weight| *weight == subset["a:1"]);
    assert!(is_even, "a balancer that uses all backends should use them equally, but the subset is {subset:?}");
}
