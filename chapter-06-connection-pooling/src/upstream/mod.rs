//! The backends' side: the pool with sockets in it, and new connections.
//!
//! [`pool`](crate::pool) has the bookkeeping, without a socket; here are the sockets: whether an idle connection may be
//! reused, connects, and the sweep that keeps a worker's pool in order. Nothing here knows about requests or clients.

pub mod connect;
pub(crate) mod connection;
pub(crate) mod socket_pool;
