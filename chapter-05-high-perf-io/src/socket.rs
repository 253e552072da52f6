//! A non-blocking stream that remembers the readiness its last events reported.
//!
//! Events are edge-triggered: the kernel reports readiness once, when it begins, and not again until it has ended. So
//! the socket stores the readiness until a call shows that it is over. Two rules follow:
//!
//! 1. A readable socket stays readable until a read returns less than it asked for. That saves a read per message that
//!    would only return `WouldBlock`; it is right because bytes that arrive later are a new edge.
//! 2. But a FIN that arrived *with* the bytes is no new edge. Code that clears readiness after a short read waits
//!    forever for a second event. So a socket whose peer has sent FIN stays readable until a read has returned 0.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
};

use common::{
    http::Wire,
    net::{check_not_self_connect, set_reset_on_close},
};
use mio::{Interest, Registry, Token, event::Event, net::TcpStream};

/// The socket of a connection, to a client or to a backend.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per readiness that an event reports")]
pub(crate) struct Socket {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The peer has sent FIN.
    read_closed: bool,
    /// The connection has failed.
    failed: bool,
}

impl Socket {
    /// Registers `stream` under `token`. The first event reports its readiness.
    pub(crate) fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        // Once, for both directions: an edge that nothing waits for costs little, and interest never has to change.
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, readable: false, writable: false, read_closed: false, failed: false })
    }

    // ANCHOR: update_readiness
    /// Records the readiness that an event reports.
    pub(crate) fn update_readiness(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.read_closed |= event.is_read_closed();
        self.failed |= event.is_error();
    }
    // ANCHOR_END: update_readiness

    /// Whether a connect has ended, in success or failure.
    pub(crate) fn is_connect_done(&self) -> bool {
        self.writable || self.failed
    }

    /// The result of the connect to `address`.
    pub(crate) fn connect_result(&self, address: SocketAddr) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        check_not_self_connect(self.stream.local_addr()?, address)
    }

    /// Whether the connection has failed. The only sign of a client's reset while nothing is read from the client.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the peer has sent FIN, perhaps behind bytes that have not been read.
    pub(crate) fn peer_has_sent_fin(&self) -> bool {
        self.read_closed
    }

    /// Whether no unread bytes, FIN or error have been reported.
    pub(crate) fn no_pending_input(&self) -> bool {
        !self.readable && !self.failed
    }

    /// The same, checked with the kernel. For a request that must not be sent twice: an event may not have been
    /// delivered yet.
    pub(crate) fn peek_finds_no_input(&self) -> bool {
        self.no_pending_input()
            && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Makes the close send a reset.
    pub(crate) fn reset_on_close(&self) {
        set_reset_on_close(&self.stream);
    }
}

impl Wire for Socket {
    // ANCHOR: recv
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let received = self.stream.read(into);
        self.readable = match &received {
            Ok(n) => *n == into.len() || self.read_closed,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        received
    }
    // ANCHOR_END: recv

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let sent = match from {
            // `send` costs the kernel less than `writev` does.
            [all] => self.stream.write(all),
            parts => self.stream.write_vectored(parts),
        };
        self.writable = match &sent {
            // Less than asked: the send buffer is full, and an event will report when it is not.
            Ok(n) => *n == from.iter().map(|slice| slice.len()).sum::<usize>(),
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        sent
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream as Peer},
        time::Duration,
    };

    use mio::{Events, Poll};

    use super::*;

    struct Rig {
        poll: Poll,
        socket: Socket,
        peer: Peer,
    }

    fn rig() -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Peer::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let poll = Poll::new().unwrap();
        let socket = Socket::register(TcpStream::from_std(stream), poll.registry(), Token(0)).unwrap();
        Rig { poll, socket, peer: listener.accept().unwrap().0 }
    }

    impl Rig {
        /// Polls and records events until the condition holds.
        fn poll_until(&mut self, holds: impl Fn(&Socket) -> bool) {
            let mut events = Events::with_capacity(8);
            while !holds(&self.socket) {
                self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty(), "no event: {:?}", self.socket);
                events.iter().for_each(|event| self.socket.update_readiness(event));
            }
        }
    }

    fn would_block(received: io::Result<usize>) -> bool {
        matches!(received, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn a_short_read_clears_readiness() {
        let mut rig = rig();
        assert!(would_block(rig.socket.recv(&mut [0; 8])));
        rig.peer.write_all(b"hello").unwrap();
        rig.poll_until(|socket| socket.readable);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 5);
        assert!(rig.socket.no_pending_input() && rig.socket.peek_finds_no_input());
        rig.peer.write_all(b"again").unwrap();
        rig.poll_until(|socket| socket.readable);
        assert!(!rig.socket.no_pending_input());
        assert_eq!(rig.socket.recv(&mut [0; 5]).unwrap(), 5);
        assert!(!rig.socket.no_pending_input(), "a full read does not show whether more is pending");
        assert!(would_block(rig.socket.recv(&mut [0; 5])));
    }

    #[test]
    fn a_fin_that_arrived_with_data_needs_no_second_event() {
        let mut rig = rig();
        rig.peer.write_all(b"bye").unwrap();
        rig.peer.shutdown(Shutdown::Write).unwrap();
        rig.poll_until(|socket| socket.readable && socket.read_closed);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 3);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_partial_write_clears_writability() {
        let mut rig = rig();
        rig.poll_until(|socket| socket.writable);
        let block = vec![7; 1 << 20];
        while rig.socket.send(&[IoSlice::new(&block)]).is_ok() {}
        assert!(!rig.socket.writable);
        rig.peer.set_nonblocking(true).unwrap();
        while !matches!((&rig.peer).read(&mut vec![0; 1 << 20]), Err(error) if error.kind() == ErrorKind::WouldBlock) {}
        rig.poll_until(|socket| socket.writable);
    }

    #[test]
    fn a_reset_is_detected_without_a_read() {
        let mut rig = rig();
        set_reset_on_close(&rig.peer);
        drop(rig.peer);
        let mut events = Events::with_capacity(8);
        while !rig.socket.has_failed() {
            rig.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "no event");
            events.iter().for_each(|event| rig.socket.update_readiness(event));
        }
        assert!(!rig.socket.no_pending_input());
    }
}
