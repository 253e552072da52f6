//! What all connections of a worker share. Nothing is locked, because no other thread has access.

use std::{sync::Arc, time::Instant};

use advanced_features::Balancer;
use common::{
    clock::wall_clock,
    http::{DateCache, Head, ProxyError, Pumped, READ_BUFFER_BYTES, Relay, Wire, pump},
};
use mio::Registry;

use super::queue::WorkerQueue;
use crate::request::state::Request;

/// How many boxed requests are kept for reuse. More than that are in use only in a burst.
const MAX_FREE_REQUESTS: usize = 1024;

/// The state of one worker.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) registry: Registry,
    pub(crate) queue: Arc<WorkerQueue>,
    /// When the loop last woke: the clock is read once for all events of a poll.
    pub(crate) now: Instant,
    /// An accept or a connect has failed because the process is out of descriptors; the loop handles it after the
    /// events.
    pub(crate) fd_exhausted: bool,
    /// Until when no client may keep more than one connection to a backend, because descriptors have run out.
    pub(crate) fd_pressure_until: Option<Instant>,
    /// When the process began to drain.
    pub(crate) drain_started_at: Option<Instant>,
    /// The parsed request head; none outlives the call that reads it.
    pub(crate) head: Head,
    pub(crate) scratch: Box<[u8]>,
    date_cache: DateCache,
    pub(crate) free_requests: RequestFreeList,
}

/// A free list of boxed requests. A connection takes one for as long as its request lasts; buffers keep their capacity.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the box itself is recycled, so it is not allocated again")]
pub(crate) struct RequestFreeList(Vec<Box<Request>>);

impl WorkerContext {
    pub(crate) fn new(balancer: Arc<Balancer>, registry: Registry, queue: Arc<WorkerQueue>, now: Instant) -> Self {
        Self {
            balancer,
            registry,
            queue,
            now,
            fd_exhausted: false,
            fd_pressure_until: None,
            drain_started_at: None,
            head: Head::new(),
            scratch: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            date_cache: DateCache::default(),
            free_requests: RequestFreeList::default(),
        }
    }

    /// Moves the bytes that can be moved now between the two sockets of an exchange.
    pub(crate) fn pump(
        &mut self,
        relay: &mut Relay,
        client: &mut impl Wire,
        upstream: &mut impl Wire,
    ) -> Result<Pumped, ProxyError> {
        let date = || self.date_cache.at(self.now, wall_clock);
        pump(relay, client, upstream, &mut self.scratch, date)
    }

    /// Whether descriptors have run out recently.
    pub(crate) fn has_fd_pressure(&self) -> bool {
        self.fd_pressure_until.is_some_and(|until| self.now < until)
    }
}

impl RequestFreeList {
    /// A boxed request that began at `started`.
    pub(crate) fn take(&mut self, started: Instant) -> Box<Request> {
        let mut request = self.0.pop().unwrap_or_default();
        request.started_at = Some(started);
        request.first_byte_at = None;
        request.fd_wait_ends = None;
        request
    }

    /// Takes back a request that has ended.
    pub(crate) fn recycle(&mut self, mut request: Box<Request>) {
        (request.ctx, request.attempt) = (None, None);
        if self.0.len() < MAX_FREE_REQUESTS {
            self.0.push(request);
        }
    }
}
