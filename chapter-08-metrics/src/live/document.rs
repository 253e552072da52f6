//! The document behind the live page: `GET /live.json`, and each event of `GET /events`.
//!
//! WHEN TO USE IT: for people who look now. A monitoring system reads `/metrics`, which keeps its names for years; this
//! has the same numbers in the shape of what is shown.
//!
//! Counters start at 0 with the program and only grow. A client computes rates: the difference of two documents,
//! divided by the difference of their [`uptime_ms`](LiveDocument::uptime_ms). If that goes backwards, the program was
//! restarted, and what the client has kept is void. New fields may be added: clients ignore those they do not know. A
//! missing field is zero or empty.

use serde::{Deserialize, Serialize};

/// Everything that the page shows, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveDocument {
    /// When it was made, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
    /// The time since the program started, in milliseconds, from a clock that is never set.
    pub uptime_ms: u64,
    /// The program.
    pub program: LiveProgram,
    /// The whole process.
    pub totals: LiveTotals,
    /// The upper bounds of all histograms' buckets, in nanoseconds, ascending. A histogram has one bucket more, for
    /// what lies beyond the last bound.
    pub latency_bounds_ns: Vec<u64>,
    /// The groups, as configured.
    pub groups: Vec<LiveGroup>,
    /// The backends, group by group.
    pub backends: Vec<LiveBackend>,
    /// How many further backends are left out because they are too many to show.
    pub backends_omitted: usize,
    /// The routes, as configured, after those of requests that no rule matched.
    pub routes: Vec<LiveRoute>,
    /// How many further routes are left out because they are too many to show.
    pub routes_omitted: usize,
    /// The rate limits, as configured.
    pub limits: Vec<LiveLimit>,
    /// The connections to backends.
    pub pool: LivePool,
    /// The workers, by their id.
    pub workers: Vec<LiveWorker>,
    /// What has happened lately, oldest first.
    pub events: Vec<LiveEvent>,
}

/// The program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveProgram {
    /// Its name, such as `observable_lb`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether the admin interface permits changes, such as draining a backend.
    pub writable: bool,
    /// Whether it is shutting down: it completes what is in flight.
    pub draining: bool,
}

/// Counters and gauges of the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveTotals {
    /// Counter: requests that have ended, however.
    pub requests: u64,
    /// Counter: of those, the ones that failed, as `lb_requests_failed_total` counts them.
    pub failed: u64,
    /// Counter: requests that a rate limit has refused; with `--limit-dry-run`, 0.
    pub limited: u64,
    /// Counter: requests that were shed because their group was overloaded.
    pub shed: u64,
    /// Gauge: requests in flight to backends.
    pub in_flight: u64,
    /// Gauge: requests in the groups' queues.
    pub queued: u64,
    /// Counter: clients that have connected.
    pub connections_accepted: u64,
    /// Gauge: clients that are connected.
    pub connections_active: u64,
    /// Counter: connections closed at once because their address had too many.
    pub connections_refused: u64,
    /// Counter: bytes received from clients.
    pub bytes_received: u64,
    /// Counter: bytes sent to clients.
    pub bytes_sent: u64,
}

/// A group of backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveGroup {
    /// Its name.
    pub name: String,
    /// The algorithm that picks a backend.
    pub algorithm: String,
    /// Gauge: its backends, those left out included.
    pub backends: usize,
    /// Gauge: of those, the ones that may be picked.
    pub up: usize,
    /// Gauge: requests in flight to them.
    pub in_flight: u32,
    /// Gauge: requests in its queue.
    pub queued: usize,
    /// Gauge: how many requests may be in flight; `null` without an adaptive limit (`--shed`).
    pub adaptive_limit: Option<u32>,
    /// Whether so few backends are healthy that health status is ignored.
    pub panic: bool,
    /// Whether its circuit breaker is open.
    pub breaker_open: bool,
    /// Counter: requests that were shed.
    pub shed: u64,
    /// Counter: attempts beyond the first one of each request.
    pub retries: u64,
    /// Counter: how often a retry found the group's retry budget exhausted.
    pub retry_budget_refused: u64,
}

/// Whether a backend may be picked, and why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LiveState {
    /// It may be picked.
    #[serde(rename = "UP")]
    Up,
    /// One request at a time may probe whether it has recovered.
    #[serde(rename = "HALF-OPEN")]
    HalfOpen,
    /// An operator has drained it: it gets no new clients.
    #[serde(rename = "DRAIN")]
    Drain,
    /// Ejected after consecutive failed responses.
    #[serde(rename = "EJECTED")]
    Ejected,
    /// A connect failed a moment ago, or health checks fail.
    #[serde(rename = "DOWN")]
    Down,
    /// Another state, which this program does not know: the document is that of a newer one.
    #[default]
    #[serde(rename = "UNKNOWN", other)]
    Other,
}

