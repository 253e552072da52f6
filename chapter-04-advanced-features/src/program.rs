//! The course of a balancer program from its command line to its exit, the same from chapter 4 on.
//!
//! Parse, build, bind, handle signals, run: what differs is the engine that serves the clients ([`Server`]), and the
//! descriptors and worker threads that it needs.

use std::{error::Error, io, net::SocketAddr, num::NonZeroUsize, process::ExitCode, sync::Arc};

use common::{
    cli::{self, InProcessBackends, ServeArgs},
    net::{self, BoundSockets, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
    worker::fds_for_workers,
};
use load_balancer::dns_refresher::SystemResolver;

use crate::{
    Balancer,
    admin::{AdminHandler, AdminHandlers, AdminServer, BackendsHandler},
    args::BalanceArgs,
    health::active::health_status::HealthStatusFactory,
    limit::adaptive::OverloadPolicy,
};

/// A thousand backends that hang; beyond that, checks wait for each other.
const MAX_CONCURRENT_CHECKS: usize = 1024;

/// What serves the clients of a balancer: a chapter's engine. `L` is what clients reach it on.
pub trait Server<L = Listeners>: Send + Sync + 'static {
    /// Serves clients on `listeners`, one per worker, until shutdown, then drains. Called once.
    ///
    /// # Errors
    /// Accepting failed, or a worker could not start.
    fn run(self: &Arc<Self>, listeners: L, shutdown: &Shutdown) -> io::Result<()>;

    /// The table that SIGUSR1 and the exit print.
    fn statistics(&self) -> String;

    /// Its own part of the admin interface, before that of the balancer.
    fn admin_handlers(self: &Arc<Self>) -> Vec<Box<dyn AdminHandler>> {
        Vec::new()
    }
}

/// A program, as its command line asks for it: [`new`](Self::new), then what differs from the default, then
/// [`run`](Self::run).
#[derive(Debug)]
#[must_use = "a program does nothing until it runs"]
pub struct Program {
    name: &'static str,
    port: u16,
    balance: BalanceArgs,
    serve: ServeArgs,
    admin: Option<Admin>,
    threads: Threads,
    health_status: Option<HealthStatusFactory>,
    overload: Option<Arc<dyn OverloadPolicy>>,
}

/// Where the admin interface listens, and what it permits.
#[derive(Debug, Clone, Copy)]
enum Admin {
    /// On this address, for reading and for changes.
    At(SocketAddr),
    /// On this address or the next whose port is free, for reading only.
    ReadOnlyFrom(SocketAddr),
}

/// How many ports a read-only admin interface tries.
const PORTS_TO_TRY: u16 = 100;

/// The threads that serve the clients.
#[derive(Debug, Clone, Copy)]
pub enum Threads {
    /// One per client.
    PerClient,
    /// A fixed number of workers, each with its own listener.
    Workers {
        /// How many.
        count: NonZeroUsize,
        /// What they wait with, such as epoll, if the program says so at its start.
        poller: Option<&'static str>,
        /// Descriptors beyond those of clients and of the workers themselves, such as those of a pool.
        extra_fds: u64,
    },
}

impl Program {
    /// A program called `name` in `Via`, with a thread per client and no admin interface. It listens on `port`.
    pub fn new(name: &'static str, port: u16, balance: BalanceArgs, serve: ServeArgs) -> Self {
        let threads = Threads::PerClient;
        Self { name, port, balance, serve, admin: None, threads, health_status: None, overload: None }
    }

    /// Where the admin interface listens; `None`: there is none.
    pub fn admin(self, admin: Option<SocketAddr>) -> Self {
        Self { admin: admin.map(Admin::At), ..self }
    }

    /// An admin interface that can change nothing, on `address` or the next one whose port is free.
    pub fn read_only_admin(self, address: SocketAddr) -> Self {
        Self { admin: Some(Admin::ReadOnlyFrom(address)), ..self }
    }

    /// The threads that serve the clients.
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Reserves descriptors for each worker, beyond those that [`Threads`] says: so many fewer clients may be connected.
    /// Of no effect with a thread per client.
    pub fn reserve_fds_per_worker(mut self, fds: u64) -> Self {
        if let Threads::Workers { count, extra_fds, .. } = &mut self.threads {
            *extra_fds = extra_fds.saturating_add(fds.saturating_mul(count.get() as u64));
        }
        self
    }

    /// What the results of the health checks add up to, instead of rise and fall.
    pub fn health_status(self, factory: HealthStatusFactory) -> Self {
        Self { health_status: Some(factory), ..self }
    }

    /// What groups do under overload, beyond bounding their queues.
    pub fn overload(self, policy: Option<Arc<dyn OverloadPolicy>>) -> Self {
        Self { overload: policy, ..self }
    }

