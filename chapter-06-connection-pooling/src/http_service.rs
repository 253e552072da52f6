//! HTTP, as what a worker serves its connections with.

use std::{net::IpAddr, rc::Rc};

use common::clock::now;

use crate::{
    downstream::client_connection::ClientConnection,
    engine::Engine,
    filter::{ConnectionPermit, ConnectionRefused, Filter as _},
    serve::serve,
    splice::WorkerSplice as _,
    upstream::socket_pool,
    worker::{
        context::WorkerContext,
        maintenance::maintain_pool,
        service::{Connection, Service},
        thread::WorkerThread,
    },
};

impl<E: Engine> Service for WorkerContext<E> {
    fn thread(&self) -> &WorkerThread {
        &self.thread
    }

    fn serve(connection: Connection<Self>) -> impl Future<Output = ()> + 'static {
        serve(ClientConnection::new(connection, now()))
    }

    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        self.server.filter.on_connection(peer)
    }

    fn free_descriptor(&self) -> bool {
        self.splice.free_descriptor() || socket_pool::evict_one(self)
    }

    fn maintain(self: Rc<Self>) -> impl Future<Output = ()> + 'static {
        maintain_pool(self)
    }
}

#[cfg(test)]
mod tests {
    use common::http::Plaintext;
    use tokio::net::TcpStream;

    use super::*;
    use crate::{engine::EngineOf, pool::IdlePool};

    fn future_size<F: Future>(
        _: impl Fn(ClientConnection<EngineOf<Plaintext, (), IdlePool<TcpStream>>>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of these futures.
    #[test]
    fn client_task_future_is_small() {
        let bytes = future_size(serve);
        assert!(bytes <= 700, "{bytes} bytes");
    }
}
