//! The live page: what the balancer does now, for people.
//!
//! | module | what it holds |
//! |---|---|
//! | [`document`] | the document that it shows, with the meaning of each field |
//! | [`source`] | reads a running balancer into a document |
//! | `observation`, `event_log` | what has changed between two looks; the last changes |
//! | [`feed`] | looks once a second, and sends the document to all pages |
//! | [`handler`] | `GET /live.json` and `GET /events` |
//! | [`page`], `accept` | the page itself, for those who ask for HTML |
//!
//! All of it runs on threads of its own. A worker neither waits for it nor knows of it.

mod accept;
pub mod document;
mod event_log;
pub mod feed;
pub mod handler;
mod observation;
pub mod page;
pub mod source;

pub use document::LiveDocument;
pub use feed::LiveFeed;
pub use source::LiveSource;
