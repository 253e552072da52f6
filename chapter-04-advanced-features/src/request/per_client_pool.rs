//! The simplest pool: each client's thread keeps at most one idle connection per backend.
//!
//! It saves the handshake for a client that sends many requests, and shares nothing, so it needs no lock. The price: a
//! thousand keep-alive clients hold a thousand connections to each backend, nearly all idle. Chapter 6 shares them.
//!
//! The limit of clients assumes two descriptors for each: its own, and one to a backend. Each further connection takes
//! one of the spare descriptors, and is closed if a request needs its descriptor and none is spare: a client that is
//! being served must not get a 503 because other clients are idle.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use common::{
    http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT},
    net::ConnectionLimiter,
};
use simple_proxy::socket::Socket;

/// How long a connection may stay idle. Shorter than the keep-alive timeout of servers (nginx 75 s; Node's 5 s is the
/// exception): the balancer closes first, so a close by the backend does not race with a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct IdleConnection {
    backend: BackendId,
    socket: Socket,
    idle_since: Instant,
}

/// The idle upstream connections of one client.
#[derive(Debug)]
pub(crate) struct PerClientPool<'a> {
    /// The longest idle connection first.
    idle: Vec<IdleConnection>,
    spare_upstreams: &'a ConnectionLimiter,
    /// How many of them this client has taken: at least one for each idle connection but the first.
    spares_taken: usize,
}

impl<'a> PerClientPool<'a> {
    /// An empty pool. `spare_upstreams` counts the connections of all clients beyond one per client.
    pub(crate) fn new(spare_upstreams: &'a ConnectionLimiter) -> Self {
        Self { idle: Vec::new(), spare_upstreams, spares_taken: 0 }
    }

    // ANCHOR: take
    /// Takes the idle connection to `backend`, if there is one that is reusable for such a request. A connection that
    /// the backend has closed, or that has pending input, is closed here.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<Socket> {
        let index = self.idle.iter().position(|idle| idle.backend == backend)?;
        let IdleConnection { socket, idle_since, .. } = self.idle.remove(index);
        let idle_for = now.saturating_duration_since(idle_since);
        let within_limit = idle_for < if idempotent { IDLE_TIMEOUT } else { NON_IDEMPOTENT_IDLE_LIMIT };
        // Peek, without consuming: an idle HTTP/1 connection must have nothing to read. Bytes, EOF or an error end it.
        let has_no_pending_input =
            || matches!(socket.stream().peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        (within_limit && has_no_pending_input()).then_some(socket)
    }
    // ANCHOR_END: take

    /// Keeps a connection whose response ended exactly where its framing said. Drops those whose idle timeout has
    /// passed, so that no connection to a removed backend stays open.
    pub(crate) fn put(&mut self, backend: BackendId, socket: Socket, now: Instant) {
        let is_within_timeout = |idle: &IdleConnection| now.saturating_duration_since(idle.idle_since) < IDLE_TIMEOUT;
        self.idle.retain(|idle| idle.backend != backend && is_within_timeout(idle));
        self.idle.push(IdleConnection { backend, socket, idle_since: now });
        self.return_spares(self.idle.len() - 1);
    }

    // ANCHOR: leave
    /// Before a request opens a connection: leaves one descriptor for it. Idle connections for which there is no spare
    /// one are closed, the longest idle first.
    pub(crate) fn leave_one_descriptor(&mut self) {
        while self.spares_taken < self.idle.len() && self.spare_upstreams.try_acquire() {
            self.spares_taken += 1;
        }
        self.idle.drain(..self.idle.len().saturating_sub(self.spares_taken));
    }
    // ANCHOR_END: leave

    /// Returns all spares but `kept`.
    fn return_spares(&mut self, kept: usize) {
        while self.spares_taken > kept {
            self.spares_taken -= 1;
            let _ = self.spare_upstreams.release(); // nobody waits for one
        }
    }
}

impl Drop for PerClientPool<'_> {
    fn drop(&mut self) {
        self.idle.clear();
        self.return_spares(0);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
    };

    use common::clock::now;

    use super::*;

    const ID: BackendId = BackendId { slot: 1, generation: 0 };

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        (Socket::from_connected(client), listener.accept().unwrap().0)
    }

    /// Waits until the kernel has delivered the peer's bytes or its close.
    fn wait_until_readable(socket: &Socket) {
        let deadline = now() + Duration::from_secs(10);
        while matches!(socket.stream().peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock) {
            assert!(now() < deadline, "loopback is slow");
            std::thread::yield_now();
        }
    }

    #[test]
    fn reuses_idle_connection_for_its_backend_only() {
        let spares = ConnectionLimiter::new(0);
        let (mut pool, (socket, _peer)) = (PerClientPool::new(&spares), pair());
        pool.put(ID, socket, now());
        assert!(pool.take(BackendId { slot: 2, generation: 0 }, true, now()).is_none());
        assert!(
            pool.take(BackendId { slot: 1, generation: 1 }, true, now()).is_none(),
            "another generation of the slot"
        );
        assert!(pool.take(ID, true, now()).is_some());
        assert!(pool.take(ID, true, now()).is_none(), "it was taken");
    }

    #[test]
    fn does_not_reuse_closed_connection_or_one_with_pending_input() {
        let spares = ConnectionLimiter::new(0);
        for sends_input in [false, true] {
            let (mut pool, (socket, mut peer)) = (PerClientPool::new(&spares), pair());
            if sends_input {
                peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
            } else {
                drop(peer);
            }
            wait_until_readable(&socket);
            pool.put(ID, socket, now());
            assert!(pool.take(ID, true, now()).is_none());
        }
    }

    #[test]
    fn idle_limit_is_shorter_for_non_idempotent_requests() {
        let spares = ConnectionLimiter::new(0);
        for (idempotent, idle_for, reused) in [
            (true, Duration::from_secs(29), true),
            (true, Duration::from_secs(30), false),
            (false, Duration::from_millis(100), true),
            (false, Duration::from_secs(1), false),
        ] {
            let (mut pool, (socket, _peer)) = (PerClientPool::new(&spares), pair());
            let put_at = now();
            pool.put(ID, socket, put_at);
            assert_eq!(pool.take(ID, idempotent, put_at + idle_for).is_some(), reused, "{idempotent} {idle_for:?}");
        }
    }

    #[test]
    fn a_client_keeps_one_connection_and_as_many_more_as_there_are_spare_descriptors() {
        let backend = |slot| BackendId { slot, generation: 0 };
        let spares = ConnectionLimiter::new(1);
        let mut pools = [PerClientPool::new(&spares), PerClientPool::new(&spares)];
        for pool in &mut pools {
            for slot in 0..3 {
                assert!(pool.take(backend(slot), true, now()).is_none());
                pool.leave_one_descriptor();
                pool.put(backend(slot), pair().0, now());
            }
        }
        // The first client has the spare one, so it keeps two; the second keeps one, the last.
        assert_eq!(pools.each_ref().map(|pool| pool.idle.len()), [2, 1]);
        assert_eq!(spares.open_connections(), 1);
        assert_eq!(pools[1].idle[0].backend, backend(2));
        // A reused connection needs no descriptor.
        drop(pools[0].take(backend(2), true, now()));
        pools[0].leave_one_descriptor();
        assert_eq!(pools[0].idle.len(), 1, "it has a spare descriptor");
        drop(pools);
        assert_eq!(spares.open_connections(), 0);
    }
}
