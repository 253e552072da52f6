//! What relays one direction of a session: [`Half`](super::half::Half), or another implementation.
//!
//! A [`Duplex`](super::duplex::Duplex) has two, and does what concerns both: time-outs, resets, the end of the process.
//! The program is generic over this trait, so that an exercise's balancer is this chapter's with its own loop.

use std::{
    fmt::Debug,
    io,
    task::{Context, Poll},
    time::Instant,
};

use common::http::Side;
use tokio::net::TcpStream;

use super::mover::Mover;

/// A socket has failed: it was reset, or closed while bytes were on their way to it.
#[derive(Debug)]
pub struct SideError {
    /// The socket of this side.
    pub side: Side,
    /// The error of the operating system.
    pub error: io::Error,
}

/// One direction of a session: from one socket's first byte to the other socket's FIN.
///
/// It is polled by the task of its session, always with the same sockets and with the mover of its worker, and never
/// blocks. After an error it is not polled again. Whenever the session ends, [`release_pipe`](Self::release_pipe) is
/// called.
pub trait Direction: Debug + 'static {
    /// From the socket of `source_side` to that of the other side, which gets `first_bytes` before those of the source.
    fn new(source_side: Side, first_bytes: Vec<u8>) -> Self;

    /// How many bytes the destination's socket has taken.
    fn sent(&self) -> u64;

    /// Whether the task waits for bytes of the source, and so for its reset too. Otherwise the session watches the
    /// source for a reset.
    fn waits_for_source(&self) -> bool;

    /// Moves what can be moved now from `source` to `destination`. Ready when FIN has been passed on, and again whenever
    /// it is polled after that; otherwise the task is woken when more can be moved. It moves a bounded number of bytes:
    /// the other sessions of the worker have their turn then.
    ///
    /// # Errors
    /// One of the sockets has failed.
    fn poll(
        &mut self,
        mover: &Mover,
        sockets: (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SideError>>;

    /// Returns the pipe to the mover, if it has one. With bytes in it, the pipe is closed.
    fn release_pipe(&mut self, mover: &Mover);
}
