//! What the connections of one worker share: in cells, because they are served by one thread.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Instant,
};

use common::{
    clock::now,
    http::{DateCache, Head, READ_BUFFER_BYTES},
};
use tokio::sync::Notify;

use super::{
    server::{FileServer, FileServerConfig},
    stats::WorkerStats,
};

/// What the connections of one worker share.
#[derive(Debug)]
pub(super) struct WorkerContext {
    server: Arc<FileServer>,
    worker_id: usize,
    /// Received bytes, or those of a file that is copied, for as long as nothing is waited for.
    pub(super) scratch: RefCell<Box<[u8]>>,
    pub(super) head: RefCell<Head>,
    pub(super) date: DateCache,
    drain_started: Cell<Option<Instant>>,
    drain: Notify,
}

impl WorkerContext {
    /// For worker `worker_id` of `server`.
    pub(super) fn new(server: Arc<FileServer>, worker_id: usize) -> Self {
        Self {
            server,
            worker_id,
            scratch: RefCell::new(vec![0; READ_BUFFER_BYTES].into()),
            head: RefCell::new(Head::new()),
            date: DateCache::default(),
            drain_started: Cell::new(None),
            drain: Notify::new(),
        }
    }

    pub(super) fn server(&self) -> &FileServer {
        &self.server
    }

    pub(super) fn config(&self) -> &FileServerConfig {
        &self.server.config
    }

    pub(super) fn stats(&self) -> &WorkerStats {
        &self.server.stats[self.worker_id]
    }

    pub(super) fn drain_started(&self) -> Option<Instant> {
        self.drain_started.get()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_started().is_some()
    }

    /// Completes when the process begins to drain; never if it has begun already.
    pub(super) async fn drain_begins(&self) {
        self.drain.notified().await;
    }

    pub(super) fn begin_drain(&self) {
        self.drain_started.set(Some(now()));
        self.drain.notify_waiters();
    }
}
