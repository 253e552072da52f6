//! What the program counts, and the table that shows it.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use common::http::{Exchange, Side};

/// Counters of the whole process. Relaxed is enough: nobody draws an order from them.
#[derive(Debug, Default)]
pub struct Totals {
    connections: AtomicU64,
    clients: AtomicU64,
    requests: AtomicU64,
    failed: AtomicU64,
}

/// Counters of one backend: `total` requests were sent to it; it `failed` that often, connects that came to
/// nothing included.
#[derive(Debug, Default)]
pub struct BackendTotals {
    active: AtomicU64,
    total: AtomicU64,
    failed: AtomicU64,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row<'a> {
    /// The backend as it was configured.
    pub name: String,
    /// `UP` or `DOWN`.
    pub state: &'static str,
    /// Requests under way to it.
    pub active: u64,
    /// Its counters.
    pub totals: &'a BackendTotals,
}

impl Totals {
    /// A client has come; it has left when the guard is dropped.
    pub fn client(&self) -> impl Drop + '_ {
        self.connections.fetch_add(1, Relaxed);
        Counted::new(&self.clients)
    }

    /// The same for an engine that keeps no guards: [`client_left`](Self::client_left) is to follow.
    pub fn client_came(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.clients.fetch_add(1, Relaxed);
    }

    /// A client has left.
    pub fn client_left(&self) {
        self.clients.fetch_sub(1, Relaxed);
    }

    /// An exchange has ended.
    pub fn record(&self, exchange: &Exchange) {
        self.requests.fetch_add(1, Relaxed);
        if exchange.failure.is_some() {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn table<'a>(&self, uptime: Duration, rows: impl IntoIterator<Item = Row<'a>>) -> String {
        let rows: Vec<Row<'_>> = rows.into_iter().collect();
        let width = rows.iter().map(|row| row.name.len()).chain(["backend".len()]).max().unwrap_or(0);
        let (requests, seconds) = (self.requests.load(Relaxed), uptime.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = requests as f64 / seconds.max(0.001);
        let mut table = format!("--- statistics after {seconds:.1} s\n");
        let mut line =
            |args: std::fmt::Arguments<'_>| writeln!(table, "{args}").expect("writing to a String cannot fail");
        line(format_args!("clients {} ({} connected)", self.connections.load(Relaxed), self.clients.load(Relaxed)));
        line(format_args!("requests {requests}"));
        line(format_args!("requests/s {rate:.1}"));
        line(format_args!("failed {}", self.failed.load(Relaxed)));
        line(format_args!("{:<width$}  {:<9}  {:>6}  {:>8}  {:>8}", "backend", "state", "active", "total", "failed"));
        for Row { name, state, active, totals } in rows {
            let [total, failed] = [&totals.total, &totals.failed].map(|count| count.load(Relaxed));
            line(format_args!("{name:<width$}  {state:<9}  {active:>6}  {total:>8}  {failed:>8}"));
        }
        table.truncate(table.trim_end().len());
        table
    }
}

impl BackendTotals {
    /// A request is under way to this backend until the guard is dropped.
    pub fn request(&self) -> impl Drop + '_ {
        self.sent();
        Counted::new(&self.active)
    }

    /// Requests that [`request`](Self::request) has begun and that have not ended.
    pub fn active(&self) -> u64 {
        self.active.load(Relaxed)
    }

    /// Requests that were sent to it.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// How often it failed.
    pub fn failures(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// A request goes to this backend; whoever says so counts those under way in another place.
    pub fn sent(&self) {
        self.total.fetch_add(1, Relaxed);
    }

    /// An exchange with this backend has ended.
    pub fn record(&self, exchange: &Exchange) {
        if exchange.failure.is_some_and(|failure| failure.side == Side::Backend) {
            self.failed();
        }
    }

    /// The backend did not do its part.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }
}

/// One more for as long as it lives, also through a panic.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_count_up_and_down() {
        let (totals, backend) = (Totals::default(), BackendTotals::default());
        let client = totals.client();
        let request = backend.request();
        let row = || [Row { name: "127.0.0.1:9001".into(), state: "UP", active: backend.active(), totals: &backend }];
        let table = totals.table(Duration::from_secs(2), row());
        assert!(table.contains("clients 1 (1 connected)\nrequests 0\nrequests/s 0.0\n"), "{table}");
        assert!(table.ends_with("127.0.0.1:9001  UP              1         1         0"), "{table}");
        drop((client, request));
        assert!(totals.table(Duration::ZERO, row()).ends_with("0         1         0"));
    }
}
