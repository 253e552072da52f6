//! The interfaces that an exercise gets from its caller: a simulated one in the checks, the real one in a program.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A network and its clock (exercise 1.4).
///
/// The two belong together: a simulated network advances its clock by the duration of an attempt, so that a test of
/// seconds takes no time.
pub trait Network {
    /// The result of a successful attempt.
    type Connection;

    /// The current time.
    fn now(&self) -> Instant;

    /// Tries to connect to `address`, and fails with [`io::ErrorKind::TimedOut`] after `limit`, which must not be zero.
    /// On a busy machine it may take a little longer than `limit`.
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
