//! The clients of all loops, and who hears of a place that is free again.

use std::sync::Arc;

use crate::{
    house::House,
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
        Self { house: House::new(limit, loops.len()), loops }
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

    /// A client of the loop `place` has left, or did not come, and with it its place.
    pub(crate) fn lose(&self, place: usize) {
        self.house.left(place);
        self.leave();
    }
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
