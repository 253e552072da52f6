//! Change while running: an HTTP interface on loopback that lists, adds, drains, weighs and removes backends.
//!
//! | module | the idea |
//! |---|---|
//! | [`request`] | what came in and what goes out, without a connection |
//! | [`origin_check`] | who is refused before anything is looked at: other people's web pages |
//! | [`resource`] | what a path names, and which methods it takes |
//! | [`handler`](mod@handler) | what each request does |
//! | [`operations`] | what it works on |
//! | [`status`] | what the answers show |
//! | [`server`] | HTTP itself, on a thread of its own |
//!
//! Everything but `server` is sans-IO. A change is a new list of members, or an atomic of a backend, and a notice on
//! the group's bulletin: no request waits for it, and those under way end where they are. Chapters 8 and 10 serve
//! more: they give [`server::Admin`] a handler that answers what is theirs and leaves the rest to this one.

mod change;
pub mod handler;
pub mod operations;
pub mod origin_check;
pub mod request;
pub mod resource;
pub mod server;
pub mod status;

pub use handler::handle_request;
pub use operations::ClusterControl;
pub use request::{AdminRequest, AdminResponse};
pub use server::AdminServer;
