//! Maglev: a table filled by preference.
//!
//! **Use it** for a consistent hash over many backends at a high rate: a pick is one look into a table, and the
//! shares are even to a slot. Each backend lists all 65,537 slots of the table in its own order; in turns, each takes
//! the first on its list that is still free (Eisenbud and others, "Maglev", NSDI 2016, §3.4). Envoy's `MAGLEV`,
//! Katran's and Sozu's.
//!
//! **Cost**: to pick, a division and a load, from 256 KiB that the cache may have to fetch; to build, some
//! milliseconds at each change of the backends. When one of n leaves, its keys move, and a few others with them: less
//! than 1 % of all, up to 300 backends. Where that is too many: [`super::rendezvous`].
//!
//! With weights a backend takes part in as many of the rounds as its weight says; all take part in the first, so
//! that none is without a slot.

use super::{
    bounded_load::ConsistentHash,
    candidate::HashedCandidate,
    hash::{combine, mix},
};

/// Slots of the table, a prime: so that every step size visits all of them. The paper's small one, and Envoy's.
const TABLE_SIZE: usize = 65_537;
const TABLE_SIZE_U64: u64 = TABLE_SIZE as u64;

/// Whose each slot is.
#[derive(Clone, Debug)]
pub struct Maglev {
    table: Vec<u32>,
    candidate_count: usize,
}

/// One member's list of preferences, and how far it has read.
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

    /// Takes the first slot on the list that is free. One must be.
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
    /// The table of these members; their order does not matter.
    pub fn new(members: &[HashedCandidate]) -> Self {
        let mut lists: Vec<(u64, Permutation)> =
            (0..).zip(members).map(|(owner, member)| (member.name_hash, Permutation::new(owner, *member))).collect();
        // Who comes first in a round must not hang on the order in the configuration.
        lists.sort_unstable_by_key(|(key, _)| *key);
        let table = if lists.is_empty() { Vec::new() } else { populate(&mut lists) };
        Self { table, candidate_count: members.len() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "below 65,537")]
    fn entry(&self, key: u64) -> Option<usize> {
        mix(key).checked_rem(self.table.len() as u64).map(|place| place as usize)
    }
}

impl ConsistentHash for Maglev {
    /// The slot's owner; if it is not usable, that of the next slot whose owner is.
    fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let (before, after) = self.table.split_at(self.entry(key)?);
        let mut onward = after.iter().chain(before).map(|owner| *owner as usize);
        let owner = onward.next()?;
        if usable(owner) {
            return Some(owner);
        }
        // Asked of the backends before all slots are walked: when all are full, that is each request's case.
        let any = (0..self.candidate_count).find(|slot| usable(*slot))?;
        onward.find(|slot| usable(*slot)).or(Some(any))
    }
}

// ANCHOR: filled
/// Round after round each takes a slot, those of the largest weight in every round.
fn populate(lists: &mut [(u64, Permutation)]) -> Vec<u32> {
    let largest = lists.iter().map(|(_, list)| list.weight).max().unwrap_or(1);
    let mut owners = vec![EMPTY; TABLE_SIZE];
    let mut free = TABLE_SIZE;
    for round in 1.. {
        for (_, list) in lists.iter_mut() {
            // Rounded up: all take part in the first round.
            if list.entries < (round * list.weight).div_ceil(largest) {
                list.claim_next(&mut owners);
                free -= 1;
            }
            if free == 0 {
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
        let mut slots = vec![0; members];
        maglev.table.iter().for_each(|owner| slots[*owner as usize] += 1);
        slots
    }

    #[test]
    fn slots_follow_the_weights() {
        for weights in [&[1, 1, 1][..], &[5, 1, 1], &[100, 50, 3, 2, 1], &[7]] {
            let slots = entries_per_candidate(&Maglev::new(&members(weights)), weights.len());
            let total: u32 = weights.iter().sum();
            for (slots, weight) in slots.into_iter().zip(weights) {
                let fair = TABLE_SIZE * *weight as usize / total as usize;
                assert!(slots.abs_diff(fair) <= 1 + weights.len(), "{slots} for {weight} of {weights:?}");
            }
        }
    }

    #[test]
    fn the_least_weight_has_a_slot() {
        let slots = entries_per_candidate(&Maglev::new(&members(&[u32::MAX, 1, 0])), 3);
        assert_eq!(slots, [TABLE_SIZE - 2, 1, 1]);
    }

    #[test]
    fn whatever_is_usable_is_found() {
        let maglev = Maglev::new(&members(&[1; 20]));
        for key in 0..1_000 {
            assert_eq!(maglev.pick(key, |slot| slot == 13), Some(13));
            assert_eq!(maglev.pick(key, |_| false), None);
        }
        assert_eq!(Maglev::new(&[]).pick(1, |_| true), None);
    }

    #[test]
    fn slots_are_within_1_percent_of_an_equal_share() {
        for backends in [1, 3, 10, 30, 300] {
            let members: Vec<_> = (0..backends as u64)
                .map(|key| HashedCandidate { name_hash: super::super::hash::hash(&key.to_le_bytes()), weight: 1 })
                .collect();
            let mut slots = vec![0_usize; backends];
            Maglev::new(&members).table.iter().for_each(|owner| slots[*owner as usize] += 1);
            let (least, most) = (slots.iter().min().unwrap() * backends, slots.iter().max().unwrap() * backends);
            assert!(least * 100 >= TABLE_SIZE * 99 && most * 100 <= TABLE_SIZE * 101, "{backends}: {slots:?}");
        }
    }
}
