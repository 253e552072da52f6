//! The simplest pool: each client's thread keeps at most one idle connection per backend.
//!
//! It saves the handshake for a client that sends many requests, and shares nothing, so it needs no lock. Its price is
//! plain to see: a thousand clients that stay connected hold a thousand connections to each backend, nearly all idle.
//! Chapter 6 shares them.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use common::http::{BackendId, NON_IDEMPOTENT_IDLE_LIMIT};
use simple_proxy::socket::Socket;

/// How long a connection may rest. Shorter than the time after which servers close theirs (nginx 75 s, Node 5 s is
/// the exception): the balancer is to be the one who lets go.
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
    /// Takes the connection to `backend`, if there is one that can be used for such a request. One that has ended, or
    /// has said something unasked, is closed here and now.
    pub(crate) fn take(&mut self, backend: BackendId, idempotent: bool, now: Instant) -> Option<Socket> {
        let at = self.idle.iter().position(|idle| idle.backend == backend)?;
        let IdleConnection { socket, idle_since, .. } = self.idle.swap_remove(at);
        let idle_for = now.saturating_duration_since(idle_since);
        let within_limit = idle_for < if idempotent { IDLE_TIMEOUT } else { NON_IDEMPOTENT_IDLE_LIMIT };
        // A look without taking: the only right answer of an idle connection is that there is nothing.
        let has_no_pending_input =
            || matches!(socket.stream().peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        (within_limit && has_no_pending_input()).then_some(socket)
    }
    // ANCHOR_END: take

    /// Keeps a connection whose response ended exactly where its framing said. Those that have rested too long go, so
    /// that nothing is kept for a backend that was removed.
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

    /// Waits until the kernel has delivered what the peer did.
    fn wait_until_readable(socket: &Socket) {
        let deadline = now() + Duration::from_secs(10);
        while matches!(socket.stream().peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock) {
            assert!(now() < deadline, "loopback is slow");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_idle_connection_is_used_again_by_its_backend_only() {
        let (mut upstreams, (socket, _peer)) = (PerClientPool::default(), pair());
        upstreams.put(ID, socket, now());
        assert!(upstreams.take(BackendId { slot: 2, generation: 0 }, true, now()).is_none());
        assert!(upstreams.take(BackendId { slot: 1, generation: 1 }, true, now()).is_none(), "another in its slot");
        assert!(upstreams.take(ID, true, now()).is_some());
        assert!(upstreams.take(ID, true, now()).is_none(), "it was taken");
    }

    #[test]
    fn what_has_ended_or_spoken_unasked_is_not_used() {
        for speak in [false, true] {
            let (mut upstreams, (socket, mut peer)) = (PerClientPool::default(), pair());
            if speak {
                peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
            } else {
                drop(peer);
            }
            wait_until_readable(&socket);
            upstreams.put(ID, socket, now());
            assert!(upstreams.take(ID, true, now()).is_none());
        }
    }

    #[test]
    fn a_rested_connection_is_for_what_may_be_sent_twice_and_an_old_one_for_nothing() {
        for (idempotent, idle_for, used) in [
            (true, Duration::from_secs(29), true),
            (true, Duration::from_secs(30), false),
            (false, Duration::from_millis(100), true),
            (false, Duration::from_secs(1), false),
        ] {
            let (mut upstreams, (socket, _peer)) = (PerClientPool::default(), pair());
            let kept = now();
            upstreams.put(ID, socket, kept);
            assert_eq!(upstreams.take(ID, idempotent, kept + idle_for).is_some(), used, "{idempotent} {idle_for:?}");
        }
    }
}
