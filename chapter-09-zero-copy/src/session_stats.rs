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
    /// Of sessions that were not routed.
    unrouted: [SingleWriter; SessionEnd::ALL.len()],
    /// The bytes that were sent.
    pub(crate) moved: Arc<MovedBytes>,
}

impl SessionStats {
    /// Of sessions of `groups` groups.
    pub(crate) fn new(groups: usize) -> Self {
        Self {
            ended: (0..groups).map(|_| Default::default()).collect(),
            unrouted: Default::default(),
            moved: Arc::default(),
        }
    }

    /// Counts a session that has ended.
    pub(crate) fn count(&self, record: &SessionRecord) {
        self.of(record.exchange.group.map(|group| usize::from(group.0)))[record.end.index()].add(1);
    }

    /// How many sessions have ended so: those of the group with this index, or those that were not routed.
    pub(crate) fn sessions(&self, group: Option<usize>, end: SessionEnd) -> u64 {
        self.of(group)[end.index()].get()
    }

    fn of(&self, group: Option<usize>) -> &[SingleWriter; SessionEnd::ALL.len()] {
        group.and_then(|group| self.ended.get(group)).unwrap_or(&self.unrouted)
    }
}
