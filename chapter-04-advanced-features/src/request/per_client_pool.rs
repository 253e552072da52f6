//! The simplest pool: each client's thread keeps at most one idle connection per backend.
//!
//! It saves the handshake for a client that sends many requests, and shares nothing, so it needs no lock. The price: a
//! thousand keep-alive clients hold a thousand connections to each backend, nearly all idle. Chapter 6 shares them.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use common::http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT};
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
#[derive(Debug, Default)]
pub(crate) struct PerClientPool {
    idle: Vec<IdleConnection>,
}

impl PerClientPool {
    // ANCHOR: take
    /// Takes the idle connection to `backend`, if there is one that is reusable for such a request. A connection that
    /// the backend has closed, or that has pending input, is closed here.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<Socket> {
        let index = self.idle.iter().position(|idle| idle.backend == backend)?;
        let IdleConnection { socket, idle_since, .. } = self.idle.swap_remove(index);
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
        let (mut pool, (socket, _peer)) = (PerClientPool::default(), pair());
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
        for sends_input in [false, true] {
            let (mut pool, (socket, mut peer)) = (PerClientPool::default(), pair());
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
        for (idempotent, idle_for, reused) in [
            (true, Duration::from_secs(29), true),
            (true, Duration::from_secs(30), false),
            (false, Duration::from_millis(100), true),
            (false, Duration::from_secs(1), false),
        ] {
            let (mut pool, (socket, _peer)) = (PerClientPool::default(), pair());
            let put_at = now();
            pool.put(ID, socket, put_at);
            assert_eq!(pool.take(ID, idempotent, put_at + idle_for).is_some(), reused, "{idempotent} {idle_for:?}");
        }
    }
}
