//! How many clients there are in all loops, and who has room for the next.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use crate::mailbox::{Letter, Mailbox};

/// A loop may have this part more clients than the one with the fewest before it hands one over: for a few that stay, one
/// too many is much; for many that come and go, a hand-over costs more than it mends.
const SLACK: usize = 8;
/// Descriptors that run out again within this time have run out once, whoever could be accepted in between.
const SAME_SHORTAGE: Duration = Duration::from_secs(10);

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    count: AtomicUsize,
    limit: usize,
    serial: AtomicU32,
    loops: Vec<Arc<Mailbox>>,
    /// When a loop last found that descriptors have run out.
    shortage: Mutex<Option<Instant>>,
}

impl Clients {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, loops: Vec<Arc<Mailbox>>) -> Self {
        Self { count: AtomicUsize::new(0), limit, serial: AtomicU32::new(0), loops, shortage: Mutex::default() }
    }

    /// The loops, by their mailboxes.
    pub(crate) fn loops(&self) -> &[Arc<Mailbox>] {
        &self.loops
    }

    /// Takes a place for one more, if there is one.
    pub(crate) fn try_enter(&self) -> bool {
        let one_more = |count| (count < self.limit).then_some(count + 1);
        self.count.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// A loop finds that descriptors have run out. Whether that is news: it is one process that they have run out for.
    pub(crate) fn is_new_shortage(&self, now: Instant) -> bool {
        let mut shortage = self.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        let last = shortage.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= SAME_SHORTAGE)
    }

    /// Whether there is a place for one more.
    pub(crate) fn have_room(&self) -> bool {
        self.count.load(SeqCst) < self.limit
    }

    /// Gives a place back. Who had to stop accepting for want of one hears of it.
    pub(crate) fn leave(&self) {
        if self.count.fetch_sub(1, SeqCst) == self.limit {
            for mailbox in self.loops.iter().filter(|mailbox| mailbox.wanted_room()) {
                let _ = mailbox.post(Letter::Room);
            }
        }
    }

    /// The number of the next client.
    pub(crate) fn next_serial(&self) -> u32 {
        self.serial.fetch_add(1, Relaxed)
    }

    // ANCHOR: place
    /// Which loop is to have a client that `own` has accepted. The kernel deals clients out by a hash of their
    /// addresses: over many they are even, over few they are not.
    pub(crate) fn place_for<'a>(&'a self, own: &'a Arc<Mailbox>) -> &'a Arc<Mailbox> {
        let emptiest = self.loops.iter().min_by_key(|mailbox| mailbox.clients()).unwrap_or(own);
        let (most, least) = (own.clients(), emptiest.clients());
        if most > least + least / SLACK { emptiest } else { own }
    }
    // ANCHOR_END: place
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    fn clients(limit: usize, loops: usize) -> (Clients, Vec<Poll>) {
        let polls: Vec<_> = (0..loops).map(|_| Poll::new().unwrap()).collect();
        let mailboxes = polls.iter().map(|poll| Arc::new(Mailbox::new(poll.registry()).unwrap()));
        (Clients::new(limit, mailboxes.collect()), polls)
    }

    #[test]
    fn few_clients_are_dealt_evenly_though_one_loop_accepts_them_all() {
        let (clients, _polls) = clients(100, 4);
        for _ in 0..8 {
            clients.place_for(&clients.loops()[1]).expect_client();
        }
        let counts: Vec<_> = clients.loops().iter().map(|mailbox| mailbox.clients()).collect();
        assert_eq!(counts, [2, 2, 2, 2]);
    }

    #[test]
    fn many_clients_stay_where_they_are_within_the_slack() {
        let (clients, _polls) = clients(10_000, 2);
        let [own, other] = clients.loops() else { unreachable!() };
        (0..90).for_each(|_| own.expect_client());
        (0..80).for_each(|_| other.expect_client());
        assert!(Arc::ptr_eq(clients.place_for(own), own));
        own.expect_client();
        assert!(Arc::ptr_eq(clients.place_for(own), other), "91 are more than an eighth beyond 80");
    }

    #[test]
    fn who_leaves_a_full_house_makes_room_known_to_those_who_want_it() {
        let (clients, _polls) = clients(2, 3);
        let told = || clients.loops().iter().map(|mailbox| mailbox.take().len()).collect::<Vec<_>>();
        assert!(clients.try_enter() && clients.try_enter() && !clients.try_enter());
        clients.loops()[0].want_room();
        clients.loops()[2].want_room();
        clients.leave();
        assert!(clients.have_room());
        assert_eq!(told(), [1, 0, 1]);
        assert!(clients.try_enter());
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "they have been told");
        clients.loops()[1].want_room();
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "there was room before");
    }

    #[test]
    fn a_shortage_is_news_once_for_all_loops_until_it_has_been_over_for_a_while() {
        let (clients, _polls) = clients(2, 2);
        let begun = common::clock::now();
        let found = [0, 0, 9, 18, 27, 37, 38].map(|after| clients.is_new_shortage(begun + Duration::from_secs(after)));
        assert_eq!(found, [true, false, false, false, false, true, false]);
    }
}
