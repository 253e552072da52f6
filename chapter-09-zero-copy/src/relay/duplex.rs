//! Both directions of a session, until both have ended, one side is reset, or nothing moves for too long.

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use common::{http::Side, shutdown::ShutdownStage};
use connection_pooling::{
    timer::{LazyTimer, poll_fn_with_now},
    worker::thread::WorkerThread,
};
use tokio::net::TcpStream;

use super::{
    direction::{Direction, SideError},
    failure_watch::FailureWatch,
    mover::Mover,
};

/// How both directions ended.
#[derive(Debug)]
pub enum DuplexEnd {
    /// Both sides have sent FIN, and everything has been passed on.
    Done,
    /// One of the sockets has failed.
    Failed(SideError),
    /// No byte has moved in either direction for as long as permitted.
    Idle,
    /// The process stops.
    Stopped,
}

/// Both directions of a session.
#[derive(Debug)]
pub struct Duplex<D> {
    from_client: D,
    from_backend: D,
    spliced: u64,
    last_progress: Instant,
    first_byte_at: Option<Instant>,
}

impl<D: Direction> Duplex<D> {
    /// From `now` on. `first_bytes` are sent to the backend before what the client sends.
    pub fn new(first_bytes: Vec<u8>, now: Instant) -> Self {
        Self {
            from_client: D::new(Side::Client, first_bytes),
            from_backend: D::new(Side::Backend, Vec::new()),
            spliced: 0,
            last_progress: now,
            first_byte_at: None,
        }
    }

    /// The bytes sent to the backend, and those sent to the client.
    pub fn sent(&self) -> (u64, u64) {
        (self.from_client.sent(), self.from_backend.sent())
    }

    /// How many of these bytes went through a pipe.
    pub fn spliced(&self) -> u64 {
        self.spliced
    }

    /// When the first byte of the backend was sent to the client.
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte_at
    }

    // ANCHOR: run
    /// Relays until the end. After an end other than [`DuplexEnd::Done`] both sockets should be reset: what is in a pipe
    /// is lost, and a FIN would make the message look whole. Cancel safe: dropping it loses what is held, too.
    pub async fn run(
        &mut self,
        thread: &WorkerThread,
        mover: &Mover,
        (client, backend): (&TcpStream, &TcpStream),
        timer: &mut LazyTimer,
        idle_timeout: Duration,
    ) -> DuplexEnd {
        let mut watches = (FailureWatch::new(client), FailureWatch::new(backend));
        let read_clock = || thread.begin_poll();
        let end = poll_fn_with_now(self.last_progress, read_clock, |context, now| {
            if thread.stage() == ShutdownStage::Stopping {
                return Poll::Ready(DuplexEnd::Stopped);
            }
            if let Poll::Ready(end) = self.poll_halves(mover, (client, backend), now, context) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(error) = self.poll_watches(&mut watches, context) {
                return Poll::Ready(DuplexEnd::Failed(error));
            }
            ready!(timer.poll(self.last_progress + idle_timeout, now, context));
            Poll::Ready(DuplexEnd::Idle)
        });
        let end = end.await;
        self.from_client.release_pipe(mover);
        self.from_backend.release_pipe(mover);
        end
    }
    // ANCHOR_END: run

    /// Ready when both directions have ended, or one has failed.
    fn poll_halves(
        &mut self,
        mover: &Mover,
        (client, backend): (&TcpStream, &TcpStream),
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<DuplexEnd> {
        let (before, spliced_before) = (self.sent(), mover.spliced());
        let up = self.from_client.poll(mover, (client, backend), now, context);
        // A failed send has taken the error of the backend's socket. A read would now find the end of the stream instead,
        // and pass on a FIN, after which a message that was cut off looks whole.
        let down = match up {
            Poll::Ready(Err(_)) => Poll::Pending,
            _ => self.from_backend.poll(mover, (backend, client), now, context),
        };
        if self.sent() != before {
            // The worker's counter: no other session of it has moved bytes between the two readings.
            self.spliced += mover.spliced() - spliced_before;
            self.last_progress = now;
            if self.first_byte_at.is_none() && self.from_backend.sent() > 0 {
                self.first_byte_at = Some(now);
            }
        }
        match (up, down) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(DuplexEnd::Failed(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(DuplexEnd::Done),
            _ => Poll::Pending,
        }
    }

    /// Ready when a socket has failed that nobody reads from now.
    fn poll_watches<'s>(
        &self,
        (client, backend): &mut (FailureWatch<'s>, FailureWatch<'s>),
        context: &mut Context<'_>,
    ) -> Poll<SideError> {
        for (half, watch, side) in
            [(&self.from_client, client, Side::Client), (&self.from_backend, backend, Side::Backend)]
        {
            if !half.waits_for_source()
                && let Poll::Ready(error) = watch.poll(context)
            {
                return Poll::Ready(SideError { side, error });
            }
        }
        Poll::Pending
    }
}
