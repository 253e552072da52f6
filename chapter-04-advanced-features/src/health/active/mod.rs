//! Active health checks: requests of our own, sent on a schedule.
//!
//! [`config`] says what is asked and how often, [`state`] counts results until they change a backend's status
//! (rise and fall), and the [`checker`] runs the checks on its own threads. The other files are its parts: the
//! schedule, one check on the wire, and the match of a response against what is expected. Live traffic is judged in
//! [`passive`](super::passive), never here.

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
