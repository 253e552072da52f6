//! Counters by route, code and end: few of the thousands of combinations ever occur, and which is not known in advance.
//!
//! An open-addressing table of fixed size with one writer. A key is written once and never moves, so a reader that
//! walks the slots sees each combination at most once, and nothing is allocated when a new one comes. Combinations that
//! find the table full are counted together, and said to be dropped.

use std::{
    fmt::Debug,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::{
    end::{Code, End},
    single_writer::SingleWriter,
};

/// Route, code and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// The slot of the route.
    pub slot: usize,
    /// The code.
    pub code: Code,
    /// The end, by its index in [`End::ALL`].
    end: u8,
}

impl Outcome {
    /// A request of this slot that ended so.
    pub fn new(slot: usize, code: Code, end: End) -> Self {
        Self { slot, code, end: end as u8 }
    }

    /// Why it ended.
    pub fn end(self) -> End {
        End::ALL.get(usize::from(self.end)).copied().unwrap_or(End::Other)
    }

    /// As one number, which is never 0.
    pub fn key(self) -> u64 {
        u64::try_from(self.slot).unwrap_or(u64::MAX) << 32 | u64::from(self.code.bits()) << 8 | u64::from(self.end)
    }

    /// The outcome with this key.
    pub fn from_key(key: u64) -> Self {
        let [end, low, high, ..] = key.to_le_bytes();
        Self {
            slot: usize::try_from(key >> 32).unwrap_or(usize::MAX),
            code: Code::from_bits(u16::from_le_bytes([low, high])),
            end,
        }
    }
}

/// One worker's counters by outcome. The balancer's is [`Outcomes`]; an exercise puts the reader's in its place.
///
/// [`count`](Self::count) is called by the worker's thread only, between two waits: it must not block, and must not
/// allocate. The others are called by any thread at the same time.
pub trait OutcomeTable: Debug + Send + Sync {
    /// Counts a request.
    fn count(&self, outcome: Outcome);

    /// Each outcome with its count, at most once. Of the same thread's calls, none may return less than one before.
    fn counts(&self) -> Vec<(Outcome, u64)>;

    /// How many requests are in none of [`counts`](Self::counts), because the table was full.
    fn overflow(&self) -> u64;

    /// The memory that it takes, in bytes.
    fn bytes(&self) -> usize;
}

/// Makes a worker's table, for at least so many outcomes.
pub type OutcomeTableFactory = fn(usize) -> Box<dyn OutcomeTable>;

/// The default [`OutcomeTableFactory`].
pub fn outcome_table(outcomes: usize) -> Box<dyn OutcomeTable> {
    Box::new(Outcomes::new(outcomes))
}

/// An open-addressing table.
#[derive(Debug)]
pub struct Outcomes {
    slots: Box<[Slot]>,
    used: SingleWriter,
    /// Requests that found it full.
    overflow: SingleWriter,
}

#[derive(Debug, Default)]
struct Slot {
    /// 0 while it is free.
    key: AtomicU64,
    count: SingleWriter,
}

impl Outcomes {
    /// For at least `combinations`, of which an eighth stays free.
    pub fn new(combinations: usize) -> Self {
        let slots = (combinations.div_ceil(7) * 8).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            used: SingleWriter::default(),
            overflow: SingleWriter::default(),
        }
    }

    /// Without a free slot a search for an unknown key would not end.
    fn is_full(&self) -> bool {
        let room = u64::try_from(self.slots.len() / 8 * 7).unwrap_or(u64::MAX);
        self.used.get() >= room
    }
}

impl OutcomeTable for Outcomes {
    // ANCHOR: count
    fn count(&self, outcome: Outcome) {
        let (key, mask) = (outcome.key(), self.slots.len() - 1);
        let mut at = spread(key) & mask;
        loop {
            let slot = &self.slots[at];
            match slot.key.load(Relaxed) {
                // Nothing is ever removed, so a free slot means that the key is nowhere.
                0 if self.is_full() => return self.overflow.add(1),
                0 => {
                    self.used.add(1);
                    slot.key.store(key, Release);
                    return slot.count.add(1);
                }
                found if found == key => return slot.count.add(1),
                _ => at = (at + 1) & mask,
            }
        }
    }
    // ANCHOR_END: count

    fn counts(&self) -> Vec<(Outcome, u64)> {
        let counted = self.slots.iter().filter_map(|slot| {
            let key = slot.key.load(Acquire);
            (key != 0).then(|| (Outcome::from_key(key), slot.count.get()))
        });
        counted.collect()
    }

    fn overflow(&self) -> u64 {
        self.overflow.get()
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

/// Fibonacci hashing: the high bits of a product depend on all bits of the key.
fn spread(key: u64) -> usize {
    usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn outcome(slot: usize, code: u16, end: End) -> Outcome {
        Outcome::new(slot, Code::from_bits(code), end)
    }

    #[test]
    fn counts_each_combination_and_what_finds_no_room() {
        let table = Outcomes::new(8);
        let ends = [End::Limited, End::Shed, End::Other];
        let all: Vec<_> =
            (0..10).flat_map(|slot| ends.map(|end| outcome(slot, 400 + u16::from(end as u8), end))).collect();
        for (times, outcome) in (1..).zip(&all) {
            (0..times).for_each(|_| table.count(*outcome));
        }
        let counts: HashMap<_, _> = table.counts().into_iter().collect();
        let room = table.slots.len() / 8 * 7;
        assert_eq!(counts.len(), room);
        for (times, outcome) in (1..).zip(&all).take(room) {
            assert_eq!(counts[outcome], times, "{outcome:?}");
        }
        let sum: u64 = counts.values().sum::<u64>() + table.overflow();
        assert_eq!(sum, (1..=30).sum::<u64>());
    }

    #[test]
    fn has_room_for_as_many_combinations_as_it_was_made_for() {
        for combinations in (0..100).chain([6_249, 6_250, 6_251]) {
            let table = Outcomes::new(combinations);
            (0..combinations).for_each(|slot| table.count(outcome(slot, 503, End::Shed)));
            assert_eq!((table.counts().len(), table.overflow()), (combinations, 0));
            table.count(outcome(usize::from(u16::MAX), 404, End::NoRoute));
        }
    }

    #[test]
    fn a_reader_sees_no_combination_twice_and_no_step_back() {
        let table = Outcomes::new(64);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..20_000_usize {
                    table.count(outcome(round % 50, 503, End::Shed));
                }
            });
            let mut last = HashMap::new();
            while !writer.is_finished() {
                let mut now = HashMap::new();
                for (outcome, count) in table.counts() {
                    assert!(now.insert(outcome, count).is_none(), "{outcome:?} twice");
                    assert!(last.get(&outcome).is_none_or(|before| *before <= count));
                }
                last = now;
            }
        });
        assert_eq!(table.counts().iter().map(|(_, count)| count).sum::<u64>(), 20_000);
    }

    #[test]
    fn a_key_becomes_its_outcome_again() {
        for end in End::ALL {
            let outcome = outcome(65_535, 599, *end);
            assert_eq!(Outcome::from_key(outcome.key()), outcome);
            assert_eq!(outcome.end(), *end);
        }
    }
}
