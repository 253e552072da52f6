//! A backend's counters, from which a test learns which backend received which requests and connections.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// One reading of a backend's counters; also the JSON of `/count`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests received, except for those to `/health`, `/count` and `/_fault/*`: so a share of the load can be
    /// asserted while health checks run.
    pub requests: u64,
    /// Requests to `/health`.
    pub health_checks: u64,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Open connections, including upgraded ones.
    pub open_connections: u64,
    /// Requests whose response is not yet sent whole, including delayed, hanging and streaming ones.
    pub in_flight: u64,
}

/// The live counters behind [`Counts`].
// Relaxed everywhere: each counter is independent, and orders nothing else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    health_checks: AtomicU64,
    connections: AtomicU64,
    open_connections: AtomicU64,
    in_flight: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            health_checks: self.health_checks.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            open_connections: self.open_connections.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }

    /// Counts a request to `path`; returns its number, from 1, or the last request's for a path that is not counted.
    pub(crate) fn request_received(&self, path: &str) -> u64 {
        if path == "/health" {
            self.health_checks.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(path, "/health" | "/count") || path.starts_with("/_fault/") {
            return self.requests.load(Ordering::Relaxed);
        }
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.open_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_started(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
