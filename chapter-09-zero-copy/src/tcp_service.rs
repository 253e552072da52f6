//! Sessions, as what a worker serves its connections with.

use std::sync::Arc;

use common::clock::now;
use connection_pooling::worker::{
    service::{Connection, Service},
    thread::WorkerThread,
};

use crate::{
    relay::mover::Mover,
    server::{TcpOptions, TcpServer},
    session::{self, record::SessionRecord},
};

/// One worker that relays TCP sessions.
#[derive(Debug)]
pub(crate) struct TcpService {
    thread: WorkerThread,
    server: Arc<TcpServer>,
    mover: Mover,
}

impl TcpService {
    /// The part of `server` on `thread`.
    pub(crate) fn new(server: Arc<TcpServer>, thread: WorkerThread) -> Self {
        let mover = Mover::new(server.options().splice, Arc::clone(&server.worker(thread.id()).moved));
        Self { thread, server, mover }
    }

    /// What moves the bytes.
    pub(crate) fn mover(&self) -> &Mover {
        &self.mover
    }

    /// How sessions are served.
    pub(crate) fn options(&self) -> &TcpOptions {
        self.server.options()
    }

    /// Counts a session that has ended, and logs it if asked to.
    pub(crate) fn record(&self, record: &SessionRecord) {
        self.server.worker(self.thread.id()).count(record);
        self.thread.balancer().stats().record(&record.exchange);
        if self.thread.balancer().config().log_requests {
            record.log();
        }
    }
}

impl Service for TcpService {
    fn thread(&self) -> &WorkerThread {
        &self.thread
    }

    fn serve(connection: Connection<Self>) -> impl Future<Output = ()> + 'static {
        session::serve(connection, now())
    }

    fn free_descriptor(&self) -> bool {
        self.mover.pipes().close_one()
    }
}
