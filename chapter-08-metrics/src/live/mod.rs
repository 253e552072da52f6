//! The live page: what the balancer does now, for people.
//!
//! | module | what it holds |
//! |---|---|
//! | [`document`] | the document that it shows, with the meaning of each field |
//! | [`source`] | reads a running balancer into a document |
//! | [`handler`] | `GET /live.json` |
//!
//! All of it runs on threads of its own. A worker neither waits for it nor knows of it.

pub mod document;
pub mod handler;
pub mod source;

pub use document::LiveDocument;
pub use source::LiveSource;
