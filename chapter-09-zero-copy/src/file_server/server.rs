//! A file server, and what its workers share.

use std::{num::NonZeroUsize, sync::Arc};

use common::{timeouts::Timeouts, worker::FdPressure};
use tokio::sync::Semaphore;

use super::{
    root::Root,
    stats::{self, WorkerStats},
};
use crate::sendfile::TransferMethod;

/// The configuration of a file server.
#[derive(Debug)]
pub struct FileServerConfig {
    /// The directory that is served.
    pub root: Root,
    /// How the bodies get to the sockets.
    pub method: TransferMethod,
    /// How many clients may be connected at once.
    pub max_clients: usize,
    /// How long each phase may take: those of the client's side.
    pub timeouts: Timeouts,
    /// Whether each request gets a log line.
    pub log_requests: bool,
}

/// A file server: its configuration and its counters. Workers share no lock on a request's way.
#[derive(Debug)]
pub struct FileServer {
    pub(super) config: FileServerConfig,
    /// A permit per client.
    pub(super) client_permits: Arc<Semaphore>,
    pub(super) fd_pressure: FdPressure,
    /// One per worker.
    pub(super) stats: Box<[WorkerStats]>,
}

impl FileServer {
    /// A server for `workers` workers.
    pub fn new(config: FileServerConfig, workers: NonZeroUsize) -> Self {
        Self {
            client_permits: Arc::new(Semaphore::new(config.max_clients.min(Semaphore::MAX_PERMITS))),
            fd_pressure: FdPressure::default(),
            stats: (0..workers.get()).map(|_| WorkerStats::default()).collect(),
            config,
        }
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        stats::table(&self.stats)
    }
}
