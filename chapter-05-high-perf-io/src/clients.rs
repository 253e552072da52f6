//! The clients of all loops: which loop has the next, and who hears of a place that is free again.

use std::sync::Arc;

use crate::{
    house::{House, is_uneven},
    mailbox::{Letter, Mailbox},
};

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) house: House,
    loops: Vec<Arc<Mailbox>>,
}

impl Clients {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, loops: Vec<Arc<Mailbox>>) -> Self {
        Self { house: House::new(limit), loops }
    }

    /// The loops, by their mailboxes.
    pub(crate) fn loops(&self) -> &[Arc<Mailbox>] {
        &self.loops
    }

    /// Gives a place back. Who had to stop accepting for want of one hears of it.
    pub(crate) fn leave(&self) {
        if self.house.leave() {
            for mailbox in self.loops.iter().filter(|mailbox| mailbox.wanted_room()) {
                let _ = mailbox.post(Letter::Room);
            }
        }
    }

    // ANCHOR: place
    /// Which loop is to have a client that `own` has accepted.
    pub(crate) fn place_for<'a>(&'a self, own: &'a Arc<Mailbox>) -> &'a Arc<Mailbox> {
        let emptiest = self.loops.iter().min_by_key(|mailbox| mailbox.clients()).unwrap_or(own);
        if is_uneven(own.clients(), emptiest.clients()) { emptiest } else { own }
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
        assert!(clients.house.enter() && clients.house.enter() && !clients.house.enter());
        clients.loops()[0].want_room();
        clients.loops()[2].want_room();
        clients.leave();
        assert!(clients.house.has_room());
        assert_eq!(told(), [1, 0, 1]);
        assert!(clients.house.enter());
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "they have been told");
        clients.loops()[1].want_room();
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "there was room before");
    }
}
