//! How a connection gets to another worker, and which workers are woken when the connection limit allows one more.

use std::{
    net::TcpStream,
    sync::{Mutex, PoisonError},
    task::Waker,
};

use common::{
    net::{AcceptedConnection, ConnectionLimiter},
    worker::{FdPressure, WorkerConnections},
};
use tokio::sync::mpsc::UnboundedSender;

/// The connections of all workers: their limit, their distribution, and a hand-off channel per worker.
#[derive(Debug)]
pub(crate) struct ConnectionHandoff {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) per_worker: WorkerConnections,
    pub(crate) fd_pressure: FdPressure,
    /// The hand-off channels, by worker id.
    senders: Vec<UnboundedSender<AcceptedConnection<TcpStream>>>,
    /// The accept loops that wait at the limit.
    capacity_wakers: Mutex<Vec<Waker>>,
}

impl ConnectionHandoff {
    /// For at most `limit` connections, and one worker per sender.
    pub(crate) fn new(
        limit: usize,
        senders: impl IntoIterator<Item = UnboundedSender<AcceptedConnection<TcpStream>>>,
    ) -> Self {
        let senders: Vec<_> = senders.into_iter().collect();
        Self {
            limiter: ConnectionLimiter::new(limit),
            per_worker: WorkerConnections::new(senders.len()),
            fd_pressure: FdPressure::default(),
            senders,
            capacity_wakers: Mutex::default(),
        }
    }

    /// Counts one more connection, unless the limit is reached. In that case `waker` is woken when one has closed.
    pub(crate) fn try_acquire(&self, waker: &Waker) -> bool {
        self.limiter.try_acquire() || {
            let mut waiting = self.capacity_wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|other| other.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            drop(waiting);
            // A connection may have closed in between, before the waker was stored.
            self.limiter.try_acquire()
        }
    }

    /// Counts one connection less, and wakes the accept loops that wait at the limit.
    pub(crate) fn release(&self) {
        if self.limiter.release() {
            let waiting = std::mem::take(&mut *self.capacity_wakers.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// A connection that was counted for worker `worker_id` has closed.
    pub(crate) fn connection_closed(&self, worker_id: usize) {
        self.per_worker.decrement(worker_id);
        self.release();
    }

    /// Hands a connection to another worker, for which it is already counted.
    ///
    /// # Errors
    /// The connection, if that worker has ended.
    pub(crate) fn hand_off(
        &self,
        worker_id: usize,
        accepted: AcceptedConnection<TcpStream>,
    ) -> Result<(), AcceptedConnection<TcpStream>> {
        self.senders[worker_id].send(accepted).map_err(|error| error.0)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn handoff(limit: usize, workers: usize) -> ConnectionHandoff {
        ConnectionHandoff::new(limit, (0..workers).map(|_| unbounded_channel().0))
    }

    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn release_at_the_limit_wakes_waiters_and_a_closed_worker_returns_the_connection() {
        let (handoff, count) = (handoff(2, 1), Arc::new(WakeCount::default()));
        let waker = Waker::from(Arc::clone(&count));
        assert!(handoff.try_acquire(&waker) && handoff.try_acquire(&waker) && !handoff.try_acquire(&waker));
        handoff.release();
        assert_eq!(count.0.load(Relaxed), 1);
        assert!(handoff.try_acquire(&waker));
        handoff.release();
        handoff.release();
        assert_eq!(count.0.load(Relaxed), 1, "no waker was stored");

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let accepted = AcceptedConnection { stream: TcpStream::connect(local).unwrap(), peer: local, local };
        assert!(handoff.hand_off(0, accepted).is_err(), "the receiver is gone");
    }
}
