//! What can be chosen, and how one of it is chosen.
//!
//! A [`cluster`] holds groups and the routes between them, a [`group`] holds backends that can stand in for each other,
//! and a [`backend`] gathers all that is known of one of them. [`policy`] has the algorithms. All of it is `Sync` data
//! that is asked with `now` as an argument: no sockets, no clock, no waiting, and nothing of one request
//! ([`request`](crate::request)).

pub mod backend;
pub(crate) mod backend_factory;
pub mod change_notifier;
pub mod cluster;
pub mod group;
pub mod policy;
