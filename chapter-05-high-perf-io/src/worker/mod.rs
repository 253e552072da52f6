//! A worker thread: its event loop, what its connections share, and how other threads reach it.
//!
//! The loop blocks in the poller, finds the connection that an event belongs to, and drives it until it would block.
//! Nothing here knows HTTP: `serve` decides what a connection does next.

pub(crate) mod context;
pub(crate) mod event_loop;
pub(crate) mod queue;
pub mod slab;
pub(crate) mod token;
