//! Large bodies through pipes: what chapter 6's engine splices with.
//!
//! A body takes a pipe when its source has bytes, and gives it back when the source has none: a slow sender holds no
//! pipe. A slow reader does, with what it has not read. The relay says how many bytes may be read: those behind a body
//! are the next message's, and stay in the socket.

use std::{
    io,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::http::{ProxyError, Relay, SplicedBody};
use connection_pooling::splice::{ExchangeSockets, Splice, WorkerSplice};
use tokio::{io::Interest, net::TcpStream};

use crate::relay::{
    mover::{MAX_BYTES_PER_POLL, MovedBytes, SplicePolicy, is_transient},
    pipe_pool::{PipePool, PooledPipe},
};

/// Splices bodies as its policy says.
#[derive(Debug)]
pub struct PipeSplice {
    policy: SplicePolicy,
    pipe_bytes: usize,
    /// One per worker.
    moved: Vec<Arc<MovedBytes>>,
}

impl PipeSplice {
    /// For `workers` workers, through pipes of `pipe_bytes`.
    pub fn new(policy: SplicePolicy, pipe_bytes: usize, workers: NonZeroUsize) -> Self {
        Self { policy, pipe_bytes, moved: (0..workers.get()).map(|_| Arc::default()).collect() }
    }

    /// How many bytes went through pipes.
    pub fn spliced(&self) -> u64 {
        self.moved.iter().map(|moved| moved.spliced.get()).sum()
    }
}

impl Splice for PipeSplice {
    type Worker = WorkerPipes;

    fn for_worker(&self, worker_id: usize) -> WorkerPipes {
        WorkerPipes {
            policy: self.policy,
            pipes: PipePool::new(self.pipe_bytes),
            moved: Arc::clone(&self.moved[worker_id]),
        }
    }
}

/// The pipes of one worker.
#[derive(Debug)]
pub struct WorkerPipes {
    policy: SplicePolicy,
    pipes: PipePool,
    moved: Arc<MovedBytes>,
}

impl WorkerSplice for WorkerPipes {
    type State = Option<PooledPipe>;

    fn threshold(&self) -> Option<u64> {
        match self.policy {
            SplicePolicy::Never => None,
            SplicePolicy::FromBytes(threshold) => Some(threshold),
        }
    }

    // ANCHOR: poll
    fn poll(
        &self,
        pipe: &mut Self::State,
        relay: &mut Relay,
        sockets: ExchangeSockets<'_>,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        let mut moved = 0;
        while let Some(body) = relay.spliced_body() {
            if body.in_pipe > 0 {
                let pipe = pipe.as_mut().expect("the relay counts the bytes of this pipe");
                let sent = match ready!(poll_drain(pipe, sockets.of(body.destination()), context)) {
                    Ok(sent) => sent as u64,
                    Err(error) => return Poll::Ready(relay.splice_failed(body.destination(), error)),
                };
                self.moved.spliced.add(sent);
                moved += sent;
                relay.splice_drained(sent);
            } else if moved >= MAX_BYTES_PER_POLL {
                context.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                match ready!(self.poll_fill(pipe, body, sockets.of(body.source), now, context)) {
                    // No pipe, or FIN: the pump copies the rest, or finds the FIN too.
                    Ok(0) => relay.stop_splicing(),
                    Ok(filled) => relay.splice_filled(filled as u64),
                    Err(error) => return Poll::Ready(relay.splice_failed(body.source, error)),
                }
            }
        }
        Poll::Ready(Ok(()))
    }
    // ANCHOR_END: poll

    fn reset(&self, pipe: &mut Self::State) {
        if let Some(pipe) = pipe.take() {
            self.pipes.put(pipe);
        }
    }

    fn free_descriptor(&self) -> bool {
        self.pipes.close_one()
    }
}

impl WorkerPipes {
    /// Fills an empty pipe once, with bytes of `body`. While the source has none, no pipe is held. 0: the source has sent
    /// FIN, or there is no pipe to be had.
    fn poll_fill(
        &self,
        held: &mut Option<PooledPipe>,
        body: SplicedBody,
        source: &TcpStream,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // What is left in the pipe belongs to an upload that was answered early: the pool closes such a pipe.
        if held.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
            self.reset(held);
        }
        loop {
            let Poll::Ready(readable) = source.poll_read_ready(context) else {
                self.reset(held);
                return Poll::Pending;
            };
            readable?;
            if held.is_none() {
                *held = self.pipes.take(now);
            }
            let Some(pipe) = held else { return Poll::Ready(Ok(0)) };
            let max = usize::try_from(body.remaining).unwrap_or(usize::MAX);
            match source.try_io(Interest::READABLE, || pipe.fill_up_to(max, source)) {
                Err(error) if is_transient(&error) => {} // not ready any more: the next look waits
                filled => return Poll::Ready(filled),
            }
        }
    }
}

/// Sends from `pipe` once.
fn poll_drain(pipe: &mut PooledPipe, destination: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        ready!(destination.poll_write_ready(context))?;
        match destination.try_io(Interest::WRITABLE, || pipe.drain_to(destination)) {
            Err(error) if is_transient(&error) => {}
            sent => return Poll::Ready(sent),
        }
    }
}
