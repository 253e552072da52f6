//! A worker thread: its event loop, what its connections share, and how other threads reach it.
//!
//! The loop sleeps in the poller, finds the connection that an event names, and drives it as far as it goes. Nothing here
//! knows HTTP: what a connection does next is [`serve`](crate::serve)'s.

pub(crate) mod context;
pub(crate) mod event_loop;
pub(crate) mod queue;
pub mod slab;
pub(crate) mod token;
