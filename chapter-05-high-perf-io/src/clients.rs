//! How many clients there are in all loops, and who has room for the next.

use std::sync::{
    Arc,
    atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use crate::mailbox::{Letter, Mailbox};

/// A loop may have this part more clients than the one with the fewest before it hands one over: for a few that stay, one
/// too many is much; for many that come and go, a hand-over costs more than it mends.
const SLACK: usize = 8;

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    count: AtomicUsize,
    limit: usize,
    serial: AtomicU32,
    loops: Vec<Arc<Mailbox>>,
}

impl Clients {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, loops: Vec<Arc<Mailbox>>) -> Self {
        Self { count: AtomicUsize::new(0), limit, serial: AtomicU32::new(0), loops }
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

    /// Whether there is a place for one more.
    pub(crate) fn have_room(&self) -> bool {
        self.count.load(SeqCst) < self.limit
    }

    /// Gives a place back. Who had to stop accepting hears of it.
    pub(crate) fn leave(&self) {
        if self.count.fetch_sub(1, SeqCst) == self.limit {
            for mailbox in &self.loops {
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
    fn who_leaves_a_full_house_makes_room_known_to_all_loops() {
        let (clients, _polls) = clients(2, 2);
        assert!(clients.try_enter() && clients.try_enter() && !clients.try_enter());
        clients.leave();
        assert!(clients.have_room());
        for mailbox in clients.loops() {
            assert!(matches!(mailbox.take()[..], [Letter::Room]));
        }
        clients.leave();
        assert!(clients.loops().iter().all(|mailbox| mailbox.take().is_empty()), "there was room before");
    }
}
