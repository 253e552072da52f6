//! One worker's part of the log: from the record of a session to a line.

use std::sync::Arc;

use advanced_features::Balancer;
use common::{clock::wall_clock, http::GroupId};
use lb_metrics::access_log::{
    line_log::{LineLog, WorkerLines},
    timestamp::LogClock,
};

use super::field::{SessionEntry, SessionField};
use crate::session::{end::SessionEnd, record::SessionRecord};

/// Logs the sessions of one worker.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    lines: WorkerLines<SessionField>,
    clock: LogClock,
}

impl WorkerLog {
    /// The part of the worker with this id; `None` if it was taken before.
    pub(crate) fn new(log: &Arc<LineLog<SessionField>>, worker_id: usize) -> Option<Self> {
        Some(Self { lines: log.for_worker(worker_id)?, clock: LogClock::default() })
    }

    /// Logs a session of `balancer`, unless it went well and is not in the sample.
    pub(crate) fn write(&self, record: &SessionRecord, balancer: &Balancer) {
        if !self.lines.takes(record.end == SessionEnd::Done) {
            return;
        }
        let (accepted_at, groups) = (record.accepted_at, balancer.groups());
        let time = self.clock.timestamp(accepted_at, accepted_at + record.exchange.times.total, wall_clock);
        let group = record.exchange.group.and_then(|GroupId(id)| groups.get(usize::from(id)));
        let group = group.map_or("", |group| group.name());
        self.lines.write(&SessionEntry { record, time, group });
    }
}
