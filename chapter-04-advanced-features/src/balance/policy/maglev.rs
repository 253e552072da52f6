//! Maglev: a lookup table, filled by each backend's permutation of its entries.
//!
//! **Use it** for a consistent hash over many backends at a high rate: a pick is one table lookup, and the shares are
//! even to an entry. Each backend has its own permutation of all 65,537 entries; round by round, each claims the first
//! entry of its permutation that is still empty (Eisenbud and others, "Maglev", NSDI 2016, §3.4). Envoy's `MAGLEV`,
//! Katran's and Sozu's.
//!
//! **Cost**: to pick, a division and a load from a 256 KiB table, which may miss the cache; to build, some
//! milliseconds at each change of the backends. When one of n is removed, its keys move, and a few others with them:
//! less than 1 % of all, up to 300 backends. Where that is too many: [`super::rendezvous`].
//!
//! With weights, a backend takes part in a fraction of the rounds that is proportional to its weight; all take part in
//! the first, so that each has an entry.

use super::{
    bounded_load::ConsistentHash,
    candidate::HashedCandidate,
    hash::{combine, mix},
};

/// Entries of the table, a prime, so that every step size visits all of them. The paper's small size, and Envoy's.
const TABLE_SIZE: usize = 65_537;
const TABLE_SIZE_U64: u64 = TABLE_SIZE as u64;

/// The lookup table: the index of each entry's candidate.
#[derive(Clone, Debug)]
pub struct Maglev {
    table: Vec<u32>,
    candidate_count: usize,
}

/// One member's permutation of the entries, and its position in it.
struct Permutation {
    index: u32,
    weight: u64,
    position: usize,
    skip: usize,
    entries: u64,
}

impl Permutation {
    #[expect(clippy::cast_possible_truncation, reason = "below 65,537")]
    fn new(index: u32, member: HashedCandidate) -> Self {
        let next = combine(member.name_hash, 1) % TABLE_SIZE_U64;
        let step = combine(member.name_hash, 2) % (TABLE_SIZE_U64 - 1) + 1;
        let weight = u64::from(member.weight.max(1));
        Self { index, weight, position: next as usize, skip: step as usize, entries: 0 }
    }

    /// Claims the next empty entry of the permutation. There must be one.
    fn claim_next(&mut self, owners: &mut [u32]) {
        while owners[self.position] != EMPTY {
            self.position = (self.position + self.skip) % TABLE_SIZE;
        }
        owners[self.position] = self.index;
        self.entries += 1;
    }
}

const EMPTY: u32 = u32::MAX;

impl Maglev {
    /// Builds the table of these members; their order does not matter.
    pub fn new(members: &[HashedCandidate]) -> Self {
        let mut permutations: Vec<(u64, Permutation)> =
            (0..).zip(members).map(|(owner, member)| (member.name_hash, Permutation::new(owner, *member))).collect();
        // The order in a round must not depend on the order in the configuration.
        permutations.sort_unstable_by_key(|(key, _)| *key);
        let table = if permutations.is_empty() { Vec::new() } else { populate(&mut permutations) };
        Self { table, candidate_count: members.len() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "below 65,537")]
    fn entry(&self, key: u64) -> Option<usize> {
        mix(key).checked_rem(self.table.len() as u64).map(|entry| entry as usize)
    }
}

impl ConsistentHash for Maglev {
    /// The owner of the key's entry; if it is not eligible, that of the next entry whose owner is.
    fn pick(&self, key: u64, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let (before, after) = self.table.split_at(self.entry(key)?);
        let mut onward = after.iter().chain(before).map(|owner| *owner as usize);
        let owner = onward.next()?;
        if eligible(owner) {
            return Some(owner);
        }
        // Check all candidates before walking all entries: when all are at their limits, every request gets here.
        let fallback = (0..self.candidate_count).find(|index| eligible(*index))?;
        onward.find(|index| eligible(*index)).or(Some(fallback))
    }
}

// ANCHOR: filled
/// Round by round each member claims an entry; members of the largest weight take part in every round.
fn populate(permutations: &mut [(u64, Permutation)]) -> Vec<u32> {
    let largest = permutations.iter().map(|(_, permutation)| permutation.weight).max().unwrap_or(1);
    let mut owners = vec![EMPTY; TABLE_SIZE];
    let mut empty = TABLE_SIZE;
    for round in 1.. {
        for (_, permutation) in permutations.iter_mut() {
            // Rounded up, so that all take part in the first round.
            if permutation.entries < (round * permutation.weight).div_ceil(largest) {
                permutation.claim_next(&mut owners);
                empty -= 1;
            }
            if empty == 0 {
                return owners;
            }
        }
    }
    owners
}
// ANCHOR_END: filled

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u32]) -> Vec<HashedCandidate> {
        (0..).zip(weights).map(|(i, weight)| HashedCandidate { name_hash: mix(i), weight: *weight }).collect()
    }

    fn entries_per_candidate(maglev: &Maglev, members: usize) -> Vec<usize> {
        let mut entries = vec![0; members];
        maglev.table.iter().for_each(|owner| entries[*owner as usize] += 1);
        entries
    }

    #[test]
    fn entries_follow_the_weights() {
        for weights in [&[1, 1, 1][..], &[5, 1, 1], &[100, 50, 3, 2, 1], &[7]] {
            let entries = entries_per_candidate(&Maglev::new(&members(weights)), weights.len());
            let total: u32 = weights.iter().sum();
            for (entries, weight) in entries.into_iter().zip(weights) {
                let fair = TABLE_SIZE * *weight as usize / total as usize;
                assert!(entries.abs_diff(fair) <= 1 + weights.len(), "{entries} for {weight} of {weights:?}");
            }
        }
    }

    #[test]
    fn the_smallest_weight_has_an_entry() {
        let entries = entries_per_candidate(&Maglev::new(&members(&[u32::MAX, 1, 0])), 3);
        assert_eq!(entries, [TABLE_SIZE - 2, 1, 1]);
    }

    #[test]
    fn finds_the_only_eligible_candidate() {
        let maglev = Maglev::new(&members(&[1; 20]));
        for key in 0..1_000 {
            assert_eq!(maglev.pick(key, |index| index == 13), Some(13));
            assert_eq!(maglev.pick(key, |_| false), None);
        }
        assert_eq!(Maglev::new(&[]).pick(1, |_| true), None);
    }

    #[test]
    fn entries_are_within_1_percent_of_an_equal_share() {
        for backends in [1, 3, 10, 30, 300] {
            let members: Vec<_> = (0..backends as u64)
                .map(|key| HashedCandidate { name_hash: super::super::hash::hash(&key.to_le_bytes()), weight: 1 })
                .collect();
            let mut entries = vec![0_usize; backends];
            Maglev::new(&members).table.iter().for_each(|owner| entries[*owner as usize] += 1);
            let (least, most) = (entries.iter().min().unwrap() * backends, entries.iter().max().unwrap() * backends);
            assert!(least * 100 >= TABLE_SIZE * 99 && most * 100 <= TABLE_SIZE * 101, "{backends}: {entries:?}");
        }
    }
}
