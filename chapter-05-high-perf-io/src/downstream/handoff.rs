//! The clients of all loops, and who hears of a place that is free again.

use std::sync::Arc;

use common::{
    net::ConnectionLimiter,
    worker::{FdPressure, WorkerConnections},
};

use crate::worker::queue::{Letter, Mailbox};

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) per_worker: WorkerConnections,
    pub(crate) fd_pressure: FdPressure,
    loops: Vec<Arc<Mailbox>>,
}

impl Clients {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, loops: Vec<Arc<Mailbox>>) -> Self {
        let per_worker = WorkerConnections::new(loops.len());
        Self { limiter: ConnectionLimiter::new(limit), per_worker, fd_pressure: FdPressure::default(), loops }
    }

    /// The loops, by their mailboxes.
    pub(crate) fn loops(&self) -> &[Arc<Mailbox>] {
        &self.loops
    }

    /// Gives a place back. Who had to stop accepting for want of one hears of it.
    pub(crate) fn leave(&self) {
        if self.limiter.release() {
            for mailbox in self.loops.iter().filter(|mailbox| mailbox.wanted_room()) {
                let _ = mailbox.post(Letter::Room);
            }
        }
    }

    /// A client of the loop `place` has left, or did not come, and with it its place.
    pub(crate) fn lose(&self, place: usize) {
        self.per_worker.decrement(place);
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
        assert!(clients.limiter.try_acquire() && clients.limiter.try_acquire() && !clients.limiter.try_acquire());
        clients.loops()[0].want_room();
        clients.loops()[2].want_room();
        clients.leave();
        assert!(clients.limiter.has_capacity());
        assert_eq!(told(), [1, 0, 1]);
        assert!(clients.limiter.try_acquire());
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "they have been told");
        clients.loops()[1].want_room();
        clients.leave();
        assert_eq!(told(), [0, 0, 0], "there was room before");
    }
}
