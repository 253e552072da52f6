//! What an exercise is given from outside: the checks hand in a staged one, a program the real one.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Whatever connects, and the clock that goes with it (exercise 1.4).
///
/// The two belong together: a staged network moves its clock by as long as an attempt is meant to take, so that a
/// test of seconds takes no time.
pub trait Network {
    /// What a successful attempt gives.
    type Connection;

    /// What time it is now.
    fn now(&self) -> Instant;

    /// Tries to connect to `address`, and gives up with [`io::ErrorKind::TimedOut`] after `limit`, which must not be
    /// zero. It may take a little longer than `limit`, as everything on a busy machine may.
    fn connect(&mut self, address: SocketAddr, limit: Duration) -> io::Result<Self::Connection>;
}

/// The kernel's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl Network for Kernel {
    type Connection = TcpStream;

    #[expect(clippy::disallowed_methods, reason = "the one place where this network reads the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn connect(&mut self, address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&address, limit)
    }
}
