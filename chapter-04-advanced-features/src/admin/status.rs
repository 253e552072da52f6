//! What the answers show of backends and groups.

use std::time::Instant;

use serde::Serialize;

use crate::balance::{backend::Backend, group::Group};

/// A backend as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendStatus {
    /// The group that it belongs to.
    pub group: String,
    /// Its name, as configured and without its weight.
    pub name: String,
    /// `UP`, `DOWN`, `EJECTED`, `DRAIN` or `HALF-OPEN`: what it comes to, as in the table of statistics.
    pub state: &'static str,
    /// Whether an operator wants it empty, also while it is down.
    pub draining: bool,
    /// Its weight.
    pub weight: u32,
    /// Requests under way to it.
    pub in_flight: u32,
    /// How many of them there may be.
    pub max_connections: Option<u32>,
    /// Requests that were sent to it.
    pub total: u64,
    /// How often it failed, connects that came to nothing included.
    pub failed: u64,
}

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// How one of its backends is picked.
    pub algorithm: String,
    /// How many backends it has.
    pub backends: usize,
    /// Requests under way to them.
    pub in_flight: u32,
    /// Requests that wait for one of them.
    pub queued: usize,
    /// Whether so few are well that the marks are not believed.
    pub panic: bool,
    /// Whether it is left alone, because it fails.
    pub breaker_open: bool,
}

/// The answer that lists backends.
#[derive(Debug, Serialize)]
pub struct BackendList {
    /// Them.
    pub backends: Vec<BackendStatus>,
}

/// The answer that lists groups.
#[derive(Debug, Serialize)]
pub struct GroupList {
    /// Them.
    pub groups: Vec<GroupStatus>,
}

/// The answer to `GET /`.
#[derive(Debug, Serialize)]
pub struct Help {
    /// The routes.
    pub help: &'static [&'static str],
}

impl BackendStatus {
    /// The backend of this group as it is now.
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
    /// The group as it is now.
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
