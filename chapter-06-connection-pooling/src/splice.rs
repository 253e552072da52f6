//! Splicing: what moves large bodies from one socket to the other without a copy in user space.
//!
//! WHEN TO USE IT: with bodies of 64 KiB and more; below that, the system calls for a pipe cost more than the copy that
//! they save. The engine has none of its own: `()` copies every body. Chapter 9 brings `splice(2)` and a pool of pipes.
//! A [`Splice`] belongs to the process, and each worker gets a [`WorkerSplice`] from it.

use std::{
    fmt::Debug,
    task::{Context, Poll},
    time::Instant,
};

use common::http::{ProxyError, Relay, Side};
use tokio::net::TcpStream;

/// How the process splices.
pub trait Splice: Debug + Send + Sync + 'static {
    /// The part that one worker calls.
    type Worker: WorkerSplice;

    /// The part for the worker with this id, called on that worker's thread.
    fn for_worker(&self, worker_id: usize) -> Self::Worker;
}

/// One worker's part. Only that worker's thread calls it.
///
/// Per request: [`poll`](Self::poll) any number of times, and then [`reset`](Self::reset) once, however it ended.
pub trait WorkerSplice: Debug + 'static {
    /// What is kept of one request: its pipe. It lives in the recycled memory of requests.
    type State: Debug + Default;

    /// Bodies with at least this many bytes to come are spliced ([`Relay::splice_bodies_from`]). `None`: none is.
    fn threshold(&self) -> Option<u64>;

    /// Moves what can be moved now of the relay's [`spliced_body`](Relay::spliced_body), which is there, and tells the
    /// relay of each move. It must not block, and it moves a bounded number of bytes: the worker's other clients have
    /// their turn then.
    ///
    /// Pending: the task is woken when more can be moved. Ready: the relay has no spliced body any more, because it has
    /// ended, or because it was stopped ([`Relay::stop_splicing`]); the engine pumps again.
    ///
    /// # Errors
    /// The exchange has failed ([`Relay::splice_failed`]).
    fn poll(
        &self,
        state: &mut Self::State,
        relay: &mut Relay,
        sockets: ExchangeSockets<'_>,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>>;

    /// The request has ended. What is left in its pipe belongs to nobody.
    fn reset(&self, state: &mut Self::State);

    /// Closes what is kept for later requests, because descriptors have run out. Returns whether there was anything.
    fn free_descriptor(&self) -> bool;
}

/// The two sockets of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeSockets<'s> {
    /// The client's. What the relay reads and writes is on it as it is.
    pub client: &'s TcpStream,
    /// The backend's.
    pub backend: &'s TcpStream,
}

impl<'s> ExchangeSockets<'s> {
    /// The socket of `side`: the client's, or else the backend's.
    pub fn of(self, side: Side) -> &'s TcpStream {
        if side == Side::Client { self.client } else { self.backend }
    }
}

/// Copies every body.
impl Splice for () {
    type Worker = ();

    fn for_worker(&self, _worker_id: usize) {}
}

impl WorkerSplice for () {
    type State = ();

    fn threshold(&self) -> Option<u64> {
        None
    }

    fn poll(
        &self,
        _state: &mut (),
        relay: &mut Relay,
        _sockets: ExchangeSockets<'_>,
        _now: Instant,
        _context: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        relay.stop_splicing();
        Poll::Ready(Ok(()))
    }

    fn reset(&self, _state: &mut ()) {}

    fn free_descriptor(&self) -> bool {
        false
    }
}
