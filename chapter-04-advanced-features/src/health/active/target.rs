//! What the checker needs of a backend, and what it tells it.

use std::{net::SocketAddr, time::Instant};

use super::state::HealthTransition;

/// What is checked. All of these are called on the checker's threads, and a panic in `checked` ends the checks.
pub trait HealthTarget: Send + Sync + 'static {
    /// Where it is now. One of them has to answer.
    fn addresses(&self) -> Vec<SocketAddr>;
    /// What the `Host` field is to say, such as `a.example:9001`.
    fn host_header(&self) -> String;
    /// Takes the outcome of a check that ended at `now` (with the reason, if it failed) and what it changed. A new
    /// backend passes for up, so that the first change of a healthy one never comes. Must not block: nobody else's
    /// result is heard meanwhile.
    fn on_check_result(&self, outcome: Result<(), String>, change: Option<HealthTransition>, now: Instant);
}
