//! What a worker has done, and the table of all workers.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::sendfile::{Sent, TransferMethod};

/// The counters of one worker. Only that worker writes them, so an addition is a load and a store, without a locked
/// instruction; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(128))] // no false sharing, also where the processor fetches two cache lines at once
pub(super) struct WorkerStats {
    connections: AtomicU64,
    closed_connections: AtomicU64,
    requests: AtomicU64,
    failures: AtomicU64,
    sendfile_bytes: AtomicU64,
    copied_bytes: AtomicU64,
}

impl WorkerStats {
    pub(super) fn count_connection(&self) {
        add(&self.connections, 1);
    }

    pub(super) fn count_closed_connection(&self) {
        add(&self.closed_connections, 1);
    }

    /// Counts a response, and whether it was cut short.
    pub(super) fn count_request(&self, failed: bool) {
        add(&self.requests, 1);
        add(&self.failures, u64::from(failed));
    }

    pub(super) fn count_body(&self, sent: Sent) {
        let counter = match sent.method {
            TransferMethod::Sendfile => &self.sendfile_bytes,
            TransferMethod::Copy => &self.copied_bytes,
        };
        add(counter, sent.bytes as u64);
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(number), Relaxed);
}

/// The table that SIGUSR1 and the exit print.
pub(super) fn table(workers: &[WorkerStats]) -> String {
    let sum = |counter: fn(&WorkerStats) -> &AtomicU64| -> u64 {
        workers.iter().map(|worker| counter(worker).load(Relaxed)).sum()
    };
    let mut table = format!(
        "--- statistics\nconnections: {}\nrequests: {} ({} cut short)\nbytes by sendfile: {}\nbytes by copy: {}",
        sum(|worker| &worker.connections),
        sum(|worker| &worker.requests),
        sum(|worker| &worker.failures),
        sum(|worker| &worker.sendfile_bytes),
        sum(|worker| &worker.copied_bytes),
    );
    for (worker_id, worker) in workers.iter().enumerate() {
        let closed = worker.closed_connections.load(Relaxed); // first: it never exceeds a later count of all
        let open = worker.connections.load(Relaxed).saturating_sub(closed);
        write!(table, "\nworker {worker_id}: {open} client connections").expect("writing to a String cannot fail");
    }
    table
}
