//! What the program counts, and the table that shows it.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use common::http::{Exchange, Side};

/// Counters of the whole process. Relaxed is enough: nobody draws an order from them.
#[derive(Debug, Default)]
pub struct ProxyStats {
    connections_accepted: AtomicU64,
    connections_active: AtomicU64,
    requests_total: AtomicU64,
    requests_failed: AtomicU64,
}

/// Counters of one backend: `total` requests were sent to it; it `failed` that often, connects that came to
/// nothing included.
#[derive(Debug, Default)]
pub struct BackendStats {
    requests_active: AtomicU64,
    requests_total: AtomicU64,
    failures: AtomicU64,
}

/// A row of the table.
#[derive(Debug)]
pub struct StatsRow<'a> {
    /// The backend as it was configured.
    pub name: String,
    /// `UP` or `DOWN`.
    pub state: &'static str,
    /// Requests under way to it.
    pub active: u64,
    /// Its counters.
    pub stats: &'a BackendStats,
}

impl ProxyStats {
    /// A client has come; it has left when the guard is dropped.
    pub fn track_connection(&self) -> impl Drop + '_ {
        self.connections_accepted.fetch_add(1, Relaxed);
        GaugeGuard::new(&self.connections_active)
    }

    /// The same for an engine that keeps no guards: [`client_left`](Self::client_left) is to follow.
    pub fn connection_opened(&self) {
        self.connections_accepted.fetch_add(1, Relaxed);
        self.connections_active.fetch_add(1, Relaxed);
    }

    /// A client has left.
    pub fn connection_closed(&self) {
        self.connections_active.fetch_sub(1, Relaxed);
    }

    /// An exchange has ended.
    pub fn record(&self, exchange: &Exchange) {
        self.requests_total.fetch_add(1, Relaxed);
        if exchange.failure.is_some() {
            self.requests_failed.fetch_add(1, Relaxed);
        }
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn table<'a>(&self, uptime: Duration, rows: impl IntoIterator<Item = StatsRow<'a>>) -> String {
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
        line(format_args!("requests {requests}"));
        line(format_args!("requests/s {rate:.1}"));
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
    /// A request is under way to this backend until the guard is dropped.
    pub fn track_request(&self) -> impl Drop + '_ {
        self.count_request();
        GaugeGuard::new(&self.requests_active)
    }

    /// Requests that [`request`](Self::request) has begun and that have not ended.
    pub fn active_requests(&self) -> u64 {
        self.requests_active.load(Relaxed)
    }

    /// Requests that were sent to it.
    pub fn total_requests(&self) -> u64 {
        self.requests_total.load(Relaxed)
    }

    /// How often it failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// A request goes to this backend; whoever says so counts those under way in another place.
    pub fn count_request(&self) {
        self.requests_total.fetch_add(1, Relaxed);
    }

    /// An exchange with this backend has ended.
    pub fn record(&self, exchange: &Exchange) {
        if exchange.failure.is_some_and(|failure| failure.side == Side::Backend) {
            self.count_failure();
        }
    }

    /// The backend did not do its part.
    pub fn count_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }
}

/// One more for as long as it lives, also through a panic.
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
        let (totals, backend) = (ProxyStats::default(), BackendStats::default());
        let client = totals.track_connection();
        let request = backend.track_request();
        let row = || {
            [StatsRow {
                name: "127.0.0.1:9001".into(),
                state: "UP",
                active: backend.active_requests(),
                stats: &backend,
            }]
        };
        let table = totals.table(Duration::from_secs(2), row());
        assert!(table.contains("clients 1 (1 connected)\nrequests 0\nrequests/s 0.0\n"), "{table}");
        assert!(table.ends_with("127.0.0.1:9001  UP              1         1         0"), "{table}");
        drop((client, request));
        assert!(totals.table(Duration::ZERO, row()).ends_with("0         1         0"));
    }
}
