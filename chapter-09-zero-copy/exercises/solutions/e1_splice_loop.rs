//! A solution of exercise 9.1.

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
    copy_buffer::CopyBuffer,
    direction::{Direction, SideError},
    mover::Mover,
    pipe_pool::PooledPipe,
};

/// How many bytes a poll sends before it leaves the thread to other sessions.
const MAX_BYTES_PER_POLL: u64 = 1024 * 1024;

/// One direction of a session.
#[derive(Debug)]
pub struct SpliceLoop {
    source_side: Side,
    /// What was copied and not sent. Only one of these two has bytes in it.
    buffer: CopyBuffer,
    pipe: Option<PooledPipe>,
    source_ended: bool,
    is_finished: bool,
    /// Bytes since the source last had none.
    burst: u64,
    /// The bytes of the burst before.
    last_burst: u64,
    sent: u64,
    waits_for_source: bool,
}

/// From the socket of `source_side` to that of the other side, which gets `first_bytes` first.
pub fn direction(source_side: Side, first_bytes: Vec<u8>) -> SpliceLoop {
    Direction::new(source_side, first_bytes)
}

impl Direction for SpliceLoop {
    fn new(source_side: Side, first_bytes: Vec<u8>) -> Self {
        Self {
            source_side,
            buffer: CopyBuffer::new(first_bytes),
            pipe: None,
            source_ended: false,
            is_finished: false,
            burst: 0,
            last_burst: 0,
            sent: 0,
            waits_for_source: false,
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn waits_for_source(&self) -> bool {
        self.waits_for_source
    }

    fn poll(
        &mut self,
        mover: &Mover,
        (source, destination): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SideError>> {
        let stop_at = self.sent + MAX_BYTES_PER_POLL;
        self.waits_for_source = false;
        let destination_side = if self.source_side == Side::Client { Side::Backend } else { Side::Client };
        while !self.is_finished {
            let flushed = ready!(self.poll_flush(mover, destination, context));
            flushed.map_err(|error| SideError { side: destination_side, error })?;
            if self.source_ended {
                // Fails only if the socket is closed already: then the other direction reports it.
                let _ = SockRef::from(destination).shutdown(Shutdown::Write);
                self.is_finished = true;
            } else if self.sent >= stop_at {
                context.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                let filled = ready!(self.poll_fill(mover, (source, destination), now, context));
                filled.map_err(|error| SideError { side: self.source_side, error })?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn release_pipe(&mut self, mover: &Mover) {
        if let Some(pipe) = self.pipe.take() {
            mover.pipes().put(pipe);
        }
    }
}

impl SpliceLoop {
    /// Sends all that is held.
    fn poll_flush(
        &mut self,
        mover: &Mover,
        destination: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() || self.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
            ready!(destination.poll_write_ready(context))?;
            match self.send_once(mover, destination) {
                Ok(sent) => self.sent += sent as u64,
                Err(error) if is_transient(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send_once(&mut self, mover: &Mover, destination: &TcpStream) -> io::Result<usize> {
        if let Some(pipe) = &mut self.pipe {
            let sent = destination.try_io(Interest::WRITABLE, || pipe.drain_to(destination))?;
            mover.count_spliced(sent);
            return Ok(sent);
        }
        let sent = destination.try_write(self.buffer.unsent())?;
        mover.count_copied(sent);
        self.buffer.advance(sent);
        Ok(sent)
    }

    /// Reads once; nothing is held.
    fn poll_fill(
        &mut self,
        mover: &Mover,
        (source, destination): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Poll::Ready(ready) = source.poll_read_ready(context) else {
                (self.last_burst, self.burst) = (self.burst, 0);
                self.waits_for_source = true;
                self.release_pipe(mover);
                return Poll::Pending;
            };
            ready?;
            match self.receive_once(mover, source, destination, now) {
                Ok(0) => {
                    self.source_ended = true;
                    self.release_pipe(mover);
                    return Poll::Ready(Ok(()));
                }
                Ok(received) => {
                    self.burst += received as u64;
                    return Poll::Ready(Ok(()));
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn receive_once(
        &mut self,
        mover: &Mover,
        source: &TcpStream,
        destination: &TcpStream,
        now: Instant,
    ) -> io::Result<usize> {
        self.pipe = self.pipe.take().or_else(|| mover.pipe_for(self.burst.max(self.last_burst), now));
        if let Some(pipe) = &mut self.pipe {
            return source.try_io(Interest::READABLE, || pipe.fill_from(source));
        }
        let copied = mover.copy(source, destination)?;
        self.sent += copied.sent as u64;
        self.buffer = copied.unsent;
        Ok(copied.received)
    }
}

/// Readiness was out of date: the next look at it waits.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
