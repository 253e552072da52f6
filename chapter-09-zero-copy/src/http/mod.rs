//! HTTP: chapter 8's balancer, whose large bodies go through a pipe.
//!
//! Heads are parsed and rewritten as before, so they pass through user space. A body whose framing does not change needs
//! no look: once [`Relay`](common::http::Relay) leaves the rest of one to us, it is spliced.
//!
//! | module | what it holds |
//! |---|---|
//! | [`pipe_splice`] | what the engine moves large bodies with: a pipe per body, from the worker's pool |
//! | [`server`] | chapter 8's server with it, and the bytes that were spliced, in the statistics and in the metrics |

pub mod pipe_splice;
pub mod server;
