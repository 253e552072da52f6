//! The load: HTTP/1.1 clients on one thread, over `mio`.
//!
//! The proxy under test is judged by its own CPU time, so the load need not be free, but it shares a core with the
//! origins, and what it takes they lack: one poller, one buffer, no allocation per request. `cargo load` is the
//! generator for a reader's own measurements; it checks more, and costs more.
//!
//! [`Driver`] is the loop; [`Pace`] says when a request is due (a closed loop, an open one, once per client);
//! [`Client`](client::Client) is a connection with at most one request in flight; [`Reader`](reader::Reader) knows
//! where a response ends.

mod arrivals;
mod chunked;
mod client;
mod driver;
mod failure;
mod reader;
mod request;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use arrivals::Arrivals;
pub(crate) use driver::{Driver, Pace};
pub(crate) use request::Request;
pub(crate) use tally::Tally;
