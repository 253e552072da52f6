//! The clients of all workers: how they come to another worker, and who hears of a place that is free again.

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

/// The clients of all workers.
#[derive(Debug)]
pub(crate) struct ConnectionHandoff {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) per_worker: WorkerConnections,
    pub(crate) fd_pressure: FdPressure,
    /// How to send a client to each core.
    senders: Vec<UnboundedSender<AcceptedConnection<TcpStream>>>,
    /// Who waits for room.
    capacity_wakers: Mutex<Vec<Waker>>,
}

impl ConnectionHandoff {
    /// At most `limit` of them; a worker for each of `doors`.
    pub(crate) fn new(
        limit: usize,
        doors: impl IntoIterator<Item = UnboundedSender<AcceptedConnection<TcpStream>>>,
    ) -> Self {
        let senders: Vec<_> = doors.into_iter().collect();
        Self {
            limiter: ConnectionLimiter::new(limit),
            per_worker: WorkerConnections::new(senders.len()),
            fd_pressure: FdPressure::default(),
            senders,
            capacity_wakers: Mutex::default(),
        }
    }

    /// Takes a place for one more, if there is one. Else `waker` is woken when there may be.
    pub(crate) fn try_acquire(&self, waker: &Waker) -> bool {
        self.limiter.try_acquire() || {
            let mut waiting = self.capacity_wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|waits| waits.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            drop(waiting);
            // Somebody may have left in between and told nobody.
            self.limiter.try_acquire()
        }
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        if self.limiter.release() {
            let waiting = std::mem::take(&mut *self.capacity_wakers.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// A client of `worker` has left, and with it its place.
    pub(crate) fn connection_closed(&self, worker_id: usize) {
        self.per_worker.decrement(worker_id);
        self.release();
    }

    /// Sends a client to another worker, which has been counted there.
    ///
    /// # Errors
    /// The client, if that worker takes nobody any more.
    pub(crate) fn hand_off(
        &self,
        worker_id: usize,
        accepted: AcceptedConnection<TcpStream>,
    ) -> Result<(), AcceptedConnection<TcpStream>> {
        self.senders[worker_id].send(accepted).map_err(|refused| refused.0)
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

    fn clients(limit: usize, cores: usize) -> ConnectionHandoff {
        ConnectionHandoff::new(limit, (0..cores).map(|_| unbounded_channel().0))
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
        let (clients, count) = (clients(2, 1), Arc::new(WakeCount::default()));
        let waker = Waker::from(Arc::clone(&count));
        assert!(clients.try_acquire(&waker) && clients.try_acquire(&waker) && !clients.try_acquire(&waker));
        clients.release();
        assert_eq!(count.0.load(Relaxed), 1);
        assert!(clients.try_acquire(&waker));
        clients.release();
        clients.release();
        assert_eq!(count.0.load(Relaxed), 1, "nobody waited");

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let accepted = AcceptedConnection { stream: TcpStream::connect(local).unwrap(), peer: local, local };
        assert!(clients.hand_off(0, accepted).is_err(), "nobody is behind that door");
    }
}
