//! The order of a queue, and what it sheds.
//!
//! Here first in, first out ([`Fifo`]); chapter 7 serves the newest request first while a group is overloaded. A
//! discipline only says the rules: the [`Queue`](super::Queue) keeps the requests, and wakes them.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

// ANCHOR: discipline
/// Decides in which order queued requests are served, and which are shed.
pub trait QueueDiscipline: Debug + Send {
    /// The rules from `now` on. Called when a request enters the queue, and each time a queued request checks its turn.
    /// `oldest_wait` is how long the oldest request has waited, before any is shed by the new rules; zero if the queue
    /// is empty. Called with the queue locked, so it must not block.
    fn update(&mut self, oldest_wait: Duration, now: Instant) -> QueueRules;
}

/// The order of a queue, and how long a request may wait in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueRules {
    /// Which request is next.
    pub order: QueueOrder,
    /// Requests that have waited for longer are shed; `None`: no request is shed for its age. (The engine enforces the
    /// queue timeout.)
    pub max_wait: Option<Duration>,
}
// ANCHOR_END: discipline

/// Which request is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueOrder {
    /// The one that has waited longest. A full queue rejects new requests.
    #[default]
    OldestFirst,
    /// The most recent one. If the queue is full, the oldest is shed to make room.
    NewestFirst,
}

/// First in, first out; sheds nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fifo;

impl QueueDiscipline for Fifo {
    fn update(&mut self, _oldest_wait: Duration, _now: Instant) -> QueueRules {
        QueueRules::default()
    }
}
