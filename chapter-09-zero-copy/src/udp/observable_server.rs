//! The server of flows as a program runs it: with its metrics, and the interfaces that serve them.

use std::{io, net::SocketAddr, sync::Arc};

use advanced_features::{
    admin::{AdminHandler, AdminServer},
    program,
};
use common::{net::DatagramSockets, shutdown::Shutdown, worker::run_on_threads};
use lb_metrics::{
    endpoint::{health::HealthHandler, metrics::MetricsHandler},
    exposition::Exposition,
    serve_public,
};

use super::{exposition::exposition, server::UdpServer, worker::UdpWorker};

/// A server of flows, with its metrics.
#[derive(Debug)]
pub struct ObservableUdpServer {
    exposition: Exposition,
    health: HealthHandler,
    server: Arc<UdpServer>,
    /// The interface that `--metrics` asks for. It answers until the process exits.
    _public: Option<AdminServer>,
}

impl ObservableUdpServer {
    /// The server, and its metrics on `metrics`, if that is an address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(server: UdpServer, metrics: Option<SocketAddr>) -> io::Result<Self> {
        let (health, server) = (HealthHandler::new(Arc::clone(server.balancer())), Arc::new(server));
        let exposition = exposition(&server).map_err(io::Error::other)?;
        let public = metrics.map(|address| serve_public(address, &exposition, &health)).transpose()?;
        Ok(Self { exposition, health, server, _public: public })
    }
}

impl program::Server<DatagramSockets> for ObservableUdpServer {
    fn run(self: &Arc<Self>, sockets: DatagramSockets, shutdown: &Shutdown) -> io::Result<()> {
        self.health.running(shutdown);
        run_on_threads("worker", sockets.into_vec(), shutdown, |id, socket| {
            UdpWorker::new(Arc::clone(&self.server), id, socket)?.run(shutdown)
        })
    }

    fn statistics(&self) -> String {
        self.server.statistics()
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        vec![Box::new(MetricsHandler(self.exposition.clone())), Box::new(self.health.clone())]
    }
}
