//! Ketama: a ring of hashes.
//!
//! **Use it** for caches and sessions when backends are added and removed: when one of n is removed, only its own keys
//! move, and no key moves between the others. Every backend has many points on a ring of 2^64 hashes; a key maps to the
//! next point clockwise (Karger and others 1997; last.fm's libketama 2007). nginx's `hash … consistent`, HAProxy's
//! `hash-type consistent`, Envoy's `RING_HASH`, Pingora's `Consistent`.
//!
//! **Cost**: a binary search over all points, some of it outside the cache; 12 bytes a point. The shares are uneven:
//! with 160 points two thirds of the backends are within 8 % of theirs, the worst of thirty 20 % off. More points are
//! fairer and slower; [`super::maglev`] is fair and fast and moves a few more keys, [`super::rendezvous`] is fair and
//! moves as few, at a cost per backend.
//!
//! The points come from our own hash ([`super::hash`]), not MD5: two of our processes agree with each other, not with
//! another product's ring.

use super::{bounded_load::ConsistentHash, candidate::HashedCandidate, hash};

/// Points for each unit of weight: libketama's and nginx's number.
pub const POINTS_PER_WEIGHT: u64 = 160;
/// Above this number of points, every candidate's points are halved until it holds: 3 MiB.
const MAX_POINTS: u64 = 1 << 18;

/// The points in ring order: the hash of each, and the index of its candidate.
#[derive(Clone, Debug)]
pub struct KetamaRing {
    hashes: Vec<u64>,
    indexes: Vec<u32>,
    candidate_count: usize,
}

impl KetamaRing {
    /// Builds the ring of these members; their order does not matter.
    ///
    /// A member's points depend on its own name hash and weight alone, else the weights of others would move its keys.
    /// The one exception: beyond 2^18 points in total, the points of all members are halved until they are fewer.
    pub fn new(members: &[HashedCandidate]) -> Self {
        let halvings = halvings(members);
        let mut points: Vec<(u64, u32)> = Vec::new();
        for (owner, member) in (0..).zip(members) {
            let count = (POINTS_PER_WEIGHT * u64::from(member.weight.max(1))) >> halvings;
            points.extend((0..count.max(1)).map(|point| (hash::combine(member.name_hash, point), owner)));
        }
        points.sort_unstable();
        let (hashes, indexes) = points.into_iter().unzip();
        Self { hashes, indexes, candidate_count: members.len() }
    }
}

impl ConsistentHash for KetamaRing {
    // ANCHOR: pick
    /// The owner of the first point at or after the key's position whose owner is eligible.
    fn pick(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let position = hash::mix(key);
        let start = self.hashes.partition_point(|point| *point < position);
        let (before, after) = self.indexes.split_at(start);
        let mut clockwise = after.iter().chain(before).map(|owner| *owner as usize);
        let owner = clockwise.next()?;
        if eligible(owner) {
            return Some(owner);
        }
        // Check all candidates before walking all points: when all are at their limits, every request gets here.
        let fallback = (0..self.candidate_count).find(|index| eligible(*index))?;
        clockwise.find(|index| eligible(*index)).or(Some(fallback))
    }
    // ANCHOR_END: pick
}

/// How often the numbers of points are halved to stay within [`MAX_POINTS`].
///
/// In powers of two, so that large weights or many members change the points of the others only when the total crosses
/// a power of two.
fn halvings(members: &[HashedCandidate]) -> u32 {
    let points = POINTS_PER_WEIGHT * members.iter().map(|member| u64::from(member.weight.max(1))).sum::<u64>();
    (0..u64::BITS).find(|halvings| points >> halvings <= MAX_POINTS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u32]) -> Vec<HashedCandidate> {
        (0..).zip(weights).map(|(i, weight)| HashedCandidate { name_hash: hash::mix(i), weight: *weight }).collect()
    }

    #[test]
    fn points_follow_the_weights() {
        let ring = KetamaRing::new(&members(&[1, 3]));
        let of = |index: u32| ring.indexes.iter().filter(|owner| **owner == index).count();
        assert_eq!([of(0), of(1)], [160, 480]);
        assert!(ring.hashes.is_sorted());
    }

    #[test]
    fn large_weights_are_halved_and_small_ones_keep_a_point() {
        let ring = KetamaRing::new(&members(&[u32::MAX, u32::MAX, 1]));
        assert!(ring.indexes.len() <= (1 << 18) + 1, "{}", ring.indexes.len());
        assert!(ring.indexes.contains(&2));
    }

    #[test]
    fn a_key_past_the_last_point_wraps_to_the_first() {
        let ring = KetamaRing { hashes: vec![1, 2], indexes: vec![1, 0], candidate_count: 2 };
        let keys: Vec<u64> = (0..100).collect();
        assert!(keys.iter().all(|key| ring.pick(*key, |_| true) == Some(1)));
        assert!(keys.iter().all(|key| ring.pick(*key, |index| index == 0) == Some(0)));
        assert_eq!(ring.pick(1, |_| false), None);
        assert_eq!(KetamaRing::new(&[]).pick(1, |_| true), None);
    }
}
