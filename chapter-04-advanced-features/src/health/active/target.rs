//! The interface between the health checker and a backend.

use std::{sync::Arc, time::Instant};

use common::net::Addresses;

use super::{config::CheckConfig, health_status::HealthTransition};

/// A target of health checks. All methods are called on the checker's thread, where other checks wait meanwhile: none
/// may block. After a panic in one of them the check counts as one that could not run, and is repeated.
pub trait HealthTarget: Send + Sync + 'static {
    /// How it is checked; `None`: it is not. Does not change.
    fn check_config(&self) -> Option<Arc<CheckConfig>>;
    /// Its addresses now, asked for by each check. One of them has to respond.
    fn addresses(&self) -> Addresses;
    /// The value of the `Host` header, such as `a.example:9001`. Does not change: the checker keeps the request.
    fn host_header(&self) -> String;
    /// Receives the outcome of a check that ended at `now` (with the reason, if it failed) and the change of status. A
    /// new backend is assumed to be up, so a healthy one gets no `Up` transition.
    fn on_check_result(&self, outcome: Result<(), String>, transition: Option<HealthTransition>, now: Instant);
}
