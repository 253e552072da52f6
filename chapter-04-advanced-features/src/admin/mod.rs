//! The admin API: changes at run time by HTTP on loopback. It lists, adds, drains, reweights and removes backends.
//!
//! | module | what lives there |
//! |---|---|
//! | [`request`], [`status`] | a request and its response, without a connection; the JSON of responses |
//! | [`origin_check`] | rejects requests from other sites' web pages |
//! | [`resource`] | paths, and the methods that each allows |
//! | [`handlers`](mod@handlers) | the list of handlers, to which later chapters add theirs |
//! | [`handler`](mod@handler), `change` | this chapter's: what each request does; the changes to a group |
//! | [`operations`] | [`AdminOperations`], through which the handler reaches the balancer |
//! | [`event_stream`](mod@event_stream) | server-sent events: a response that goes on |
//! | [`server`], `listener`, `response` | HTTP itself, on its own thread; its connections, what it sends |
//!
//! Everything but the last two lines is sans-IO. A change replaces a member list or an atomic of a backend and notifies the
//! group: no client request waits for it, and those in flight complete. Client traffic does not belong here.

mod change;
pub mod event_stream;
pub mod handler;
pub mod handlers;
mod listener;
pub mod operations;
pub mod origin_check;
pub mod request;
pub mod resource;
mod response;
pub mod server;
pub mod status;

pub use event_stream::{EventPublisher, EventStream};
pub use handler::BackendsHandler;
pub use handlers::{AdminHandler, AdminHandlers};
pub use operations::AdminOperations;
pub use request::{AdminRequest, AdminResponse};
pub use server::AdminServer;
