//! What all connections of a loop share. None of it is locked, for nobody else has it.

use std::{sync::Arc, time::Instant};

use advanced_features::Balancer;
use common::http::{Head, READ_BUFFER_BYTES};
use mio::Registry;

use super::queue::Mailbox;
use crate::request::state::Request;

/// How many boxes for requests are kept. More were in use at once only for a moment.
const SPARE: usize = 1024;

/// One loop's own things.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) registry: Registry,
    pub(crate) mailbox: Arc<Mailbox>,
    /// When the loop woke last: one look at the clock for all that happened meanwhile.
    pub(crate) now: Instant,
    /// A connect has failed for want of a descriptor, and the loop is to see to that.
    pub(crate) is_short: bool,
    /// Until when no client is to keep more than one connection to a backend, as descriptors have run out.
    pub(crate) thrifty_until: Option<Instant>,
    /// Since when the process drains.
    pub(crate) drains_since: Option<Instant>,
    /// For the request head at hand; none outlives the call that reads it.
    pub(crate) head: Head,
    pub(crate) scratch: Box<[u8]>,
    pub(crate) spare: Spare,
}

/// Boxes for requests: lent to a connection for as long as its request lasts, with the memory that they have grown.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the box itself is recycled, so it is not allocated again")]
pub(crate) struct Spare(Vec<Box<Request>>);

impl Core {
    pub(crate) fn new(balancer: Arc<Balancer>, registry: Registry, mailbox: Arc<Mailbox>, now: Instant) -> Self {
        Self {
            balancer,
            registry,
            mailbox,
            now,
            is_short: false,
            thrifty_until: None,
            drains_since: None,
            head: Head::new(),
            scratch: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            spare: Spare::default(),
        }
    }

    /// Whether descriptors have run out a moment ago.
    pub(crate) fn is_thrifty(&self) -> bool {
        self.thrifty_until.is_some_and(|until| self.now < until)
    }
}

impl Spare {
    /// A box for a request that began at `started`.
    pub(crate) fn take(&mut self, started: Instant) -> Box<Request> {
        let mut request = self.0.pop().unwrap_or_default();
        request.started = Some(started);
        request.first_byte = None;
        request.was_short = false;
        request
    }

    /// The request is over.
    pub(crate) fn give_back(&mut self, mut request: Box<Request>) {
        (request.course, request.attempt) = (None, None);
        if self.0.len() < SPARE {
            self.0.push(request);
        }
    }
}
