//! A stream that never waits, and remembers what the last events said of it.
//!
//! Events are edge-triggered: the kernel speaks when something has become possible, once, and not again until it has
//! ceased to be possible. So what was said is kept until a call proves it wrong. Two rules follow:
//!
//! 1. What is readable stays so until a read finds less than it asked for. That saves a read per message that would only
//!    find nothing; it is right because bytes that come later are a new edge.
//! 2. But a FIN that came *with* the bytes is no new edge. Whoever forgets the first event after a short read waits for
//!    ever for the second. So a socket whose peer has closed stays readable to its end.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
};

use common::{
    http::Wire,
    net::{refuse_self_connect, set_reset_on_close},
};
use mio::{Interest, Registry, Token, event::Event, net::TcpStream};

/// One end of a connection, client's or backend's.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per readiness that an event reports")]
pub(crate) struct Socket {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The peer will send no more.
    read_closed: bool,
    /// The connection is gone.
    failed: bool,
}

impl Socket {
    /// Watches `stream` under `token`. The first event says how it is.
    pub(crate) fn watch(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        // Once, for both directions and for good: edges cost nothing while nobody waits for them.
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, readable: false, writable: false, read_closed: false, failed: false })
    }

    // ANCHOR: learn
    /// Takes note of an event.
    pub(crate) fn learn(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.read_closed |= event.is_read_closed();
        self.failed |= event.is_error();
    }
    // ANCHOR_END: learn

    /// Whether a connect has ended, well or not.
    pub(crate) fn has_connected(&self) -> bool {
        self.writable || self.failed
    }

    /// How the connect to `address` has ended.
    pub(crate) fn outcome(&self, address: SocketAddr) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        refuse_self_connect(self.stream.local_addr()?, address)
    }

    /// Whether the connection is gone: a reset of a client of which nothing is wanted shows here alone.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether nothing has come that nobody has read, an end included.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.readable && !self.failed
    }

    /// Asks the kernel the same. For what must not be sent twice: its own event may be on its way.
    pub(crate) fn is_quiet_now(&self) -> bool {
        self.is_quiet() && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Its close is to be a reset.
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
            // `send` asks less of the kernel than `writev` does.
            [all] => self.stream.write(all),
            parts => self.stream.write_vectored(parts),
        };
        self.writable = match &sent {
            // The kernel's buffer is full, and it will say when it is not.
            Ok(n) => *n == from.iter().map(|slice| slice.len()).sum::<usize>(),
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        sent
    }

    fn shut_write(&mut self) -> io::Result<()> {
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
        let socket = Socket::watch(TcpStream::from_std(stream), poll.registry(), Token(0)).unwrap();
        Rig { poll, socket, peer: listener.accept().unwrap().0 }
    }

    impl Rig {
        /// Learns what the kernel says until it says what is waited for.
        fn learn_until(&mut self, holds: impl Fn(&Socket) -> bool) {
            let mut events = Events::with_capacity(8);
            while !holds(&self.socket) {
                self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty(), "nothing happens: {:?}", self.socket);
                events.iter().for_each(|event| self.socket.learn(event));
            }
        }
    }

    fn would_block(received: io::Result<usize>) -> bool {
        matches!(received, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn a_short_read_ends_what_an_event_has_said_until_the_next() {
        let mut rig = rig();
        assert!(would_block(rig.socket.recv(&mut [0; 8])));
        rig.peer.write_all(b"hello").unwrap();
        rig.learn_until(|socket| socket.readable);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 5);
        assert!(rig.socket.is_quiet() && rig.socket.is_quiet_now());
        rig.peer.write_all(b"again").unwrap();
        rig.learn_until(|socket| socket.readable);
        assert!(!rig.socket.is_quiet());
        assert_eq!(rig.socket.recv(&mut [0; 5]).unwrap(), 5);
        assert!(!rig.socket.is_quiet(), "a full read says nothing of what is behind it");
        assert!(would_block(rig.socket.recv(&mut [0; 5])));
    }

    #[test]
    fn an_end_that_came_with_the_bytes_is_found_without_another_event() {
        let mut rig = rig();
        rig.peer.write_all(b"bye").unwrap();
        rig.peer.shutdown(Shutdown::Write).unwrap();
        rig.learn_until(|socket| socket.readable && socket.read_closed);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 3);
        assert_eq!(rig.socket.recv(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_full_buffer_is_waited_out() {
        let mut rig = rig();
        rig.learn_until(|socket| socket.writable);
        let block = vec![7; 1 << 20];
        while rig.socket.send(&[IoSlice::new(&block)]).is_ok() {}
        assert!(!rig.socket.writable);
        rig.peer.set_nonblocking(true).unwrap();
        while !matches!((&rig.peer).read(&mut vec![0; 1 << 20]), Err(error) if error.kind() == ErrorKind::WouldBlock) {}
        rig.learn_until(|socket| socket.writable);
    }

    #[test]
    fn a_reset_is_known_without_a_read() {
        let mut rig = rig();
        set_reset_on_close(&rig.peer);
        drop(rig.peer);
        let mut events = Events::with_capacity(8);
        while !rig.socket.has_failed() {
            rig.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing happens");
            events.iter().for_each(|event| rig.socket.learn(event));
        }
        assert!(!rig.socket.is_quiet());
    }
}
