//! The table of keys: a state per key, in a fixed number of slots.
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
    Mutex, PoisonError, TryLockError,
    atomic::{
        AtomicU64,
        Ordering::{Relaxed, SeqCst},
        fence,
    },
};

/// Slots in one line of keys: a cache line's worth.
const LINE: usize = 8;
const LOCKS: usize = 64;

/// The owner of a slot that no key has.
const FREE: u64 = 0;
/// The owner of a slot that is being given to a new key. No key finds it.
const CLAIMED: u64 = u64::MAX;

/// A hash of what tells clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// From a hash whose bits are all random to those who choose what is hashed.
    pub fn from_hash(hash: u64) -> Self {
        Self(hash.clamp(FREE + 1, CLAIMED - 1))
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

/// A key's slot. The key keeps it for as long as its state is not idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

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
    /// Calls `take` with the key's state, and returns its slot and the outcome; `None` if no slot is free for a new key.
    ///
    /// `is_idle` says whether a state decides as a new one does: then another key may have its slot. If the key loses its
    /// slot while `take` runs, `undo` gives back what it took from the new owner's state, and it takes again.
    #[inline]
    pub fn with_state<T>(
        &self,
        key: Key,
        is_idle: impl Fn(&S) -> bool,
        take: impl Fn(&S) -> T,
        undo: impl Fn(&S, &T),
    ) -> Option<(Slot, T)> {
        loop {
            let slot = self.find(key).or_else(|| self.insert(key, &is_idle))?;
            let state = &self.states[slot.0];
            let outcome = take(state);
            // Either we see the new owner, or it sees what we took: see `claim`.
            fence(SeqCst);
            if self.owner(slot).load(Relaxed) == key.0 {
                return Some((slot, outcome));
            }
            undo(state, &outcome);
        }
    }
    // ANCHOR_END: with_state

    /// The state in a slot.
    pub fn state(&self, slot: Slot) -> &S {
        &self.states[slot.0]
    }

    fn owner(&self, slot: Slot) -> &AtomicU64 {
        &self.lines[slot.0 / LINE].0[slot.0 % LINE]
    }

    /// The two lines that may list a key, by the halves of its hash, which are independent.
    #[inline]
    fn lines_of(&self, key: Key) -> [usize; 2] {
        let mask = self.lines.len() - 1;
        // Truncation keeps the low bits, and the mask fewer.
        let index = |hash: u64| usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(usize::MAX) & mask;
        let (first, second) = (index(key.0), index(key.0 >> 32));
        // There are at least two.
        [first, if second == first { second ^ 1 } else { second }]
    }

    fn slots_of(line: usize) -> impl Iterator<Item = Slot> {
        (line * LINE..(line + 1) * LINE).map(Slot)
    }

    #[inline]
    fn find(&self, key: Key) -> Option<Slot> {
        self.lines_of(key).into_iter().find_map(|line| {
            let owners = &self.lines[line].0;
            let place = owners.iter().position(|owner| owner.load(Relaxed) == key.0)?;
            Some(Slot(line * LINE + place))
        })
    }

    fn insert_lock(&self, owner: u64) -> &Mutex<()> {
        &self.insert_locks[usize::try_from(owner % LOCKS as u64).unwrap_or(0)]
    }

    // ANCHOR: insert
    /// A slot for a key that has none: of the line with more free ones, so that lines fill evenly.
    #[cold]
    fn insert(&self, key: Key, is_idle: impl Fn(&S) -> bool) -> Option<Slot> {
        let _inserting = self.insert_lock(key.0).lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have inserted it while this one waited.
        if let Some(slot) = self.find(key) {
            return Some(slot);
        }
        let is_free = |slot: &Slot| match self.owner(*slot).load(Relaxed) {
            FREE => true,
            CLAIMED => false,
            _ => is_idle(&self.states[slot.0]),
        };
        let [first, second] = self.lines_of(key);
        let free_in = |line| Self::slots_of(line).filter(is_free).count();
        let by_space = if free_in(first) >= free_in(second) { [first, second] } else { [second, first] };
        by_space.into_iter().flat_map(Self::slots_of).find(|slot| is_free(slot) && self.claim(*slot, key, &is_idle))
    }
    // ANCHOR_END: insert

    /// Takes a slot that is free or idle. Other keys may want it too, and its owner may be about to take from it.
    fn claim(&self, slot: Slot, key: Key, is_idle: impl Fn(&S) -> bool) -> bool {
        let owner = self.owner(slot);
        let before = owner.load(Relaxed);
        if before == FREE {
            return owner.compare_exchange(FREE, key.0, Relaxed, Relaxed).is_ok();
        }
        // Until this is over, the owner must not be given another slot. The caller holds the lock of `key`, which may be
        // the same; waiting for another one could be a deadlock.
        let is_same_lock = before % LOCKS as u64 == key.0 % LOCKS as u64;
        let lock = if is_same_lock { None } else { Some(self.insert_lock(before).try_lock()) };
        if before == CLAIMED || matches!(lock, Some(Err(TryLockError::WouldBlock))) {
            return false;
        }
        // Not `key` yet: another request with it would take from the state before it is known to be idle.
        if owner.compare_exchange(before, CLAIMED, Relaxed, Relaxed).is_err() {
            return false;
        }
        // The owner may have taken something in between: then it keeps its slot.
        fence(SeqCst);
        let is_free = is_idle(&self.states[slot.0]);
        owner.store(if is_free { key.0 } else { before }, Relaxed);
        is_free
    }
}

#[cfg(test)]
mod tests;
