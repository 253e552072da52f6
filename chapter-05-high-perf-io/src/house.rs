//! How many clients a process has, and whether one more may come in: what its loops, or cores, have in common.
//!
//! It knows nothing of how they wait. Whoever gives a place back is told whether somebody may be waiting for it, and
//! tells him in the engine's way.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

/// A loop may have this part more clients than the one with the fewest before it hands one over: for a few that stay, one
/// too many is much; for many that come and go, a hand-over costs more than it mends.
const SLACK: usize = 8;
/// Descriptors that run out again within this time have run out once, whoever could be accepted in between.
const SAME_SHORTAGE: Duration = Duration::from_secs(10);

/// The places of all clients.
#[derive(Debug)]
pub struct House {
    taken: AtomicUsize,
    limit: usize,
    serial: AtomicU32,
    /// When a loop last found that descriptors have run out.
    shortage: Mutex<Option<Instant>>,
}

impl House {
    /// With so many places.
    pub fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit, serial: AtomicU32::new(0), shortage: Mutex::default() }
    }

    /// Takes a place for one more, if there is one.
    pub fn enter(&self) -> bool {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Whether there is a place for one more.
    pub fn has_room(&self) -> bool {
        self.taken.load(SeqCst) < self.limit
    }

    /// Gives a place back. Whether there was none before: then somebody may wait for it.
    #[must_use]
    pub fn leave(&self) -> bool {
        self.taken.fetch_sub(1, SeqCst) == self.limit
    }

    /// The number of the next client.
    pub fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Relaxed)
    }

    /// Descriptors have run out. Whether that is news: it is one process that they have run out for.
    pub fn is_new_shortage(&self, now: Instant) -> bool {
        let mut shortage = self.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        let last = shortage.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= SAME_SHORTAGE)
    }
}

/// Whether a loop with so many clients is to hand the next one to a loop with so few. The kernel deals clients out by a
/// hash of their addresses: over many they are even, over few they are not.
pub fn is_uneven(most: usize, fewest: usize) -> bool {
    most > fewest + fewest / SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_a_full_house_is_told_so() {
        let house = House::new(2);
        assert!(house.enter() && house.enter() && !house.enter() && !house.has_room());
        assert!(house.leave());
        assert!(house.has_room());
        assert!(!house.leave(), "nobody waited");
        assert_eq!((house.next_serial(), house.next_serial()), (0, 1));
    }

    #[test]
    fn a_shortage_that_goes_on_is_said_once() {
        let (house, began) = (House::new(1), common::clock::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let found = [0, 0, 9, 18, 27, 37, 38].map(|after| house.is_new_shortage(at(after)));
        assert_eq!(found, [true, false, false, false, false, true, false]);
    }

    #[test]
    fn few_are_dealt_evenly_and_many_stay_within_an_eighth() {
        assert!(is_uneven(1, 0) && is_uneven(3, 2) && is_uneven(91, 80));
        assert!(!is_uneven(0, 0) && !is_uneven(2, 2) && !is_uneven(90, 80));
    }
}
