//! The backends' side: connections in the making, and idle ones.
//!
//! A connect goes through a backend's addresses without waiting, and an idle connection is kept by the client that used
//! it last. Which backend is asked is decided elsewhere ([`serve`](crate::serve)); nothing here knows of requests.

pub(crate) mod connect;
pub(crate) mod per_client_pool;