/// A backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveBackend {
    /// Changes when a backend is removed and added again, and its counters start from 0. Unique in the process.
    pub id: u64,
    /// Its group.
    pub group: String,
    /// Its name, as configured and without its weight: what paths of the admin interface call it.
    pub name: String,
    /// Its state.
    pub state: LiveState,
    /// In how many milliseconds the state ends by itself, if it is ejected or a connect has failed.
    pub state_ends_in_ms: Option<u64>,
    /// Whether an operator has drained it; also shown while it is down.
    pub draining: bool,
    /// Its weight.
    pub weight: u32,
    /// Gauge: requests in flight to it.
    pub in_flight: u32,
    /// The limit on requests in flight; `null` for none.
    pub max_connections: Option<u32>,
    /// Counter: requests sent to it; each attempt counts.
    pub requests: u64,
    /// Counters: its responses by class of status, from 1xx to 5xx. A request in flight has none yet.
    pub responses: [u64; 5],
    /// Counter: attempts that failed through it: refused, timed out, reset or invalid.
    pub failures: u64,
    /// Counter: how often outlier detection has ejected it.
    pub ejections: u64,
    /// Counter: attempts over a connection from the pool.
    pub reused: u64,
    /// Counter: the time of all ended attempts, from the choice of the backend to the end, in microseconds.
    pub time_us: u64,
    /// Counters: its whole responses by the time to their first byte, not cumulative; see
    /// [`LiveDocument::latency_bounds_ns`].
    pub first_byte_buckets: Vec<u64>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveRoute {
    /// Its name; `default` if no rule matched, empty for requests that were never routed, because they are not valid,
    /// and `other` for routes that share their counters.
    pub name: String,
    /// Its group; empty if there is none.
    pub group: String,
    /// Counter: its requests that have ended.
    pub requests: u64,
    /// Counter: those that failed.
    pub failed: u64,
    /// Counters: whole answers of backends by class of status, from 1xx to 5xx.
    pub responses: [u64; 5],
    /// Counter: the time of all requests, from the first byte to the end, in microseconds.
    pub time_us: u64,
    /// Counters: its requests by their time, not cumulative; see [`LiveDocument::latency_bounds_ns`].
    pub time_buckets: Vec<u64>,
}

/// A rate limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveLimit {
    /// Its name.
    pub name: String,
    /// Its rule.
    pub rule: String,
    /// Whether it only counts what it would refuse.
    pub dry_run: bool,
    /// Counter: requests that passed.
    pub allowed: u64,
    /// Counter: requests that it refused, or would have refused.
    pub refused: u64,
}

/// The pools of all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LivePool {
    /// Counter: attempts that took an idle connection.
    pub reused: u64,
    /// Counter: attempts that had to connect.
    pub connects: u64,
    /// Counter: connections closed because the pool was full.
    pub evicted: u64,
    /// Counter: connections closed because of their age, idle time or number of requests.
    pub expired: u64,
    /// Counter: idle connections that their backend had closed.
    pub stale: u64,
}

/// A worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveWorker {
    /// Gauge: its client connections.
    pub clients: usize,
    /// Counter: the time in which it was not waiting, in microseconds.
    pub busy_us: u64,
}

/// Something that has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveEvent {
    /// Larger than that of all events before it.
    pub sequence: u64,
    /// When it was noticed, in milliseconds since 1970 (UTC): at most a second after it happened.
    pub time_ms: u64,
    /// What it is.
    pub kind: LiveEventKind,
    /// The group, backend or limit that it is about.
    pub subject: String,
    /// The group of a backend; else empty.
    pub group: String,
    /// How many requests were refused or shed; grows as long as that goes on. 0 for other kinds.
    pub count: u64,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveEventKind {
    /// A backend may be picked again.
    Up,
    /// A backend failed its checks, or a connect to it failed.
    Down,
    /// A backend may be probed by one request at a time.
    HalfOpen,
    /// A backend was ejected after consecutive failed responses.
    Ejected,
    /// An operator has drained a backend.
    Drained,
    /// An operator has enabled a backend again.
    Enabled,
    /// A backend was added to a group.
    Added,
    /// A backend was removed from a group.
    Removed,
    /// A group's circuit breaker opened.
    BreakerOpen,
    /// A group's circuit breaker closed.
    BreakerClosed,
    /// So few backends of a group are healthy that their health status is ignored.
    Panic,
    /// That is over.
    PanicOver,
    /// A rate limit refused requests.
    Limited,
    /// A group shed requests because it was overloaded.
    Shed,
    /// Another kind, which this program does not know: the document is that of a newer one.
    #[default]
    #[serde(other)]
    Other,
}
