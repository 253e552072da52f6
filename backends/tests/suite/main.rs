//! Backends over real sockets, tested by a client that works on raw bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod binary;
mod client;
mod echo;
mod faults;
mod lifecycle;
mod routes;
