//! A worker thread: a runtime that never leaves it, and what its tasks share.
//!
//! It accepts connections, spawns a task for each, maintains its pool, and notifies its tasks when the process drains.
//! Shared state stays on the thread, in cells and without locks. What it serves its connections with is a
//! [`Service`](service::Service): HTTP here, and what a client's task does is in `serve`.

mod accept;
pub(crate) mod backend_pools;
pub(crate) mod context;
mod longest_poll;
pub(crate) mod maintenance;
pub mod run;
pub mod service;
pub(crate) mod stats;
pub mod thread;
pub mod workers;
