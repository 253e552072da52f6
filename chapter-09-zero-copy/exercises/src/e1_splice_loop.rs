//! Exercise 9.1: your own splice loop in the balancer (an evening).
//!
//! **Contract.** [`direction`] returns one [`Direction`] of a session, whose documentation says what each method does.
//!
//! - All bytes arrive, `first_bytes` before those of the source, and FIN after the last one. What is held is sent before
//!   more is read, so it is never more than one pipe or one buffer.
//! - [`Mover::pipe_for`] decides between pipe and copy, by the bytes of the burst: those since the source last had none,
//!   or those of the burst before, if these were more.
//! - While it waits for the source, and once it has ended, it holds no pipe.
//! - `sent` and the mover's counters count what the destination's socket has taken.
//! - A poll that has sent 1 MiB reads no more: it wakes its task and returns. A task that waits for a socket is only
//!   polled when that socket is ready.

use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::http::Side;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};
use zero_copy::relay::{
    direction::{Direction, SideError},
    mover::Mover,
};

/// One direction of a session.
#[derive(Debug)]
pub struct SpliceLoop {
    /// The side that it reads from.
    source_side: Side,
    sent: u64,
}

/// From the socket of `source_side` to that of the other side, which gets `first_bytes` first.
pub fn direction(source_side: Side, first_bytes: Vec<u8>) -> SpliceLoop {
    Direction::new(source_side, first_bytes)
}

impl Direction for SpliceLoop {
    fn new(source_side: Side, _first_bytes: Vec<u8>) -> Self {
        Self { source_side, sent: 0 }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn waits_for_source(&self) -> bool {
        false
    }

    fn poll(
        &mut self,
        mover: &Mover,
        (source, destination): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SideError>> {
        loop {
            // A way into the pipe, a way out of it: what is wrong here?
            ready!(source.poll_read_ready(context)).map_err(|error| self.source_failed(error))?;
            match self.move_once(mover, source, destination, now) {
                Ok(0) => {
                    // Fails only if the socket is closed already: then the other direction reports it.
                    let _ = SockRef::from(destination).shutdown(Shutdown::Write);
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => {}
                // Readiness was out of date: the next look waits.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(self.source_failed(error))),
            }
        }
    }

    fn release_pipe(&mut self, _mover: &Mover) {}
}

impl SpliceLoop {
    fn source_failed(&self, error: io::Error) -> SideError {
        SideError { side: self.source_side, error }
    }

    /// Receives once and sends once. Returns how many bytes were received.
    fn move_once(
        &mut self,
        mover: &Mover,
        source: &TcpStream,
        destination: &TcpStream,
        now: Instant,
    ) -> io::Result<usize> {
        let Some(mut pipe) = mover.pipe_for(self.sent, now) else {
            let copied = mover.copy(source, destination)?;
            self.sent += copied.sent as u64;
            return Ok(copied.received);
        };
        let received = source.try_io(Interest::READABLE, || pipe.fill_from(source));
        if received.as_ref().is_ok_and(|received| *received > 0) {
            let sent = destination.try_io(Interest::WRITABLE, || pipe.drain_to(destination)).unwrap_or(0);
            mover.count_spliced(sent);
            self.sent += sent as u64;
        }
        mover.pipes().put(pipe);
        received
    }
}
