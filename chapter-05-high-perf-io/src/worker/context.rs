//! What all connections of a loop share. None of it is locked, for nobody else has it.

use std::{sync::Arc, time::Instant};

use advanced_features::Balancer;
use common::http::{Head, READ_BUFFER_BYTES};
use mio::Registry;

use super::queue::WorkerQueue;
use crate::request::state::Request;

/// How many boxes for requests are kept. More were in use at once only for a moment.
const MAX_FREE_REQUESTS: usize = 1024;

/// One loop's own things.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) registry: Registry,
    pub(crate) queue: Arc<WorkerQueue>,
    /// When the loop woke last: one look at the clock for all that happened meanwhile.
    pub(crate) now: Instant,
    /// A connect has failed for want of a descriptor, and the loop is to see to that.
    pub(crate) fd_exhausted: bool,
    /// Until when no client is to keep more than one connection to a backend, as descriptors have run out.
    pub(crate) fd_pressure_until: Option<Instant>,
    /// Since when the process drains.
    pub(crate) drain_started_at: Option<Instant>,
    /// For the request head at hand; none outlives the call that reads it.
    pub(crate) head: Head,
    pub(crate) scratch: Box<[u8]>,
    pub(crate) free_requests: RequestFreeList,
}

/// Boxes for requests: lent to a connection for as long as its request lasts, with the memory that they have grown.
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
            free_requests: RequestFreeList::default(),
        }
    }

    /// Whether descriptors have run out a moment ago.
    pub(crate) fn has_fd_pressure(&self) -> bool {
        self.fd_pressure_until.is_some_and(|until| self.now < until)
    }
}

impl RequestFreeList {
    /// A box for a request that began at `started`.
    pub(crate) fn take(&mut self, started: Instant) -> Box<Request> {
        let mut request = self.0.pop().unwrap_or_default();
        request.started_at = Some(started);
        request.first_byte_at = None;
        request.waited_for_fd = false;
        request
    }

    /// The request is over.
    pub(crate) fn recycle(&mut self, mut request: Box<Request>) {
        (request.ctx, request.attempt) = (None, None);
        if self.0.len() < MAX_FREE_REQUESTS {
            self.0.push(request);
        }
    }
}
