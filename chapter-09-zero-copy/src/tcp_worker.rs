//! What the sessions of one worker share.

use std::{marker::PhantomData, sync::Arc};

use connection_pooling::worker::thread::WorkerThread;
use lb_metrics::access_log::line_log::LineLog;

use crate::{
    relay::mover::Mover,
    server::{TcpOptions, TcpServer},
    session::record::SessionRecord,
    session_log::{WorkerLog, field::SessionField},
};

/// One worker that relays TCP sessions, each with two `D`.
#[derive(Debug)]
pub(crate) struct TcpWorker<D> {
    thread: WorkerThread,
    server: Arc<TcpServer>,
    mover: Mover,
    log: Option<WorkerLog>,
    direction: PhantomData<fn() -> D>,
}

impl<D> TcpWorker<D> {
    /// The part of `server` on `thread`, which logs to `log`.
    pub(crate) fn new(server: Arc<TcpServer>, log: Option<&Arc<LineLog<SessionField>>>, thread: WorkerThread) -> Self {
        let mover = Mover::new(
            server.options().pipe_bytes,
            server.options().splice,
            Arc::clone(&server.worker(thread.id()).moved),
        );
        let log = log.and_then(|log| WorkerLog::new(log, thread.id()));
        Self { thread, server, mover, log, direction: PhantomData }
    }

    /// The thread that runs it.
    pub(crate) fn thread(&self) -> &WorkerThread {
        &self.thread
    }

    /// What moves the bytes.
    pub(crate) fn mover(&self) -> &Mover {
        &self.mover
    }

    /// How sessions are served.
    pub(crate) fn options(&self) -> &TcpOptions {
        self.server.options()
    }

    /// Counts a session that has ended, and logs it where asked to.
    pub(crate) fn record(&self, record: &SessionRecord) {
        self.server.worker(self.thread.id()).count(record);
        self.thread.balancer().stats().record(&record.exchange);
        if self.thread.balancer().config().log_requests {
            record.log();
        }
        if let Some(log) = &self.log {
            log.write(record, self.thread.balancer());
        }
    }
}
