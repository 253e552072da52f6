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
    bounded_load::Consistent,
    candidate::Member,
    hash::{combine, mix},
};

/// Slots of the table, a prime: so that every step size visits all of them. The paper's small one, and Envoy's.
const SLOTS: usize = 65_537;
const SLOTS_U64: u64 = SLOTS as u64;

/// Whose each slot is.
#[derive(Clone, Debug)]
pub struct Maglev {
    owners: Vec<u32>,
    count: usize,
}

/// One member's list of preferences, and how far it has read.
struct List {
    owner: u32,
    weight: u64,
    next: usize,
    step: usize,
    taken: u64,
}

impl List {
    #[expect(clippy::cast_possible_truncation, reason = "below 65,537")]
    fn new(owner: u32, member: Member) -> Self {
        let next = combine(member.key, 1) % SLOTS_U64;
        let step = combine(member.key, 2) % (SLOTS_U64 - 1) + 1;
        let weight = u64::from(member.weight.max(1));
        Self { owner, weight, next: next as usize, step: step as usize, taken: 0 }
    }

    /// Takes the first slot on the list that is free. One must be.
    fn take(&mut self, owners: &mut [u32]) {
        while owners[self.next] != FREE {
            self.next = (self.next + self.step) % SLOTS;
        }
        owners[self.next] = self.owner;
        self.taken += 1;
    }
}

const FREE: u32 = u32::MAX;

impl Maglev {
    /// The table of these members; their order does not matter.
    pub fn new(members: &[Member]) -> Self {
        let mut lists: Vec<(u64, List)> =
            (0..).zip(members).map(|(owner, member)| (member.key, List::new(owner, *member))).collect();
        // Who comes first in a round must not hang on the order in the configuration.
        lists.sort_unstable_by_key(|(key, _)| *key);
        let owners = if lists.is_empty() { Vec::new() } else { filled(&mut lists) };
        Self { owners, count: members.len() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "below 65,537")]
    fn place(&self, key: u64) -> Option<usize> {
        mix(key).checked_rem(self.owners.len() as u64).map(|place| place as usize)
    }
}

impl Consistent for Maglev {
    /// The slot's owner; if it is not usable, that of the next slot whose owner is.
    fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let (before, after) = self.owners.split_at(self.place(key)?);
        let mut onward = after.iter().chain(before).map(|owner| *owner as usize);
        let owner = onward.next()?;
        if usable(owner) {
            return Some(owner);
        }
        // Asked of the backends before all slots are walked: when all are full, that is each request's case.
        let any = (0..self.count).find(|slot| usable(*slot))?;
        onward.find(|slot| usable(*slot)).or(Some(any))
    }
}

// ANCHOR: filled
/// Round after round each takes a slot, those of the largest weight in every round.
fn filled(lists: &mut [(u64, List)]) -> Vec<u32> {
    let largest = lists.iter().map(|(_, list)| list.weight).max().unwrap_or(1);
    let mut owners = vec![FREE; SLOTS];
    let mut free = SLOTS;
    for round in 1.. {
        for (_, list) in lists.iter_mut() {
            // Rounded up: all take part in the first round.
            if list.taken < (round * list.weight).div_ceil(largest) {
                list.take(&mut owners);
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

    fn members(weights: &[u32]) -> Vec<Member> {
        (0..).zip(weights).map(|(i, weight)| Member { key: mix(i), weight: *weight }).collect()
    }

    fn slots_of(maglev: &Maglev, members: usize) -> Vec<usize> {
        let mut slots = vec![0; members];
        maglev.owners.iter().for_each(|owner| slots[*owner as usize] += 1);
        slots
    }

    #[test]
    fn slots_follow_the_weights() {
        for weights in [&[1, 1, 1][..], &[5, 1, 1], &[100, 50, 3, 2, 1], &[7]] {
            let slots = slots_of(&Maglev::new(&members(weights)), weights.len());
            let total: u32 = weights.iter().sum();
            for (slots, weight) in slots.into_iter().zip(weights) {
                let fair = SLOTS * *weight as usize / total as usize;
                assert!(slots.abs_diff(fair) <= 1 + weights.len(), "{slots} for {weight} of {weights:?}");
            }
        }
    }

    #[test]
    fn the_least_weight_has_a_slot() {
        let slots = slots_of(&Maglev::new(&members(&[u32::MAX, 1, 0])), 3);
        assert_eq!(slots, [SLOTS - 2, 1, 1]);
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
                .map(|key| Member { key: super::super::hash::hash(&key.to_le_bytes()), weight: 1 })
                .collect();
            let mut slots = vec![0_usize; backends];
            Maglev::new(&members).owners.iter().for_each(|owner| slots[*owner as usize] += 1);
            let (least, most) = (slots.iter().min().unwrap() * backends, slots.iter().max().unwrap() * backends);
            assert!(least * 100 >= SLOTS * 99 && most * 100 <= SLOTS * 101, "{backends}: {slots:?}");
        }
    }
}
