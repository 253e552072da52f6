//! What is kept of a request from its head to its record.

use std::time::Instant;

use advanced_features::request::{attempt::Attempt, context::Course};
use common::http::{Patience, Relay};

use crate::upstream::connection::Upstream;

/// A request, from its head to its record.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) relay: Relay,
    pub(crate) patience: Patience,
    /// None for what was no request.
    pub(crate) course: Option<Course>,
    pub(crate) attempt: Option<Attempt<Upstream>>,
    /// When its first byte came.
    pub(crate) started: Instant,
    /// When it was last attended to.
    pub(crate) now: Instant,
    /// When the first byte of its answer came.
    pub(crate) first_byte: Option<Instant>,
}

impl Request {
    pub(crate) fn new(started: Instant) -> Self {
        let (relay, patience) = (Relay::new(), Patience::new());
        Self { relay, patience, course: None, attempt: None, started, now: started, first_byte: None }
    }

    /// Its way through its group.
    pub(crate) fn course(&mut self) -> &mut Course {
        self.course.as_mut().expect("every parsed request has been routed")
    }
}
