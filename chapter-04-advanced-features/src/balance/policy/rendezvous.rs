//! Rendezvous: the highest of one hash per backend.
//!
//! **Use it** as the first choice of a consistent hash for some dozens of backends: no table to build, even shares,
//! exact weights, and no key moves between two that stay. A client and each backend are hashed together; the
//! highest number wins (Thaler and Ravishankar 1996, "highest random weight"). When the winner may not be
//! picked, the second highest is next, another one for each key: its keys spread over all. Traefik's and Sozu's
//! `hrw`, Caddy's `ip_hash`.
//!
//! **Cost**: one hash for each backend at each pick: nothing for 3, near a microsecond for 300. With unequal weights
//! also a logarithm each, which is several times that.
//!
//! With weights a backend's number is -w / ln(h), h its hash between 0 and 1 (Schindelhauer and Schomaker 2005): it
//! wins exactly w times as often, and depends on nobody else's weight.

use super::{
    bounded_load::ConsistentHash,
    candidate::HashedCandidate,
    hash::{mix, unit_fraction},
};

/// The members, hashed once.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    name_hashes: Vec<u64>,
    /// Empty if all are equal: then -w / ln(h) is highest where h is, and the logarithms can be spared.
    weights: Vec<f64>,
}

impl Rendezvous {
    /// The meeting place of these members; their order does not matter.
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
    /// The usable slot with the highest number for this key.
    // ANCHOR: pick
    fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let key = mix(key);
        let hashes = self.name_hashes.iter().map(|member| mix(key ^ member));
        if self.weights.is_empty() {
            return highest_score(hashes, usable);
        }
        let score = |(hash, weight): (u64, &f64)| -weight / unit_fraction(hash).ln();
        highest_score(hashes.zip(&self.weights).map(score), usable)
    }
    // ANCHOR_END: pick
}

/// The usable slot with the highest number. Only who would lead is asked: five or so of a hundred.
fn highest_score<N: PartialOrd>(numbers: impl Iterator<Item = N>, usable: impl Fn(usize) -> bool) -> Option<usize> {
    let mut leader: Option<(usize, N)> = None;
    for (slot, score) in numbers.enumerate() {
        if leader.as_ref().is_none_or(|(_, highest)| score > *highest) && usable(slot) {
            leader = Some((slot, score));
        }
    }
    leader.map(|(slot, _)| slot)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn without_logarithms_it_is_the_same() {
        let short = Rendezvous::new(&members(&[4; 9]));
        let long = Rendezvous { weights: vec![4.0; 9], ..short.clone() };
        assert!((0..10_000).all(|key| short.pick(key, |_| true) == long.pick(key, |_| true)));
    }

    #[test]
    fn the_keys_of_an_unusable_one_spread() {
        let rendezvous = Rendezvous::new(&members(&[1; 4]));
        let mut heirs = [0_i32; 4];
        for key in (0..40_000).filter(|key| rendezvous.pick(*key, |_| true) == Some(1)) {
            heirs[rendezvous.pick(key, |slot| slot != 1).unwrap()] += 1;
        }
        assert!([0, 2, 3].iter().all(|slot| (heirs[*slot] - 3_333).abs() < 200), "{heirs:?}");
        assert_eq!(rendezvous.pick(1, |_| false), None);
    }
}
