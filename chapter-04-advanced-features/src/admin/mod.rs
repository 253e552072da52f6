//! The admin API: changes at run time by HTTP on loopback. It lists, adds, drains, reweights and removes backends.
//!
//! | module | what lives there |
//! |---|---|
//! | [`request`], [`status`] | a request and its response, without a connection; the JSON of responses |
//! | [`origin_check`] | rejects requests from other sites' web pages |
//! | [`resource`] | paths, and the methods that each allows |
//! | [`handler`](mod@handler), `change` | what each request does; the changes to a group |
//! | [`operations`] | [`AdminOperations`], through which the handler reaches the balancer |
//! | [`server`] | HTTP itself, on its own thread |
//!
//! Everything but `server` is sans-IO. A change replaces a member list or an atomic of a backend and notifies the
//! group: no client request waits for it, and those in flight complete. Client traffic does not belong here. Chapters 8
//! and 10 pass [`server::AdminServer`] a handler that serves their resources and delegates the rest to this one.

mod change;
pub mod handler;
pub mod operations;
pub mod origin_check;
pub mod request;
pub mod resource;
pub mod server;
pub mod status;

pub use handler::handle_request;
pub use operations::AdminOperations;
pub use request::{AdminRequest, AdminResponse};
pub use server::AdminServer;
