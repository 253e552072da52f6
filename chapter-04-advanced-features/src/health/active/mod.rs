//! Active health checks: the balancer's own requests, sent on a schedule.
//!
//! [`config`] says what is checked and how often, [`state`] counts results until they change a backend's status
//! (rise and fall), and the [`checker`] runs the checks on its own threads. The other files are its parts: the
//! scheduler, one check on the wire ([`probe`]), and the match of a response against what is expected. Live traffic is
//! the concern of [`passive`](super::passive), never of this module.

pub mod checker;
pub mod config;
pub mod probe;
mod response_matcher;
mod scheduler;
pub mod state;
pub mod status_set;
pub mod target;
#[cfg(test)]
mod test_backend;
