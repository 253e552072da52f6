//! A balancer of TCP sessions, and what its workers share.

use std::{fmt::Write as _, io, num::NonZeroUsize, sync::Arc, time::Duration};

use advanced_features::{
    Balancer,
    admin::{AdminHandler, AdminServer},
    program,
};
use common::{net::Listeners, shutdown::Shutdown};
use connection_pooling::worker::{self, workers::Workers};
use lb_metrics::{
    endpoint::{health::HealthHandler, metrics::MetricsHandler},
    exposition::Exposition,
    serve_public,
};

use crate::{
    exposition::exposition, keep_alive::enable_keep_alive, relay::mover::SplicePolicy, session::end::SessionEnd,
    session_stats::SessionStats, tcp_service::TcpService,
};

/// How sessions are served.
#[derive(Debug, Clone, Copy)]
pub struct TcpOptions {
    /// When bytes go through a pipe.
    pub splice: SplicePolicy,
    /// How long no byte may move in either direction.
    pub session_timeout: Duration,
}

/// A balancer of TCP sessions.
#[derive(Debug)]
pub struct TcpServer {
    workers: Arc<Workers>,
    options: TcpOptions,
    /// One per worker.
    stats: Vec<SessionStats>,
}

impl TcpServer {
    /// For `workers` workers.
    pub fn new(balancer: Arc<Balancer>, workers: NonZeroUsize, options: TcpOptions) -> Self {
        let groups = balancer.groups().len();
        let stats = (0..workers.get()).map(|_| SessionStats::new(groups)).collect();
        Self { workers: Arc::new(Workers::new(balancer, workers)), options, stats }
    }

    /// What its workers share.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// How sessions are served.
    pub fn options(&self) -> &TcpOptions {
        &self.options
    }

    pub(crate) fn worker(&self, id: usize) -> &SessionStats {
        &self.stats[id]
    }

    /// How many sessions of the group with this index have ended so.
    pub fn sessions(&self, group: usize, end: SessionEnd) -> u64 {
        self.stats.iter().map(|stats| stats.sessions(group, end)).sum()
    }

    /// The bytes that went through a pipe, and those that were copied.
    pub fn moved_bytes(&self) -> (u64, u64) {
        self.stats.iter().fold((0, 0), |(spliced, copied), stats| {
            (spliced + stats.moved.spliced.get(), copied + stats.moved.copied.get())
        })
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let mut table = self.workers.balancer().stats_table_of("sessions");
        let (spliced, copied) = self.moved_bytes();
        write!(table, "\nbytes spliced {spliced}\nbytes copied {copied}").expect("writing to a String cannot fail");
        for end in SessionEnd::ALL {
            let sessions: u64 =
                (0..self.workers.balancer().groups().len()).map(|group| self.sessions(group, end)).sum();
            if sessions > 0 {
                write!(table, "\nended {end} {sessions}").expect("writing to a String cannot fail");
            }
        }
        for (worker, clients) in self.workers.clients_per_worker().enumerate() {
            write!(table, "\nworker {worker}: {clients} client connections").expect("writing to a String cannot fail");
        }
        table
    }
}

/// The server as a program runs it: with its metrics.
#[derive(Debug)]
pub struct ObservableTcpServer {
    server: Arc<TcpServer>,
    exposition: Exposition,
    health: HealthHandler,
    /// The interface that `--metrics` asks for. It answers until the process exits.
    _public: Option<AdminServer>,
}

impl ObservableTcpServer {
    /// The server, and its metrics on `metrics`, if that is an address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(server: TcpServer, metrics: Option<std::net::SocketAddr>) -> io::Result<Self> {
        let server = Arc::new(server);
        let health = HealthHandler::new(Arc::clone(server.workers.balancer()));
        let exposition = exposition(&server).map_err(io::Error::other)?;
        let public = metrics.map(|address| serve_public(address, &exposition, &health)).transpose()?;
        Ok(Self { server, exposition, health, _public: public })
    }
}

impl program::Server for ObservableTcpServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.health.running(shutdown);
        listeners.iter().for_each(enable_keep_alive);
        let server = &self.server;
        worker::run::run(&server.workers, listeners, shutdown, |thread| TcpService::new(Arc::clone(server), thread))
    }

    fn statistics(&self) -> String {
        self.server.statistics()
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        vec![Box::new(MetricsHandler(self.exposition.clone())), Box::new(self.health.clone())]
    }
}
