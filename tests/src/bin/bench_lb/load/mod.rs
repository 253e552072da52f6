//! The load: HTTP/1.1 clients on one thread, over `mio`.
//!
//! The proxy under test is judged by its own CPU time, so the load may cost some, but it shares a CPU core with the
//! origins, which lack what it uses: one poller, one buffer, no allocation per request. `cargo load` is the generator
//! for a reader's own measurements; it checks more, and costs more.
//!
//! [`Driver`] is the event loop; [`SendMode`] says when a request is due (closed loop, open loop, once per client);
//! [`Client`](client::Client) is a connection with at most one request in flight; [`Reader`](reader::Reader) finds the
//! end of a response.

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
pub(crate) use driver::{Driver, SendMode};
pub(crate) use request::Request;
pub(crate) use tally::Tally;