    /// Runs the program until a signal ends it. `start_bundled` starts backends in this process, if the command line
    /// names none; `build` builds the engine.
    ///
    /// # Errors
    /// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
    pub fn run<L: BoundSockets, S: Server<L>, B: InProcessBackends>(
        self,
        start_bundled: impl FnOnce() -> io::Result<B>,
        build: impl FnOnce(Arc<Balancer>) -> io::Result<Arc<S>>,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let Self { name, port, balance, serve, admin, threads, health_status, overload } = self;
        let fd_limit = net::raise_fd_limit()?;
        let bundled = balance.needs_bundled_backends().then(start_bundled).transpose()?;
        let address = serve.listen_address(port);
        let max_clients = threads.max_clients::<L>(fd_limit, &serve, bundled.is_some());
        let bundled_addrs = bundled.as_ref().map(InProcessBackends::addrs);
        let weights_can_change = matches!(admin, Some(Admin::At(_)));
        let mut config = match balance.into_config(serve, max_clients, bundled_addrs.as_deref(), weights_can_change) {
            Ok(config) => config,
            Err(reason) => return Ok(cli::usage_error(reason)),
        };
        config.max_concurrent_checks = max_concurrent_checks(fd_limit);
        for group in &mut config.groups {
            if let (Some(check), Some(factory)) = (&mut group.policy.backend_settings.health_check, health_status) {
                Arc::make_mut(check).health_status = factory;
            }
            group.policy.overload.clone_from(&overload);
        }
        config.spare_upstreams = net::spare_upstreams_for_fds(fd_limit, max_clients, bundled.is_some());
        let shutdown = Shutdown::new()?;
        let listeners = L::bind(address, threads.listeners())?;
        let address = listeners.local_address();
        let balancer = Balancer::new(name, config, SystemResolver)?;
        let server = build(Arc::clone(&balancer))?;
        let admin_server = admin.map(|admin| start_admin(admin, &balancer, &server)).transpose()?;
        let stats_server = Arc::clone(&server);
        signals::spawn(shutdown.clone(), move || outln!("{}", stats_server.statistics()))?;
        outln!("listening on {address}");
        if let Threads::Workers { count, poller, .. } = threads {
            let threads = if count.get() == 1 { "worker thread" } else { "worker threads" };
            let on_poller = poller.map_or_else(String::new, |name| format!(" on {name}"));
            outln!("{count} {threads}{on_poller}, at most {max_clients} {}", L::CLIENTS);
        }
        if let Some(server) = &admin_server {
            outln!("admin interface on {}", server.address());
        }
        if let Some(Admin::ReadOnlyFrom(_)) = admin {
            outln!("  (read-only: start with --admin ADDRESS to change backends)");
        }
        if let Some(bundled) = &bundled {
            outln!("{}", bundled.usage_hint(address));
        }
        server.run(listeners, &shutdown)?;
        stdout::print_last_line(server.statistics());
        Ok(ExitCode::SUCCESS)
    }
}

/// How many health checks may be in flight at a time: as many descriptors they take at most from clients, and only while
/// that many backends hang. Otherwise a few are in flight, because their starts are spread over an interval.
fn max_concurrent_checks(fd_limit: u64) -> usize {
    usize::try_from(fd_limit / 16).unwrap_or(usize::MAX).clamp(1, MAX_CONCURRENT_CHECKS)
}

impl Threads {
    fn listeners(self) -> NonZeroUsize {
        match self {
            Self::PerClient => NonZeroUsize::MIN,
            Self::Workers { count, .. } => count,
        }
    }

    /// How many clients may be connected at the same time.
    fn max_clients<L: BoundSockets>(self, fd_limit: u64, serve: &ServeArgs, backends_in_process: bool) -> usize {
        let (own_fds, requested) = match self {
            Self::PerClient => (0, Some(serve.max_client_threads())),
            Self::Workers { count, extra_fds, .. } => {
                (fds_for_workers(count) + extra_fds, serve.max_clients.map(NonZeroUsize::get))
            }
        };
        L::max_clients(fd_limit, own_fds, requested, backends_in_process)
    }
}

fn start_admin<L, S: Server<L>>(admin: Admin, balancer: &Arc<Balancer>, server: &Arc<S>) -> io::Result<AdminServer> {
    let handlers = || {
        let mut handlers = server.admin_handlers();
        handlers.push(Box::new(BackendsHandler::new(Arc::clone(balancer))));
        AdminHandlers::new(handlers)
    };
    let first = match admin {
        Admin::At(address) => return AdminServer::start(address, handlers()),
        Admin::ReadOnlyFrom(address) => address,
    };
    let last_port = first.port().saturating_add(PORTS_TO_TRY);
    let mut address = first;
    loop {
        match AdminServer::start(address, handlers().read_only()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() < last_port => {
                address.set_port(address.port() + 1);
            }
            started => return started,
        }
    }
}
