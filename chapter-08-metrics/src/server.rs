//! The balancer with its limits and its metrics, and the interfaces that serve them.

use std::{io, net::SocketAddr, sync::Arc};

use advanced_features::{
    Balancer,
    admin::{AdminHandler, AdminHandlers, AdminOperations as _, AdminServer},
    program,
};
use common::{http::Plaintext, net::Listeners, outln, shutdown::Shutdown};
use connection_pooling::{AcceptPrelude, splice::Splice};
use rate_limiting::{LimitedServer, Parts};

use crate::{
    access_log::{AccessLog, AccessLogConfig, names::Names},
    args::MetricsArgs,
    end_header::EndHeader,
    endpoint::{
        NothingElse, health::HealthHandler, log::ReopenHandler, metrics::MetricsHandler, requests::RequestsHandler,
        stats::StatsHandler,
    },
    exposition::Exposition,
    live::{LiveFeed, LiveSource, handler::LiveHandler, page::PageHandler},
    observers::{ObservedServer, Observers, access_log},
    record::{Layout, Metrics, outcomes::OutcomeTableFactory},
};

/// What the program is called, and what its admin interface permits.
#[derive(Clone, Copy, Debug)]
pub struct ProgramInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether the admin interface permits changes.
    pub writable_admin: bool,
}

/// A server whose requests are limited, measured and logged.
#[derive(Debug)]
pub struct ObservableServer {
    limited: Arc<LimitedServer<Observers>>,
    exposition: Exposition,
    health: HealthHandler,
    live: LiveSource,
    /// The interface that `--metrics` asks for. It answers until the process exits.
    _public: Option<AdminServer>,
}

impl ObservableServer {
    /// The server of this program, of these parts, which logs as `log` says; `make` makes each worker's table of outcomes.
    ///
    /// # Errors
    /// The address of `--metrics` cannot be listened on, or the access log cannot be opened.
    pub fn start(
        ProgramInfo { name, writable_admin }: ProgramInfo,
        parts: Parts,
        args: &MetricsArgs,
        log: AccessLogConfig,
        make: OutcomeTableFactory,
    ) -> io::Result<Self> {
        let Parts { balancer, workers, limits, .. } = &parts;
        let metrics = Metrics::with_tables(layout(balancer, args), *workers, make);
        let limits = limits.reports().into_iter().map(|limit| limit.name).collect();
        let log = AccessLog::start(log, Names::new(Arc::clone(balancer), limits), *workers)?;
        let health = HealthHandler::new(Arc::clone(balancer));
        let limited = Arc::new(LimitedServer::new(parts, (metrics, (EndHeader, log))));
        let exposition = Exposition::new(limited.server()).map_err(io::Error::other)?;
        let public = args.metrics.map(|address| serve_public(address, &exposition, &health)).transpose()?;
        let live = LiveSource::new(Arc::clone(limited.server()), health.clone(), name, writable_admin);
        Ok(Self { limited, exposition, health, live, _public: public })
    }

    fn log(&self) -> &AccessLog {
        access_log(self.limited.server())
    }

    /// The server without its metrics' part of the statistics and of the admin interface.
    pub fn server(&self) -> &Arc<ObservedServer> {
        self.limited.server()
    }

    /// All metrics.
    pub fn exposition(&self) -> &Exposition {
        &self.exposition
    }

    /// As [`run`](program::Server::run), with a `prelude` before each client's first request, and large bodies moved by
    /// `splice`.
    ///
    /// # Errors
    /// As [`run`](program::Server::run).
    pub fn run_with<A: AcceptPrelude, S: Splice>(
        &self,
        prelude: &Arc<A>,
        splice: &S,
        listeners: Listeners,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        self.health.running(shutdown);
        let server = self.limited.server();
        let outcome = connection_pooling::run_with(server, || Plaintext, prelude, splice, listeners, shutdown);
        if let Some(writer) = self.log().writer() {
            writer.close();
        }
        outcome
    }
}

/// Serves `/metrics`, `/healthz` and `/readyz` on `address`, until what is returned is dropped.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve_public(address: SocketAddr, exposition: &Exposition, health: &HealthHandler) -> io::Result<AdminServer> {
    let handlers: Vec<Box<dyn AdminHandler>> =
        vec![Box::new(MetricsHandler(exposition.clone())), Box::new(health.clone()), Box::new(NothingElse)];
    let server = AdminServer::start_public("metrics", address, AdminHandlers::new(handlers))?;
    outln!("metrics on {}", server.address());
    Ok(server)
}

/// The names that the configuration gives: no label has any other source.
fn layout(balancer: &Balancer, args: &MetricsArgs) -> Layout {
    let (config, groups) = (balancer.config(), balancer.router());
    let group = |index: usize| groups.groups().get(index).map_or("", |group| group.name());
    let routes = config.routes.names().iter().map(|route| (route.name.as_str(), group(route.group)));
    let buckets = args.metrics_buckets.clone().unwrap_or_default();
    Layout::new(routes, config.default_group.map(group), buckets, args.metrics_max_series)
}

impl program::Server for ObservableServer {
    fn run(self: &Arc<Self>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
        self.run_with(&Arc::new(()), &(), listeners, shutdown)
    }

    fn statistics(&self) -> String {
        self.limited.statistics()
    }

    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        let mut handlers: Vec<Box<dyn AdminHandler>> = vec![
            Box::new(MetricsHandler(self.exposition.clone())),
            Box::new(StatsHandler(Arc::clone(self.limited.server()))),
            Box::new(RequestsHandler(self.log().clone())),
            Box::new(ReopenHandler(self.log().writer().cloned())),
            Box::new(self.health.clone()),
        ];
        match LiveFeed::start(self.live.clone()) {
            Ok(feed) => handlers.extend([Box::new(LiveHandler(feed)) as _, Box::new(PageHandler::new()) as _]),
            Err(error) => tracing::error!("live page: cannot start its thread: {error}"),
        }
        handlers.extend(self.limited.admin_handlers());
        handlers
    }
}
