//! The backends' side: the pool with sockets in it, and new connections.
//!
//! [`pool`](crate::pool) has the book-keeping, without a socket; here are the sockets: whether an idle connection may be
//! used again, connects, and the sweep that keeps a worker's pool in order. Nothing here knows of requests or clients.

pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod socket_pool;
