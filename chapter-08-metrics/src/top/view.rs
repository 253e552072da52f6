//! What is shown: each number computed, each name fit for a terminal.
//!
//! A pure function of an [`Interval`]. Whatever draws it, a screen or a plain table, computes nothing any more.

use std::time::Duration;

use super::{
    escape::printable,
    reading::{Interval, share},
};
use crate::live::document::LiveEvent;

mod backend_row;
mod event_line;

pub use backend_row::BackendRow;
pub use event_line::EventLine;

/// All that is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The program, and the whole process.
    pub summary: Summary,
    /// What needs attention, a line each.
    pub alerts: Vec<String>,
    /// The backends, in the order of the document.
    pub backends: Vec<BackendRow>,
    /// The backends that the document leaves out.
    pub backends_omitted: usize,
    /// The share of the time in which each worker was busy; `None` if no time has passed.
    pub workers: Vec<Option<f64>>,
    /// The rate limits.
    pub limits: Vec<LimitRow>,
    /// What has happened, newest first.
    pub events: Vec<EventLine>,
}

/// The program, and the whole process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How long it has run.
    pub uptime: Duration,
    /// Whether backends can be drained and enabled.
    pub is_writable: bool,
    /// Whether it is shutting down.
    pub is_draining: bool,
    /// The time over which rates are measured; `None` for all of the uptime.
    pub measured_over: Option<Duration>,
    /// Requests that have ended since the start.
    pub requests: u64,
    /// Requests per second.
    pub request_rate: Option<f64>,
    /// The share of requests that failed; `None` without requests.
    pub error_ratio: Option<f64>,
    /// Clients connected.
    pub connections: u64,
    /// Clients that connected, per second.
    pub connection_rate: Option<f64>,
    /// Bytes per second from clients.
    pub received_rate: Option<f64>,
    /// Bytes per second to clients.
    pub sent_rate: Option<f64>,
    /// Requests in flight to backends.
    pub in_flight: u64,
    /// Requests in queues.
    pub queued: u64,
}

/// A rate limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LimitRow {
    /// Its name.
    pub name: String,
    /// Its rule.
    pub rule: String,
    /// Whether it only counts.
    pub is_dry_run: bool,
    /// Requests per second that passed.
    pub allowed_rate: Option<f64>,
    /// Requests per second that it refused, or would have refused.
    pub refused_rate: Option<f64>,
    /// The same since the start.
    pub refused: u64,
}

impl View {
    /// What an interval shows.
    pub fn new(interval: &Interval<'_>) -> Self {
        let document = interval.now;
        Self {
            summary: summary(interval),
            alerts: alerts(interval),
            backends: backend_row::rows(interval),
            backends_omitted: document.backends_omitted,
            workers: (0..document.workers.len()).map(|worker| busy(interval, worker)).collect(),
            limits: (0..document.limits.len()).map(|index| limit(interval, index)).collect(),
            events: events(&document.events),
        }
    }
}

fn summary(interval: &Interval<'_>) -> Summary {
    let document = interval.now;
    let (program, totals) = (&document.program, &document.totals);
    let requests = interval.increase(|totals| totals.requests);
    Summary {
        name: printable(&program.name),
        version: printable(&program.version),
        uptime: Duration::from_millis(document.uptime_ms),
        is_writable: program.writable,
        is_draining: program.draining,
        measured_over: (!interval.is_since_start()).then_some(interval.length),
        requests: totals.requests,
        request_rate: interval.rate(requests),
        error_ratio: share(interval.increase(|totals| totals.failed), requests),
        connections: totals.connections_active,
        connection_rate: interval.rate(interval.increase(|totals| totals.connections_accepted)),
        received_rate: interval.rate(interval.increase(|totals| totals.bytes_received)),
        sent_rate: interval.rate(interval.increase(|totals| totals.bytes_sent)),
        in_flight: totals.in_flight,
        queued: totals.queued,
    }
}

/// The groups that do not work as they should.
fn alerts(interval: &Interval<'_>) -> Vec<String> {
    let mut alerts = Vec::new();
    if interval.now.program.draining {
        alerts.push("shutting down: it completes what is in flight".to_owned());
    }
    for group in &interval.now.groups {
        let name = printable(&group.name);
        if group.up == 0 {
            alerts.push(format!("group {name}: none of its {} backends may be picked", group.backends));
        }
        if group.panic {
            alerts.push(format!("group {name}: so few are healthy that health is ignored ({} up)", group.up));
        }
        if group.breaker_open {
            alerts.push(format!("group {name}: its circuit breaker is open"));
        }
    }
    alerts
}

#[expect(clippy::cast_precision_loss, reason = "it is shown as a percentage")]
fn busy(interval: &Interval<'_>, worker: usize) -> Option<f64> {
    let length = interval.length.as_micros();
    (length > 0).then(|| (interval.busy_us(worker) as f64 / length as f64).min(1.0))
}

fn limit(interval: &Interval<'_>, index: usize) -> LimitRow {
    let limit = &interval.now.limits[index];
    LimitRow {
        name: printable(&limit.name),
        rule: printable(&limit.rule),
        is_dry_run: limit.dry_run,
        allowed_rate: interval.rate(interval.limit_increase(index, |limit| limit.allowed)),
        refused_rate: interval.rate(interval.limit_increase(index, |limit| limit.refused)),
        refused: limit.refused,
    }
}

fn events(events: &[LiveEvent]) -> Vec<EventLine> {
    events.iter().rev().map(event_line::event_line).collect()
}

#[cfg(test)]
mod tests;
