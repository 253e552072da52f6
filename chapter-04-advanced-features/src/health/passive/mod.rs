//! Passive health checks: what live traffic says of one backend.
//!
//! [`connect_breaker`] reacts to a connect that fails, [`outlier`] to responses that do. Both are fed by the engine at
//! the end of a connect or an attempt and have no threads, sockets or timers of their own. What a whole group does is
//! the [`breaker`](super::breaker)'s.

pub mod connect_breaker;
pub mod outlier;
