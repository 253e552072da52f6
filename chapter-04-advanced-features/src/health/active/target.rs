//! The interface between the health checker and a backend.

use std::{net::SocketAddr, time::Instant};

use super::health_status::HealthTransition;

/// A target of health checks. All methods are called on the checker's threads; a panic in
/// [`on_check_result`](Self::on_check_result) ends all checks.
pub trait HealthTarget: Send + Sync + 'static {
    /// Its addresses now. One of them has to respond.
    fn addresses(&self) -> Vec<SocketAddr>;
    /// The value of the `Host` header, such as `a.example:9001`.
    fn host_header(&self) -> String;
    /// Receives the outcome of a check that ended at `now` (with the reason, if it failed) and the change of status. A
    /// new backend is assumed to be up, so a healthy one gets no `Up` transition. Must not block: it runs on the
    /// scheduler thread, and other results wait.
    fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, now: Instant);
}
