//! How many clients a process has, whether one more may come in, and to which loop it goes: what its loops, or cores,
//! have in common.
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
    rooms: Box<[Room]>,
    serial: AtomicU32,
    /// When a loop last found that descriptors have run out.
    shortage: Mutex<Option<Instant>>,
}

/// How many clients a loop has.
#[derive(Debug, Default)]
#[repr(align(64))] // each loop counts its own clients: not on a line that another one writes
struct Room(AtomicUsize);

impl House {
    /// With so many places, for the clients of so many loops.
    pub fn new(limit: usize, loops: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            limit,
            rooms: (0..loops).map(|_| Room::default()).collect(),
            serial: AtomicU32::new(0),
            shortage: Mutex::default(),
        }
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

    /// How many clients each loop has.
    pub fn by_loop(&self) -> impl Iterator<Item = usize> {
        self.rooms.iter().map(|room| room.0.load(Relaxed))
    }

    // ANCHOR: place
    /// The loop that is to have a client which the loop `own` has accepted. It is counted there.
    pub fn place(&self, own: usize) -> usize {
        loop {
            let has = self.rooms[own].0.load(Relaxed);
            let clients = self.by_loop().enumerate().map(|(place, clients)| (clients, place));
            let (fewest, emptiest) = clients.min().unwrap_or((has, own));
            let (chosen, seen) = if is_uneven(has, fewest) { (emptiest, fewest) } else { (own, has) };
            // Two loops that look at the same time choose the same one: the second looks again.
            if self.rooms[chosen].0.compare_exchange(seen, seen + 1, Relaxed, Relaxed).is_ok() {
                return chosen;
            }
        }
    }
    // ANCHOR_END: place

    /// Counts a client of this loop.
    pub fn came_to(&self, place: usize) {
        self.rooms[place].0.fetch_add(1, Relaxed);
    }

    /// Counts a client of this loop less: it has left, or is another loop's after all.
    pub fn left(&self, place: usize) {
        self.rooms[place].0.fetch_sub(1, Relaxed);
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
fn is_uneven(most: usize, fewest: usize) -> bool {
    most > fewest + fewest / SLACK
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_leaves_a_full_house_is_told_so() {
        let house = House::new(2, 1);
        assert!(house.enter() && house.enter() && !house.enter() && !house.has_room());
        assert!(house.leave());
        assert!(house.has_room());
        assert!(!house.leave(), "nobody waited");
        assert_eq!((house.next_serial(), house.next_serial()), (0, 1));
    }

    #[test]
    fn a_shortage_that_goes_on_is_said_once() {
        let (house, began) = (House::new(1, 1), common::clock::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let found = [0, 0, 9, 18, 27, 37, 38].map(|after| house.is_new_shortage(at(after)));
        assert_eq!(found, [true, false, false, false, false, true, false]);
    }

    #[test]
    fn few_clients_are_dealt_evenly_though_one_loop_accepts_them_all() {
        let house = House::new(100, 4);
        (0..8).for_each(|_| _ = house.place(1));
        assert_eq!(house.by_loop().collect::<Vec<_>>(), [2, 2, 2, 2]);
    }

    #[test]
    fn few_clients_are_dealt_evenly_though_two_loops_accept_at_once() {
        let houses: Vec<_> = (0..20_000).map(|_| House::new(100, 2)).collect();
        let arrived = AtomicUsize::new(0);
        let accept = || {
            for (round, house) in houses.iter().enumerate() {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < 2 * (round + 1) {
                    thread::yield_now();
                }
                house.place(0);
            }
        };
        thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(accept)));
        assert!(houses.iter().all(|house| house.by_loop().eq([1, 1])));
    }

    #[test]
    fn many_clients_stay_where_they_are_within_an_eighth() {
        let house = House::new(10_000, 2);
        (0..90).for_each(|_| house.came_to(0));
        (0..80).for_each(|_| house.came_to(1));
        assert_eq!(house.place(0), 0);
        assert_eq!(house.place(0), 1, "91 are more than an eighth beyond 80");
        house.left(0);
        assert_eq!(house.by_loop().collect::<Vec<_>>(), [90, 81]);
    }
}
