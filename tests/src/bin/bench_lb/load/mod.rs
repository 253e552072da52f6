//! The load: HTTP/1.1 clients on one thread, over `mio`.
//!
//! The proxy under test is judged by its own CPU time, so the load may cost some, but it shares a CPU core with the
//! origins, which lack what it uses: one poller, one buffer, no allocation per request. `cargo load` is the generator
//! for a reader's own measurements; it checks more, and costs more.
//!
//! [`Driver`] is the event loop; [`SendMode`] says when a request is due (closed loop, open loop, once per client);
//! [`Client`](client::Client) is a connection with at most one request in flight; [`Reader`](reader::Reader) finds the
//! end of a response. [`Datagrams`] are UDP clients.

mod arrivals;
mod chunked;
mod client;
mod datagrams;
mod driver;
mod failure;
mod reader;
mod request;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use arrivals::Arrivals;
pub(crate) use datagrams::Datagrams;
pub(crate) use driver::{Driver, SendMode};
pub(crate) use request::Request;
pub(crate) use tally::Tally;

use std::{io, time::Duration};

/// What a round sends to its target, a phase at a time: warm-up, window, and the wait for what is still on its way.
pub(crate) trait Load {
    /// Sends and receives for `length`; returns the exact duration, to the microsecond.
    fn run(&mut self, length: Duration) -> io::Result<Duration>;
    /// Waits for the responses on their way, at most `grace`; what is not answered by then has failed.
    fn drain(&mut self, grace: Duration) -> io::Result<()>;
    /// The counters so far.
    fn tally(&self) -> &Tally;
    /// Resets the counters: the warm-up is over.
    fn reset(&mut self);
}
