//! Sessions, as what a worker serves its connections with.

use common::clock::now;
use connection_pooling::worker::{
    service::{Connection, Service},
    thread::WorkerThread,
};

use crate::{relay::direction::Direction, session, tcp_worker::TcpWorker};

impl<D: Direction> Service for TcpWorker<D> {
    fn thread(&self) -> &WorkerThread {
        self.thread()
    }

    fn serve(connection: Connection<Self>) -> impl Future<Output = ()> + 'static {
        session::serve(connection, now())
    }

    fn free_descriptor(&self) -> bool {
        self.mover().pipes().close_one()
    }
}
