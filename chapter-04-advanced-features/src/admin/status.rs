//! The JSON of backends and groups in responses.

use std::time::Instant;

use serde::Serialize;

use crate::balance::{backend::Backend, group::Group};

/// The status of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendStatus {
    /// Its group.
    pub group: String,
    /// Its name, as configured and without its weight.
    pub name: String,
    /// `UP`, `DOWN`, `EJECTED`, `DRAIN` or `HALF-OPEN`, as in the statistics table.
    pub state: &'static str,
    /// Whether an operator has drained it; also shown while it is down.
    pub draining: bool,
    /// Its weight.
    pub weight: u32,
    /// Requests in flight to it.
    pub in_flight: u32,
    /// The limit on requests in flight; `null` for none.
    pub max_connections: Option<u32>,
    /// Requests sent to it so far.
    pub total: u64,
    /// Failures so far, failed connects included.
    pub failed: u64,
}

/// The status of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// The algorithm that picks a backend.
    pub algorithm: String,
    /// The number of backends.
    pub backends: usize,
    /// Requests in flight to them.
    pub in_flight: u32,
    /// Queued requests.
    pub queued: usize,
    /// Whether it is in panic mode: so few backends are healthy that health status is ignored.
    pub panic: bool,
    /// Whether its circuit breaker is open.
    pub breaker_open: bool,
}

/// The response that lists backends.
#[derive(Debug, Serialize)]
pub struct BackendList {
    /// The backends.
    pub backends: Vec<BackendStatus>,
}

/// The response that lists groups.
#[derive(Debug, Serialize)]
pub struct GroupList {
    /// The groups.
    pub groups: Vec<GroupStatus>,
}

/// The response to `GET /`.
#[derive(Debug, Serialize)]
pub struct Help<'a> {
    /// The endpoints.
    pub help: &'a [&'static str],
}

impl BackendStatus {
    /// The current status of a backend of this group.
    pub fn new(group: &Group, backend: &Backend, now: Instant) -> Self {
        Self {
            group: group.name().to_owned(),
            name: backend.name(),
            state: backend.state(now).as_str(),
            draining: backend.is_draining(),
            weight: backend.weight(),
            in_flight: backend.concurrency.in_flight(),
            max_connections: backend.concurrency.limit(),
            total: backend.totals.total_requests(),
            failed: backend.totals.failures(),
        }
    }
}

impl GroupStatus {
    /// The current status of the group.
    pub fn new(group: &Group, now: Instant) -> Self {
        Self {
            name: group.name().to_owned(),
            algorithm: group.lb_policy().algorithm.to_string(),
            backends: group.members().len(),
            in_flight: group.in_flight(),
            queued: group.queue.len(),
            panic: group.is_in_panic(now),
            breaker_open: group.breaker.is_open(),
        }
    }
}
