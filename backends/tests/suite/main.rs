//! Backends over real sockets, asked by a client that knows only bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod binary;
mod client;
mod echo;
mod faults;
mod lifecycle;
mod routes;
