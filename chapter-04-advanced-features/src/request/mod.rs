//! One request's way through its group, and the waiting that a thread does for it.
//!
//! [`context`], [`attempt`] and [`local_reply`] are the rules that every engine follows: when a request is let in, when
//! it may wait or be retried, what its end says of the backend. They have no socket and no clock. `wait`, `wake_pipe`
//! and `per_client_pool` are this chapter's engine, a thread per client; chapters 5 and 6 bring their own.

pub mod attempt;
pub mod context;
pub mod local_reply;
pub(crate) mod per_client_pool;
pub(crate) mod wait;
mod wake_pipe;
