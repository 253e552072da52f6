//! HTTP: chapter 8's balancer, behind proxies that send PROXY headers, and with large bodies that go through a pipe.
//!
//! Heads are parsed and rewritten as before, so they pass through user space. A body whose framing does not change needs
//! no look: once [`Relay`](common::http::Relay) leaves the rest of one to us, it is spliced.
//!
//! | module | what it holds |
//! |---|---|
//! | [`pipe_splice`] | what the engine moves large bodies with: a pipe per body, from the worker's pool |
//! | `prelude` | the PROXY header before a connection's first request |
//! | `server` | chapter 8's server with both, and what they count, in the statistics and in the metrics |

pub mod pipe_splice;
pub(crate) mod prelude;
pub(crate) mod server;
