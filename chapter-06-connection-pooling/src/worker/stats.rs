//! What a worker tells other threads about itself: the bytes of its clients, and how busy it is.

use std::{
    io::{self, IoSlice},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::http::Wire;
use tokio::runtime::RuntimeMetrics;

/// One worker's statistics. Only that worker writes them; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub(crate) struct WorkerStats {
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    /// Set when the worker starts.
    runtime: OnceLock<RuntimeMetrics>,
}

/// A worker as other threads see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Bytes received from clients, heads included.
    pub bytes_received: u64,
    /// Bytes sent to clients, heads included.
    pub bytes_sent: u64,
    /// How long the worker has not been waiting since it started.
    pub busy: Duration,
}

impl WorkerStats {
    /// Lets other threads read how busy the runtime is.
    pub(crate) fn set_runtime(&self, metrics: RuntimeMetrics) {
        let _ = self.runtime.set(metrics); // a worker starts once
    }

    pub(crate) fn report(&self) -> WorkerReport {
        WorkerReport {
            bytes_received: self.bytes_received.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            busy: self.runtime.get().map_or(Duration::ZERO, |runtime| runtime.worker_total_busy_duration(0)),
        }
    }
}

/// A client's wire, whose bytes are counted.
#[derive(Debug)]
pub(crate) struct CountedWire<'a, W> {
    wire: W,
    stats: &'a WorkerStats,
}

impl<'a, W: Wire> CountedWire<'a, W> {
    pub(crate) fn new(wire: W, stats: &'a WorkerStats) -> Self {
        Self { wire, stats }
    }
}

impl<W: Wire> Wire for CountedWire<'_, W> {
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wire.recv(into).inspect(|length| add(&self.stats.bytes_received, *length))
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wire.send(from).inspect(|length| add(&self.stats.bytes_sent, *length))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.wire.shutdown_write()
    }
}

/// Only one thread writes, so adding is a load and a store, not a locked instruction.
fn add(counter: &AtomicU64, length: usize) {
    let more = u64::try_from(length).unwrap_or(u64::MAX);
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}
