//! A worker thread: a runtime that never leaves it, and what its tasks share.
//!
//! It accepts connections, spawns a task for each, maintains its pool, and notifies its tasks when the process drains.
//! Shared state stays on the thread, in cells and without locks. What a client's task does is in
//! [`serve`](crate::serve).

mod accept;
pub(crate) mod backend_pools;
pub(crate) mod context;
mod longest_poll;
mod maintenance;
pub(crate) mod run;
pub(crate) mod stats;
