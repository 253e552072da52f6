//! Passive health checks: what live traffic says about one backend.
//!
//! [`connect_breaker`] reacts to failed connects, [`outlier`] to failed responses. The engine calls both at the end of
//! a connect or an attempt; they have no threads, sockets or timers of their own. A whole group is the concern of
//! [`breaker`](super::breaker).

pub mod connect_breaker;
pub mod outlier;
