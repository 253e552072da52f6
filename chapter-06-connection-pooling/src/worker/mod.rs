//! A worker thread: a runtime that never leaves it, and what its tasks share.
//!
//! It accepts clients, spawns a task for each, looks after its pool, and tells its tasks when the process drains. What is
//! shared stays on the thread, in cells and without locks. What a client's task does is [`serve`](crate::serve)'s.

mod accept;
pub(crate) mod context;
mod maintenance;
pub(crate) mod run;
