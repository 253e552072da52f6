//! The access log of sessions: a line when a session has ended.
//!
//! The formats, the queues and the thread that writes are chapter 8's. What is here is what a line is about.
//!
//! | module | what it holds |
//! |---|---|
//! | [`field`] | the fields of a line, and their values |
//! | `worker_log` | one worker's part: from a record to a line |

pub mod field;
mod worker_log;

pub(crate) use worker_log::WorkerLog;
