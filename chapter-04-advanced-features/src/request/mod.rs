//! The state of one request, the rules it follows, and how a thread waits on its behalf.
//!
//! [`context`], [`attempt`], [`error`] and [`local_reply`] are the rules of every engine: when a request is admitted,
//! when it may queue or be retried, what its outcome says about the backend. They have no socket and no clock. `wait`,
//! `wake_pipe` and `per_client_pool` are this chapter's engine, a thread per client; chapters 5 and 6 bring their own.
//! State that several requests share does not belong here, but in [`balance`](crate::balance).

pub mod attempt;
pub mod context;
pub mod error;
pub mod local_reply;
pub(crate) mod per_client_pool;
pub(crate) mod wait;
mod wake_pipe;
