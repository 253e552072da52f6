//! A static file server: bodies go by [`sendfile`](crate::sendfile).
//!
//! | module | the idea |
//! |---|---|
//! | `request_path`, [`root`] | a path that never leaves the root, and the file that it names |
//! | `entity_tag`, `preconditions` | which version the client has: 304, 412 |
//! | `byte_range`, `media_type` | a part of a file; what its bytes mean |
//! | `response` | from a request head to a response that is ready to be sent |
//! | `connection`, `send`, `sys` | a client's task: its requests, and the bytes of the responses |
//! | `worker` | a thread with its runtime: accept, drain |
//! | `stats` | the counters of each worker |
//!
//! Requests are parsed by [`common::http`], as in every chapter. There is no relay: a file is no backend.

mod byte_range;
mod connection;
mod entity_tag;
mod media_type;
mod preconditions;
mod request_path;
mod response;
pub mod root;
mod send;
mod server;
mod stats;
mod sys;
mod worker;

pub use server::{FileServer, FileServerConfig, run};
