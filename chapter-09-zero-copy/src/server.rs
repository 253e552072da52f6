//! A balancer of TCP sessions, and what its workers share.

use std::{fmt::Write as _, num::NonZeroUsize, sync::Arc, time::Duration};

use advanced_features::Balancer;
use connection_pooling::worker::workers::Workers;

use crate::{
    proxy_protocol::Version,
    relay::mover::SplicePolicy,
    session::{end::SessionEnd, prelude::PreludeConfig},
    session_stats::SessionStats,
};

/// How sessions are served.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// When bytes go through a pipe.
    pub splice: SplicePolicy,
    /// The size of a pipe.
    pub pipe_bytes: usize,
    /// How long no byte may move in either direction.
    pub session_timeout: Duration,
    /// What is read before a backend is chosen.
    pub prelude: PreludeConfig,
    /// The PROXY header that each backend gets first.
    pub send_proxy: Option<Version>,
}

/// A balancer of TCP sessions.
#[derive(Debug)]
pub struct TcpServer {
    workers: Arc<Workers>,
    options: TcpOptions,
    /// One per worker.
    stats: Vec<SessionStats>,
}

impl TcpServer {
    /// For `workers` workers.
    pub fn new(balancer: Arc<Balancer>, workers: NonZeroUsize, options: TcpOptions) -> Self {
        let groups = balancer.groups().len();
        let stats = (0..workers.get()).map(|_| SessionStats::new(groups)).collect();
        Self { workers: Arc::new(Workers::new(balancer, workers)), options, stats }
    }

    /// What its workers share.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// How sessions are served.
    pub fn options(&self) -> &TcpOptions {
        &self.options
    }

    pub(crate) fn worker(&self, id: usize) -> &SessionStats {
        &self.stats[id]
    }

    /// How many sessions have ended so: those of the group with this index, or those that were not routed.
    pub fn sessions(&self, group: Option<usize>, end: SessionEnd) -> u64 {
        self.stats.iter().map(|stats| stats.sessions(group, end)).sum()
    }

    /// The bytes that went through a pipe, and those that were copied.
    pub fn moved_bytes(&self) -> (u64, u64) {
        self.stats.iter().fold((0, 0), |(spliced, copied), stats| {
            (spliced + stats.moved.spliced.get(), copied + stats.moved.copied.get())
        })
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let mut table = self.workers.balancer().stats_table_of("sessions");
        let (spliced, copied) = self.moved_bytes();
        write!(table, "\nbytes spliced {spliced}\nbytes copied {copied}").expect("writing to a String cannot fail");
        for end in SessionEnd::ALL {
            let groups = (0..self.workers.balancer().groups().len()).map(Some).chain([None]);
            let sessions: u64 = groups.map(|group| self.sessions(group, end)).sum();
            if sessions > 0 {
                write!(table, "\nended {end} {sessions}").expect("writing to a String cannot fail");
            }
        }
        for (worker, clients) in self.workers.clients_per_worker().enumerate() {
            write!(table, "\nworker {worker}: {clients} client connections").expect("writing to a String cannot fail");
        }
        table
    }
}
