//! Groups of backends, and how one backend is chosen.
//!
//! A [`router`] holds groups and the routes between them, a [`group`] holds interchangeable backends, and a
//! [`backend`] holds the health, load and settings of one of them. [`policy`] has the algorithms. All of it is `Sync`
//! data that takes `now` as an argument: no sockets, no clock, no waiting (only the backend factory resolves names),
//! and no state of a single request, which is [`request`](crate::request)'s.

pub mod backend;
pub(crate) mod backend_factory;
pub mod change_notifier;
pub mod group;
pub mod keep_alive;
pub mod policy;
pub mod router;
