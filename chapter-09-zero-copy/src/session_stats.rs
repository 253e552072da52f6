//! What one worker counts of its sessions.

use std::sync::Arc;

use lb_metrics::single_writer::SingleWriter;

use crate::{
    relay::mover::MovedBytes,
    session::{end::SessionEnd, record::SessionRecord},
};

/// One worker's counts. Only that worker writes them; any thread may read them.
#[derive(Debug)]
pub(crate) struct SessionStats {
    /// By group and end.
    ended: Vec<[SingleWriter; SessionEnd::ALL.len()]>,
    /// The bytes that were sent.
    pub(crate) moved: Arc<MovedBytes>,
}

impl SessionStats {
    /// Of sessions of `groups` groups.
    pub(crate) fn new(groups: usize) -> Self {
        Self { ended: (0..groups).map(|_| Default::default()).collect(), moved: Arc::default() }
    }

    /// Counts a session that has ended.
    pub(crate) fn count(&self, record: &SessionRecord) {
        if let Some(counts) = record.exchange.group.and_then(|group| self.ended.get(usize::from(group.0))) {
            counts[record.end.index()].add(1);
        }
    }

    /// How many sessions of the group with this index have ended so.
    pub(crate) fn sessions(&self, group: usize, end: SessionEnd) -> u64 {
        self.ended.get(group).map_or(0, |counts| counts[end.index()].get())
    }
}
