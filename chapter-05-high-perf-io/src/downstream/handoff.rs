//! The clients of all loops, and who hears of a place that is free again.

use std::sync::Arc;

use common::{
    net::ConnectionLimiter,
    worker::{FdPressure, WorkerConnections},
};

use crate::worker::queue::{Command, WorkerQueue};

/// The clients of all loops.
#[derive(Debug)]
pub(crate) struct ConnectionHandoff {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) per_worker: WorkerConnections,
    pub(crate) fd_pressure: FdPressure,
    queues: Vec<Arc<WorkerQueue>>,
}

impl ConnectionHandoff {
    /// At most `limit` of them.
    pub(crate) fn new(limit: usize, queues: Vec<Arc<WorkerQueue>>) -> Self {
        let per_worker = WorkerConnections::new(queues.len());
        Self { limiter: ConnectionLimiter::new(limit), per_worker, fd_pressure: FdPressure::default(), queues }
    }

    /// The loops, by their mailboxes.
    pub(crate) fn queues(&self) -> &[Arc<WorkerQueue>] {
        &self.queues
    }

    /// Gives a place back. Who had to stop accepting for want of one hears of it.
    pub(crate) fn release(&self) {
        if self.limiter.release() {
            for mailbox in self.queues.iter().filter(|mailbox| mailbox.take_waits_for_capacity()) {
                let _ = mailbox.push(Command::RetryAccept);
            }
        }
    }

    /// A client of the loop `place` has left, or did not come, and with it its place.
    pub(crate) fn connection_closed(&self, place: usize) {
        self.per_worker.decrement(place);
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    fn handoff(limit: usize, loops: usize) -> (ConnectionHandoff, Vec<Poll>) {
        let polls: Vec<_> = (0..loops).map(|_| Poll::new().unwrap()).collect();
        let mailboxes = polls.iter().map(|poll| Arc::new(WorkerQueue::new(poll.registry()).unwrap()));
        (ConnectionHandoff::new(limit, mailboxes.collect()), polls)
    }

    #[test]
    fn release_at_the_limit_notifies_waiting_workers_only() {
        let (clients, _polls) = handoff(2, 3);
        let told = || clients.queues().iter().map(|mailbox| mailbox.take_all().len()).collect::<Vec<_>>();
        assert!(clients.limiter.try_acquire() && clients.limiter.try_acquire() && !clients.limiter.try_acquire());
        clients.queues()[0].set_waits_for_capacity();
        clients.queues()[2].set_waits_for_capacity();
        clients.release();
        assert!(clients.limiter.has_capacity());
        assert_eq!(told(), [1, 0, 1]);
        assert!(clients.limiter.try_acquire());
        clients.release();
        assert_eq!(told(), [0, 0, 0], "they have been told");
        clients.queues()[1].set_waits_for_capacity();
        clients.release();
        assert_eq!(told(), [0, 0, 0], "there was room before");
    }
}
