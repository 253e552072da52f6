//! The backends' side: non-blocking connects, and idle connections.
//!
//! A connect tries a backend's addresses without blocking, and an idle connection is kept by the client that used it
//! last. [`serve`](crate::serve) decides which backend gets a request; nothing here knows about requests.

pub(crate) mod connect;
pub(crate) mod per_client_pool;
