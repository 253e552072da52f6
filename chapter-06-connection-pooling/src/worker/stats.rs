//! What a worker tells other threads about itself: the bytes of its clients, how busy it is, and its longest poll.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::http::Wire;
use tokio::runtime::RuntimeMetrics;

use super::longest_poll::LongestPoll;

/// One worker's statistics. Only that worker writes them; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub(crate) struct WorkerStats {
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    /// Set when the worker starts.
    runtime: OnceLock<RuntimeMetrics>,
    longest_poll: Arc<LongestPoll>,
}

/// The bytes of all clients' sockets, heads and framing included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientBytes {
    /// From clients.
    pub received: u64,
    /// To clients.
    pub sent: u64,
}

impl WorkerStats {
    /// Lets other threads read how busy the runtime is.
    pub(crate) fn set_runtime(&self, metrics: RuntimeMetrics) {
        let _ = self.runtime.set(metrics); // a worker starts once
    }

    pub(crate) fn client_bytes(&self) -> ClientBytes {
        ClientBytes { received: self.bytes_received.load(Relaxed), sent: self.bytes_sent.load(Relaxed) }
    }

    /// How long the worker has not been waiting since it started.
    pub(crate) fn busy_time(&self) -> Duration {
        self.runtime.get().map_or(Duration::ZERO, |runtime| runtime.worker_total_busy_duration(0))
    }

    /// Counts bytes that did not pass through the client's wire.
    pub(crate) fn count_bytes(&self, ClientBytes { received, sent }: ClientBytes) {
        add(&self.bytes_received, received);
        add(&self.bytes_sent, sent);
    }

    /// Its longest poll. In an `Arc` of its own because the runtime holds it too, and is held here.
    pub(crate) fn longest_poll(&self) -> &Arc<LongestPoll> {
        &self.longest_poll
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
        self.wire.recv(into).inspect(|length| add(&self.stats.bytes_received, *length as u64))
    }

    fn send(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wire.send(from).inspect(|length| add(&self.stats.bytes_sent, *length as u64))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.wire.shutdown_write()
    }
}

/// Only one thread writes, so adding is a load and a store, not a locked instruction.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

impl std::iter::Sum for ClientBytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            received: sum.received.wrapping_add(one.received),
            sent: sum.sent.wrapping_add(one.sent),
        })
    }
}
