//! Which worker serves a connection, and which workers are told when the connection limit allows one more.

use std::sync::Arc;

use common::{
    net::ConnectionLimiter,
    worker::{FdPressure, WorkerConnections},
};

use crate::worker::queue::{Command, WorkerQueue};

/// The connections of all workers: their limit, their distribution, and the command queue of each worker.
#[derive(Debug)]
pub(crate) struct ConnectionHandoff {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) per_worker: WorkerConnections,
    pub(crate) fd_pressure: FdPressure,
    queues: Vec<Arc<WorkerQueue>>,
}

impl ConnectionHandoff {
    /// For at most `limit` connections, and one worker per queue.
    pub(crate) fn new(limit: usize, queues: Vec<Arc<WorkerQueue>>) -> Self {
        let per_worker = WorkerConnections::new(queues.len());
        Self { limiter: ConnectionLimiter::new(limit), per_worker, fd_pressure: FdPressure::default(), queues }
    }

    /// The command queues, by worker id.
    pub(crate) fn queues(&self) -> &[Arc<WorkerQueue>] {
        &self.queues
    }

    /// Counts one connection less. Workers that have stopped accepting at the limit are told to accept again.
    pub(crate) fn release(&self) {
        if self.limiter.release() {
            for queue in self.queues.iter().filter(|queue| queue.take_waits_for_capacity()) {
                let _ = queue.push(Command::RetryAccept);
            }
        }
    }

    /// A connection that was counted for worker `worker_id` has closed, or could not be served.
    pub(crate) fn connection_closed(&self, worker_id: usize) {
        self.per_worker.decrement(worker_id);
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    fn handoff(limit: usize, workers: usize) -> (ConnectionHandoff, Vec<Poll>) {
        let polls: Vec<_> = (0..workers).map(|_| Poll::new().unwrap()).collect();
        let queues = polls.iter().map(|poll| Arc::new(WorkerQueue::new(poll.registry()).unwrap()));
        (ConnectionHandoff::new(limit, queues.collect()), polls)
    }

    #[test]
    fn release_at_the_limit_notifies_waiting_workers_only() {
        let (handoff, _polls) = handoff(2, 3);
        let commands = || handoff.queues().iter().map(|queue| queue.take_all().len()).collect::<Vec<_>>();
        assert!(handoff.limiter.try_acquire() && handoff.limiter.try_acquire() && !handoff.limiter.try_acquire());
        handoff.queues()[0].set_waits_for_capacity();
        handoff.queues()[2].set_waits_for_capacity();
        handoff.release();
        assert!(handoff.limiter.has_capacity());
        assert_eq!(commands(), [1, 0, 1]);
        assert!(handoff.limiter.try_acquire());
        handoff.release();
        assert_eq!(commands(), [0, 0, 0], "both have been notified already");
        handoff.queues()[1].set_waits_for_capacity();
        handoff.release();
        assert_eq!(commands(), [0, 0, 0], "the limit was not reached");
    }
}
