//! The counters of a proxy, and the table that shows them.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use common::http::{Exchange, Side};

/// Counters of the whole process. `Relaxed` is enough, because no other memory access depends on their order.
#[derive(Debug, Default)]
pub struct ProxyStats {
    connections_accepted: AtomicU64,
    connections_active: AtomicU64,
    requests_total: AtomicU64,
    requests_failed: AtomicU64,
}

/// Counters of one backend: the requests sent to it, and how often it failed, failed connects included.
#[derive(Debug, Default)]
pub struct BackendStats {
    requests_active: AtomicU64,
    requests_total: AtomicU64,
    failures: AtomicU64,
}

/// A row of the table.
#[derive(Debug)]
pub struct StatsRow<'a> {
    /// The backend's configured name.
    pub name: String,
    /// `UP` or `DOWN`.
    pub state: &'static str,
    /// Requests in flight.
    pub active: u64,
    /// The backend's counters.
    pub stats: &'a BackendStats,
}

impl ProxyStats {
    /// Counts a client as connected until the guard is dropped.
    pub fn track_connection(&self) -> impl Drop + '_ {
        self.connections_accepted.fetch_add(1, Relaxed);
        GaugeGuard::new(&self.connections_active)
    }

    /// Counts a client as connected, for an engine that keeps no guards: it must call
    /// [`connection_closed`](Self::connection_closed) later.
    pub fn connection_opened(&self) {
        self.connections_accepted.fetch_add(1, Relaxed);
        self.connections_active.fetch_add(1, Relaxed);
    }

    /// Counts a client as disconnected.
    pub fn connection_closed(&self) {
        self.connections_active.fetch_sub(1, Relaxed);
    }

    /// Clients that have connected so far.
    pub fn connections_accepted(&self) -> u64 {
        self.connections_accepted.load(Relaxed)
    }

    /// Clients that are connected.
    pub fn connections_active(&self) -> u64 {
        self.connections_active.load(Relaxed)
    }

    /// Counts a finished exchange.
    pub fn record(&self, exchange: &Exchange) {
        self.requests_total.fetch_add(1, Relaxed);
        if exchange.failure.is_some() {
            self.requests_failed.fetch_add(1, Relaxed);
        }
    }

    /// The table that is printed on SIGUSR1 and at exit.
    pub fn table<'a>(&self, uptime: Duration, rows: impl IntoIterator<Item = StatsRow<'a>>) -> String {
        self.table_of("requests", uptime, rows)
    }

    /// The same where other exchanges than requests are counted: `unit` is what they are called.
    pub fn table_of<'a>(&self, unit: &str, uptime: Duration, rows: impl IntoIterator<Item = StatsRow<'a>>) -> String {
        let rows: Vec<StatsRow<'_>> = rows.into_iter().collect();
        let width = rows.iter().map(|row| row.name.len()).chain(["backend".len()]).max().unwrap_or(0);
        let (requests, seconds) = (self.requests_total.load(Relaxed), uptime.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = requests as f64 / seconds.max(0.001);
        let mut table = format!("--- statistics after {seconds:.1} s\n");
        let mut line =
            |args: std::fmt::Arguments<'_>| writeln!(table, "{args}").expect("writing to a String cannot fail");
        line(format_args!(
            "clients {} ({} connected)",
            self.connections_accepted.load(Relaxed),
            self.connections_active.load(Relaxed)
        ));
        line(format_args!("{unit} {requests}"));
        line(format_args!("{unit}/s {rate:.1}"));
        line(format_args!("failed {}", self.requests_failed.load(Relaxed)));
        line(format_args!("{:<width$}  {:<9}  {:>6}  {:>8}  {:>8}", "backend", "state", "active", "total", "failed"));
        for StatsRow { name, state, active, stats } in rows {
            let [total, failed] = [&stats.requests_total, &stats.failures].map(|count| count.load(Relaxed));
            line(format_args!("{name:<width$}  {state:<9}  {active:>6}  {total:>8}  {failed:>8}"));
        }
        table.truncate(table.trim_end().len());
        table
    }
}

impl BackendStats {
    /// Counts a request as sent, and as in flight until the guard is dropped.
    pub fn track_request(&self) -> impl Drop + '_ {
        self.count_request();
        GaugeGuard::new(&self.requests_active)
    }

    /// Requests in flight: those of [`track_request`](Self::track_request) whose guards are not dropped yet.
    pub fn active_requests(&self) -> u64 {
        self.requests_active.load(Relaxed)
    }

    /// Requests that were sent to this backend.
    pub fn total_requests(&self) -> u64 {
        self.requests_total.load(Relaxed)
    }

    /// How often this backend failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Counts a request as sent; the caller counts the requests in flight itself.
    pub fn count_request(&self) {
        self.requests_total.fetch_add(1, Relaxed);
    }

    /// Records a finished exchange with this backend: counts a failure if the backend caused one.
    pub fn record(&self, exchange: &Exchange) {
        if exchange.failure.is_some_and(|failure| failure.side == Side::Backend) {
            self.count_failure();
        }
    }

    /// Counts a failure of this backend.
    pub fn count_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }
}

/// Increments a gauge until it is dropped, including during a panic.
struct GaugeGuard<'a>(&'a AtomicU64);

impl<'a> GaugeGuard<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_count_up_and_down() {
        let (stats, backend) = (ProxyStats::default(), BackendStats::default());
        let client = stats.track_connection();
        let request = backend.track_request();
        let row = || {
            [StatsRow {
                name: "127.0.0.1:9001".into(),
                state: "UP",
                active: backend.active_requests(),
                stats: &backend,
            }]
        };
        let table = stats.table(Duration::from_secs(2), row());
        assert!(table.contains("clients 1 (1 connected)\nrequests 0\nrequests/s 0.0\n"), "{table}");
        assert!(table.ends_with("127.0.0.1:9001  UP              1         1         0"), "{table}");
        drop((client, request));
        assert!(stats.table(Duration::ZERO, row()).ends_with("0         1         0"));
    }
}
