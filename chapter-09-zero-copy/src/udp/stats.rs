//! What one worker counts of its flows.

use std::ops::{AddAssign, Range};

use lb_metrics::single_writer::SingleWriter;

use super::{drop_reason::DropReason, flow_end::FlowEnd, receive_batch::ReceiveBatch};

/// Datagrams and their bytes in one direction. Without the headers of UDP and IP, and without PROXY headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many datagrams were sent on.
    pub datagrams: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// The same, counted by one thread and read by any.
#[derive(Debug, Default)]
pub(super) struct TrafficCounter {
    datagrams: SingleWriter,
    bytes: SingleWriter,
}

/// One worker's counts. Only that worker writes them; any thread may read them.
#[derive(Debug, Default)]
#[repr(align(64))] // not on a cache line with another worker's
pub(super) struct UdpStats {
    pub(super) to_backends: TrafficCounter,
    pub(super) to_clients: TrafficCounter,
    begun: SingleWriter,
    ended: [SingleWriter; FlowEnd::ALL.len()],
    dropped: [SingleWriter; DropReason::ALL.len()],
}

impl Traffic {
    /// These datagrams of a batch.
    pub(super) fn of(batch: &ReceiveBatch, datagrams: Range<usize>) -> Self {
        let bytes = batch.received()[datagrams.clone()].iter().map(|received| received.length as u64).sum();
        Self { datagrams: datagrams.len() as u64, bytes }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.datagrams += more.datagrams;
        self.bytes += more.bytes;
    }
}

impl TrafficCounter {
    pub(super) fn add(&self, more: Traffic) {
        self.datagrams.add(more.datagrams);
        self.bytes.add(more.bytes);
    }

    pub(super) fn get(&self) -> Traffic {
        Traffic { datagrams: self.datagrams.get(), bytes: self.bytes.get() }
    }
}

impl UdpStats {
    pub(super) fn count_begin(&self) {
        self.begun.add(1);
    }

    pub(super) fn count_end(&self, end: FlowEnd) {
        self.ended[end.index()].add(1);
    }

    pub(super) fn count_dropped(&self, datagrams: usize, reason: DropReason) {
        self.dropped[reason.index()].add(datagrams as u64);
    }

    /// How many flows there are.
    pub(super) fn flows(&self) -> u64 {
        // First those that have ended: none of them began later.
        let ended: u64 = self.ended.iter().map(SingleWriter::get).sum();
        self.begun.get().saturating_sub(ended)
    }

    pub(super) fn ended(&self, end: FlowEnd) -> u64 {
        self.ended[end.index()].get()
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason.index()].get()
    }
}
