//! The table of keys: a state per key, in memory that is set aside at the start.
//!
//! WHEN TO USE IT: to keep something small for each of many clients that you don't know, some of whom are hostile. A
//! key is a keyed hash of 64 bits: what was hashed is not kept, so a value of 31 KiB costs what one of a byte does.
//!
//! **No lock for a known key**: its slot is one of sixteen, which two cache lines list by their keys. Only a new key
//! takes one of 64 locks, so that no key gets two slots. A key whose state has become idle gives its slot to a new one:
//! nothing is lost, because an idle state decides as a new one does. So no task has to sweep the table, and a key that
//! is limited now is never evicted, which would reset its limit.
//!
//! **Full**: the table has two slots per key that it is made for. If all sixteen of a new key are in use, it gets none;
//! its caller decides what that means.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Slots in one line of keys: a cache line's worth.
const LINE: usize = 8;
const LOCKS: usize = 64;

/// A hash of what tells clients apart. Never 0, which marks a free slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// From a hash whose bits are all random to those who choose what is hashed.
    pub fn from_hash(hash: u64) -> Self {
        Self(hash.max(1))
    }
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct KeyLine([AtomicU64; LINE]);

/// States by key.
#[derive(Debug)]
pub struct KeyTable<S> {
    /// A power of two.
    lines: Box<[KeyLine]>,
    states: Box<[S]>,
    insert_locks: Box<[Mutex<()>]>,
}

/// A key's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot(usize);

impl<S: Default> KeyTable<S> {
    /// A table for `keys` keys at a time, with room for twice as many.
    pub fn new(keys: usize) -> Self {
        let lines = (keys.max(LINE) * 2).next_power_of_two() / LINE;
        Self {
            lines: (0..lines).map(|_| KeyLine::default()).collect(),
            states: (0..lines * LINE).map(|_| S::default()).collect(),
            insert_locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The memory that it takes, in bytes, without what the states hold on the heap.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + size_of_val(&*self.states) + size_of_val(&*self.insert_locks)
    }

    /// The number of its slots.
    pub fn slots(&self) -> usize {
        self.states.len()
    }

    // ANCHOR: with_state
    /// Calls `take` with the key's state, and returns its outcome; `None` if no slot is free for a new key.
    ///
    /// `is_idle` says whether a state decides as a new one does: then another key may have its slot. If the key loses its
    /// slot while `take` runs, `undo` gives back what it took from the new owner's state, and it takes again.
    pub fn with_state<T>(
        &self,
        key: Key,
        is_idle: impl Fn(&S) -> bool,
        take: impl Fn(&S) -> T,
        undo: impl Fn(&S, &T),
    ) -> Option<T> {
        loop {
            let slot = self.find(key).or_else(|| self.insert(key, &is_idle))?;
            let state = &self.states[slot.0];
            let outcome = take(state);
            if self.owner(slot).load(Relaxed) == key.0 {
                return Some(outcome);
            }
            undo(state, &outcome);
        }
    }
    // ANCHOR_END: with_state

    /// Calls `use_state` with the key's state, if it has one.
    pub fn with_known(&self, key: Key, use_state: impl FnOnce(&S)) {
        if let Some(slot) = self.find(key) {
            use_state(&self.states[slot.0]);
        }
    }

    fn owner(&self, slot: Slot) -> &AtomicU64 {
        &self.lines[slot.0 / LINE].0[slot.0 % LINE]
    }

    /// The two lines that may list a key. The halves of a random hash are independent.
    fn lines_of(&self, key: Key) -> [usize; 2] {
        let mask = self.lines.len() - 1;
        // Truncation keeps the low bits, and the mask fewer.
        let index = |hash: u64| usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(usize::MAX) & mask;
        [index(key.0), index(key.0 >> 32)]
    }

    fn slots_of(line: usize) -> impl Iterator<Item = Slot> {
        (line * LINE..(line + 1) * LINE).map(Slot)
    }

    fn find(&self, key: Key) -> Option<Slot> {
        self.lines_of(key).into_iter().flat_map(Self::slots_of).find(|slot| self.owner(*slot).load(Relaxed) == key.0)
    }

    // ANCHOR: insert
    /// A slot for a key that has none: of the line with more free ones, so that lines fill evenly.
    fn insert(&self, key: Key, is_idle: impl Fn(&S) -> bool) -> Option<Slot> {
        let lock = &self.insert_locks[usize::try_from(key.0 % LOCKS as u64).unwrap_or(0)];
        let _inserting = lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have inserted it while this one waited.
        if let Some(slot) = self.find(key) {
            return Some(slot);
        }
        let is_free = |slot: &Slot| self.owner(*slot).load(Relaxed) == 0 || is_idle(&self.states[slot.0]);
        let [first, second] = self.lines_of(key).map(|line| Self::slots_of(line).filter(is_free).collect::<Vec<_>>());
        let by_space = if first.len() >= second.len() { [first, second] } else { [second, first] };
        by_space.into_iter().flatten().find(|slot| self.claim(*slot, key, &is_idle))
    }
    // ANCHOR_END: insert

    /// Takes a slot that is free or idle. Keys with other locks may want it too.
    fn claim(&self, slot: Slot, key: Key, is_idle: impl Fn(&S) -> bool) -> bool {
        let owner = self.owner(slot);
        let before = owner.load(Relaxed);
        if before != 0 && !is_idle(&self.states[slot.0]) {
            return false;
        }
        if owner.compare_exchange(before, key.0, Relaxed, Relaxed).is_err() {
            return false;
        }
        // The last owner may have taken something in between: then it keeps its slot.
        if before != 0 && !is_idle(&self.states[slot.0]) {
            let _ = owner.compare_exchange(key.0, before, Relaxed, Relaxed);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests;
