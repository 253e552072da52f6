//! Rendezvous hashing: picks the backend with the highest hash for the key.
//!
//! **Use it** as the first choice of a consistent hash for some dozens of backends: no table to build, even shares,
//! exact weights, and no key moves between two backends that stay. The key is hashed with each backend; the highest
//! score wins (Thaler and Ravishankar 1996, "highest random weight"). If the winner is not eligible, the second highest
//! is next, which differs from key to key: its keys are distributed over all others. Traefik's and Sozu's `hrw`,
//! Caddy's `ip_hash`.
//!
//! **Cost**: one hash per backend at each pick: negligible for 3, near a microsecond for 1,000. With unequal weights also
//! a logarithm each, which is several times that.
//!
//! With weights a backend's score is -w / ln(h), where h is its hash between 0 and 1 (Schindelhauer and Schomaker
//! 2005): it wins exactly w times as often, independent of the other weights.

use super::{
    bounded_load::ConsistentHash,
    candidate::HashedCandidate,
    hash::{mix, mix_random, unit_fraction},
};

/// The members' name hashes, mixed once, and their weights.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    name_hashes: Vec<u64>,
    /// Empty if all are equal: then -w / ln(h) is highest where h is, and no logarithm is needed.
    weights: Vec<f64>,
}

impl Rendezvous {
    /// Rendezvous hashing over these members; their order does not matter.
    pub fn new(members: &[HashedCandidate]) -> Self {
        let weights = members.iter().map(|member| member.weight.max(1));
        let equal = members.windows(2).all(|pair| pair[0].weight.max(1) == pair[1].weight.max(1));
        Self {
            name_hashes: members.iter().map(|member| mix(member.name_hash)).collect(),
            weights: if equal { Vec::new() } else { weights.map(f64::from).collect() },
        }
    }
}

impl ConsistentHash for Rendezvous {
    /// The index of the eligible candidate with the highest score for this key.
    // ANCHOR: pick
    fn pick(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let key = mix(key);
        let hashes = self.name_hashes.iter().map(|member| mix_random(key ^ member));
        if self.weights.is_empty() {
            return highest_score(hashes, eligible);
        }
        let score = |(hash, weight): (u64, &f64)| -weight / unit_fraction(hash).ln();
        highest_score(hashes.zip(&self.weights).map(score), eligible)
    }
    // ANCHOR_END: pick
}

/// The index of the eligible candidate with the highest score. `eligible` is called only for a new maximum: about five
/// times in a hundred.
fn highest_score<N: PartialOrd>(scores: impl Iterator<Item = N>, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    let mut best: Option<(usize, N)> = None;
    for (index, score) in scores.enumerate() {
        if best.as_ref().is_none_or(|(_, highest)| score > *highest) && eligible(index) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::policy::hash::hash;

    fn members(weights: &[u32]) -> Vec<HashedCandidate> {
        (0..).zip(weights).map(|(i, weight)| HashedCandidate { name_hash: mix(i), weight: *weight }).collect()
    }

    #[test]
    fn keys_follow_the_weights() {
        let rendezvous = Rendezvous::new(&members(&[3, 2, 1]));
        let mut counts = [0_i32; 3];
        (0..60_000).for_each(|key| counts[rendezvous.pick(key, |_| true).unwrap()] += 1);
        for (count, fair) in counts.into_iter().zip([30_000, 20_000, 10_000]) {
            assert!((count - fair).abs() < 600, "{counts:?}");
        }
    }

    /// A thousand members and few keys for each: a weak hash would favour some members, or neighbours of a lost one.
    #[test]
    fn keys_spread_over_a_thousand_members_and_over_all_survivors_of_a_lost_one() {
        let rendezvous = Rendezvous::new(&members(&[1; 1_000]));
        let mut counts = vec![0_f64; 1_000];
        (0..200_000).for_each(|key| counts[rendezvous.pick(hash_of(key), |_| true).unwrap()] += 1.0);
        let chi_squared: f64 = counts.iter().map(|count| (count - 200.0).powi(2) / 200.0).sum();
        // 999 degrees of freedom: mean 999, standard deviation 45.
        assert!((850.0..1_150.0).contains(&chi_squared), "{chi_squared}");

        let four = Rendezvous::new(&members(&[1; 4]));
        let mut runners_up = [[0_i32; 4]; 4];
        for key in (0..120_000).map(hash_of) {
            let winner = four.pick(key, |_| true).unwrap();
            runners_up[winner][four.pick(key, |index| index != winner).unwrap()] += 1;
        }
        for (winner, row) in runners_up.iter().enumerate() {
            let others = row.iter().enumerate().filter(|(index, _)| *index != winner);
            assert!(others.clone().all(|(_, count)| (count - 10_000).abs() < 400), "{winner}: {row:?}");
        }
    }

    fn hash_of(key: u64) -> u64 {
        hash(&key.to_le_bytes())
    }

    #[test]
    fn equal_weights_without_logarithms_pick_the_same() {
        let unweighted = Rendezvous::new(&members(&[4; 9]));
        let weighted = Rendezvous { weights: vec![4.0; 9], ..unweighted.clone() };
        assert!((0..10_000).all(|key| unweighted.pick(key, |_| true) == weighted.pick(key, |_| true)));
    }

    #[test]
    fn keys_of_an_ineligible_backend_are_distributed_over_the_others() {
        let rendezvous = Rendezvous::new(&members(&[1; 4]));
        let mut inherited = [0_i32; 4];
        for key in (0..40_000).filter(|key| rendezvous.pick(*key, |_| true) == Some(1)) {
            inherited[rendezvous.pick(key, |index| index != 1).unwrap()] += 1;
        }
        assert!([0, 2, 3].iter().all(|index| (inherited[*index] - 3_333).abs() < 200), "{inherited:?}");
        assert_eq!(rendezvous.pick(1, |_| false), None);
    }
}
