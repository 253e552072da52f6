//! What the sessions of one worker share.

use std::{marker::PhantomData, sync::Arc};

use connection_pooling::worker::thread::WorkerThread;

use crate::{
    relay::mover::Mover,
    server::{TcpOptions, TcpServer},
    session::record::SessionRecord,
};

/// One worker that relays TCP sessions, each with two `D`.
#[derive(Debug)]
pub(crate) struct TcpWorker<D> {
    thread: WorkerThread,
    server: Arc<TcpServer>,
    mover: Mover,
    direction: PhantomData<fn() -> D>,
}

impl<D> TcpWorker<D> {
    /// The part of `server` on `thread`.
    pub(crate) fn new(server: Arc<TcpServer>, thread: WorkerThread) -> Self {
        let mover = Mover::new(
            server.options().pipe_bytes,
            server.options().splice,
            Arc::clone(&server.worker(thread.id()).moved),
        );
        Self { thread, server, mover, direction: PhantomData }
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

    /// Counts a session that has ended, and logs it if asked to.
    pub(crate) fn record(&self, record: &SessionRecord) {
        self.server.worker(self.thread.id()).count(record);
        self.thread.balancer().stats().record(&record.exchange);
        if self.thread.balancer().config().log_requests {
            record.log();
        }
    }
}
