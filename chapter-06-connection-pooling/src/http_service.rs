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

    /// With a prelude, `ClientConnection::identify` asks the filter instead, when the client is known.
    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        if self.expects_prelude(peer) {
            return Ok(None);
        }
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
    use std::{net::SocketAddr, time::Duration};

    use common::http::Plaintext;
    use tokio::net::TcpStream;

    use super::*;
    use crate::{
        accept_prelude::{AcceptPrelude, ConnectionInfo, PreludeError},
        engine::EngineOf,
        pool::IdlePool,
    };

    fn future_size<A: AcceptPrelude, F: Future>(
        _: impl Fn(ClientConnection<EngineOf<Plaintext, (), IdlePool<TcpStream>, A, ()>>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle clients have ten thousand of these futures.
    #[test]
    fn client_task_future_is_small() {
        let bytes = future_size::<(), _>(serve);
        assert!(bytes <= 700, "{bytes} bytes");
    }

    /// A prelude that waits with a large buffer.
    #[derive(Debug)]
    struct LargePrelude;

    impl AcceptPrelude for LargePrelude {
        fn is_expected_from(&self, _peer: IpAddr) -> bool {
            true
        }

        fn timeout(&self) -> Duration {
            Duration::ZERO
        }

        async fn read(
            &self,
            _stream: &TcpStream,
            client: SocketAddr,
            local: SocketAddr,
        ) -> Result<ConnectionInfo, PreludeError> {
            let mut buffer = [0; 4096];
            tokio::task::yield_now().await;
            buffer[0] += 1;
            Ok(ConnectionInfo { client, local, received: buffer.to_vec() })
        }

        fn on_end(&self, _outcome: Result<(), PreludeError>) {}
    }

    #[test]
    fn a_prelude_takes_no_memory_of_the_requests_after_it() {
        assert_eq!(future_size::<LargePrelude, _>(serve), future_size::<(), _>(serve));
    }
}
