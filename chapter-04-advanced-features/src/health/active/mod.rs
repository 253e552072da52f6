//! Active health checks: the balancer's own requests, sent on a schedule.
//!
//! [`config`] says what is checked and how often, [`rise_fall`] counts results until they change a backend's status,
//! and the [`checker`] runs the checks on a thread of its own. The other files are its parts: the scheduler, the
//! schedule of one backend ([`state`]), one check as a state machine and its socket, and the match of a response against
//! what is expected. Another way to count is another [`health_status`]. Live traffic is the concern of
//! [`passive`](super::passive), never of this module.

mod check_socket;
pub mod checker;
pub mod config;
mod control;
pub mod health_status;
mod probe;
mod response_matcher;
pub mod rise_fall;
mod scheduler;
pub mod state;
pub mod status_set;
pub mod target;
#[cfg(test)]
mod test_backend;
