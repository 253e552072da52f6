//! What the exercises, their checks and the solutions share.

use std::io::{self, Write};
use std::time::Duration;

/// A bucket of a histogram as it is exposed. (Exercise 8.3.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// `le`: the upper bound; infinite for the last one.
    pub bound: f64,
    /// How many were at most `bound`.
    pub cumulative: u64,
}

/// Counts events by the values of a label, in bounded memory. (Exercise 8.4.)
pub trait BoundedLabels {
    /// Counts an event with this value.
    fn count(&mut self, value: &str);

    /// Each value that has a series, with its count, in the order in which the values first came; then `other`, if
    /// anything was counted there.
    fn series(&self) -> Vec<(String, u64)>;

    /// How many different values were refused a series, if that can be known without storing them; at least 1 if there
    /// was one.
    fn dropped(&self) -> u64;
}

/// Sends messages to many pages as server-sent events. It writes to connections that do not block. (Exercise 8.6.)
pub trait EventFeed {
    /// Makes this the latest message.
    fn publish(&mut self, id: u64, data: &str);

    /// Opens a stream and returns its number; `None` if as many are open as may be.
    fn open(&mut self) -> Option<u64>;

    /// Closes a stream, whose page has gone.
    fn close(&mut self, stream: u64);

    /// Writes to the connection of a stream what it has not been sent yet, until nothing is left or it would block.
    ///
    /// # Errors
    /// The connection is lost, so the stream was closed; or there is no such stream.
    fn write_to(&mut self, stream: u64, connection: &mut dyn Write) -> io::Result<()>;
}

/// What a reader of `/live.json` keeps of one document. (Exercise 8.7.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `uptime_ms`: the time since the start of the program, where all counters were 0.
    pub uptime: Duration,
    /// The backends, in any order.
    pub backends: Vec<BackendCounters>,
}

/// The counters of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendCounters {
    /// Unique in the process: a backend that is removed and added again gets another one.
    pub id: u64,
    /// Counter: requests sent to it.
    pub requests: u64,
    /// Counters: its responses by their time, *not* cumulative: one more than there are bounds.
    pub buckets: Vec<u64>,
}

/// The readings of the last seconds, and what happened between them. (Exercise 8.7.)
pub trait RecentReadings {
    /// Takes in the next reading.
    fn push(&mut self, reading: Reading);

    /// Requests per second to the backend with this id, over the last `span`; `None` if that is not known.
    fn rate(&self, id: u64, span: Duration) -> Option<f64>;

    /// The responses of that backend in the last `span`, as exercise 8.3 takes them; `None` if they are not known.
    fn buckets(&self, id: u64, span: Duration) -> Option<Vec<Bucket>>;

    /// How many readings it keeps.
    fn kept(&self) -> usize;
}
