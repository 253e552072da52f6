//! Ketama: a ring of hashes.
//!
//! **Use it** for caches and sessions when backends come and go: when one of n leaves, only its own keys move, and
//! no key moves between two that stay. Every backend stands at many points of a ring of 2^64 hashes; a key belongs
//! to the next point clockwise (Karger and others 1997; last.fm's libketama 2007). nginx's `hash … consistent`,
//! HAProxy's `hash-type consistent`, Envoy's `RING_HASH`, Pingora's `Consistent`.
//!
//! **Cost**: a binary search over all points, some of it outside the cache; 12 bytes a point. The shares are
//! uneven: with 160 points two thirds of the backends are within 8 % of theirs, the worst of thirty 20 % off. More
//! points are fairer and slower; [`super::maglev`] is fair and fast and moves a little more, [`super::rendezvous`]
//! is fair and moves as little, at a cost for each backend.
//!
//! The points are our own hash's ([`super::hash`]), not MD5's: two of our processes agree with each other, not with
//! another product's ring.

use super::{bounded_load::ConsistentHash, candidate::HashedCandidate, hash};

/// Points for each unit of weight: libketama's and nginx's number.
pub const POINTS_PER_WEIGHT: u64 = 160;
/// More points than this are halved until they are fewer: 3 MiB.
const MAX_POINTS: u64 = 1 << 18;

/// The points in the ring's order: where each stands, and whose it is.
#[derive(Clone, Debug)]
pub struct KetamaRing {
    hashes: Vec<u64>,
    indexes: Vec<u32>,
    candidate_count: usize,
}

impl KetamaRing {
    /// The ring of these members; their order does not matter.
    ///
    /// A member's points depend on its own key and weight alone, else the weights of others would move its keys.
    /// The one exception: beyond 2^18 points in all, everyone's are halved until they are fewer.
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
    /// The first usable slot at or after the key's place.
    fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let position = hash::mix(key);
        let start = self.hashes.partition_point(|point| *point < position);
        let (before, after) = self.indexes.split_at(start);
        let mut clockwise = after.iter().chain(before).map(|owner| *owner as usize);
        let owner = clockwise.next()?;
        if usable(owner) {
            return Some(owner);
        }
        // Asked of the backends before all points are walked: when all are full, that is each request's case.
        let any = (0..self.candidate_count).find(|slot| usable(*slot))?;
        clockwise.find(|slot| usable(*slot)).or(Some(any))
    }
    // ANCHOR_END: pick
}

/// How often the numbers of points are halved so that all find room.
///
/// In powers of two, so that large weights or many members change the rings of the others only when the sum
/// passes one.
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
        let of = |slot: u32| ring.indexes.iter().filter(|owner| **owner == slot).count();
        assert_eq!([of(0), of(1)], [160, 480]);
        assert!(ring.hashes.is_sorted());
    }

    #[test]
    fn large_weights_find_room_and_small_ones_keep_a_point() {
        let ring = KetamaRing::new(&members(&[u32::MAX, u32::MAX, 1]));
        assert!(ring.indexes.len() <= (1 << 18) + 1, "{}", ring.indexes.len());
        assert!(ring.indexes.contains(&2));
    }

    #[test]
    fn a_key_past_the_last_point_belongs_to_the_first() {
        let ring = KetamaRing { hashes: vec![1, 2], indexes: vec![1, 0], candidate_count: 2 };
        let keys: Vec<u64> = (0..100).collect();
        assert!(keys.iter().all(|key| ring.pick(*key, |_| true) == Some(1)));
        assert!(keys.iter().all(|key| ring.pick(*key, |slot| slot == 0) == Some(0)));
        assert_eq!(ring.pick(1, |_| false), None);
        assert_eq!(KetamaRing::new(&[]).pick(1, |_| true), None);
    }
}
