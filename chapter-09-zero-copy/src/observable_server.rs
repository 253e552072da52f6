//! The server as a program runs it: with its access log, its metrics, and the interfaces that serve them.

use std::{io, marker::PhantomData, net::SocketAddr, sync::Arc};

use advanced_features::{
    admin::{AdminHandler, AdminServer},
    program,
};
use common::{net::Listeners, shutdown::Shutdown};
use connection_pooling::worker;
use lb_metrics::{
    access_log::line_log::LineLog,
    endpoint::{health::HealthHandler, log::ReopenHandler, metrics::MetricsHandler},
    exposition::Exposition,
    serve_public,
};

use crate::{
    exposition::exposition, keep_alive::enable_keep_alive, relay::direction::Direction, server::TcpServer,
    session_log::field::SessionField, tcp_worker::TcpWorker,
};

/// A server of TCP sessions, with its log and its metrics. Each direction of a session is relayed by a `D`.
#[derive(Debug)]
pub struct ObservableTcpServer<D> {
    server: Arc<TcpServer>,
    log: Option<Arc<LineLog<SessionField>>>,
    exposition: Exposition,
    health: HealthHandler,
    /// The interface that `--metrics` asks for. It answers until the process exits.
    _public: Option<AdminServer>,
    direction: PhantomData<fn() -> D>,
}

impl<D: Direction> ObservableTcpServer<D> {
    /// The server, which logs to `log`, and its metrics on `metrics`, if that is an address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(
        server: TcpServer,
        metrics: Option<SocketAddr>,
        log: Option<Arc<LineLog<SessionField>>>,
    ) -> io::Result<Self> {
        let server = Arc::new(server);
        let health = HealthHandler::new(Arc::clone(server.workers().balancer()));
        let writer = log.as_ref().map(|log| Arc::clone(log.writer()));
        let exposition = exposition(&server, writer).map_err(io::Error::other)?;
        let public = metrics.map(|address| serve_public(address, &exposition, &health)).transpose()?;
        Ok(Self { server, log, exposition, health, _public: public, direction: PhantomData })
    }
}

impl<D: Direction> program::Server for ObservableTcpServer<D> {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.health.running(shutdown);
        listeners.iter().for_each(enable_keep_alive);
        let (server, log) = (&self.server, self.log.as_ref());
        let outcome = worker::run::run(server.workers(), listeners, shutdown, |thread| {
            TcpWorker::<D>::new(Arc::clone(server), log, thread)
        });
        if let Some(log) = log {
            log.writer().close();
        }
        outcome
    }

    fn statistics(&self) -> String {
        self.server.statistics()
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        let writer = self.log.as_ref().map(|log| Arc::clone(log.writer()));
        vec![
            Box::new(MetricsHandler(self.exposition.clone())),
            Box::new(ReopenHandler(writer)),
            Box::new(self.health.clone()),
        ]
    }
}
