//! A running balancer: its configuration, its backends and what it counts.

use std::{
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    clock::now,
    endpoint::Endpoint,
    http::{Exchange, Forwarding, GroupId, LocalReply, ProtocolError, ProxyError, ProxyRole, Side},
    instance_id::InstanceId,
    net::ConnectionLimiter,
};
use load_balancer::dns_refresher::{DnsRefresher, Resolve};
use simple_proxy::{
    request_log::log_and_count,
    stats::{ProxyStats, StatsRow},
};

use crate::admin::AdminOperations;
use crate::config::{Config, GroupConfig};
use crate::{
    balance::{
        backend::Backend,
        backend_factory::BackendFactory,
        group::{Group, GroupPolicy},
        policy::PickCounters,
        router::{RouteDecision, Router},
    },
    health::active::checker::HealthChecker,
    request::{context::RequestContext, local_reply},
    routing::RequestInfo,
};

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) config: Config,
    pub(crate) router: Arc<Router>,
    /// Creates the backends that are added at run time.
    pub(crate) backend_factory: BackendFactory,
    pub(crate) dns_refresher: DnsRefresher,
    pub(crate) health_checker: Option<HealthChecker<Backend>>,
    pub(crate) forwarding: Forwarding,
    /// Counts the backend connections beyond one per client.
    pub(crate) spare_upstreams: ConnectionLimiter,
    pub(crate) identity: InstanceId,
    pub(crate) totals: ProxyStats,
    pub(crate) random: PickCounters,
    pub(crate) started_at: Instant,
}

impl Balancer {
    /// Creates a balancer for [`run`](crate::run); `program` is its name in `Via`. Resolves each backend's name once
    /// before it returns.
    ///
    /// # Errors
    /// A name that cannot be resolved, or no thread for the health checks: the start fails instead of a client's
    /// request.
    pub fn new(program: &str, config: Config, resolver: impl Resolve + Sync + Clone) -> io::Result<Arc<Self>> {
        let started_at = now();
        let backend_factory = BackendFactory::new(resolver.clone());
        let group = |(id, group)| build_group(id, group, &backend_factory, started_at);
        let groups: Vec<_> = (0..=u16::MAX).map(GroupId).zip(&config.groups).map(group).collect::<io::Result<_>>()?;
        let unrouted_group = || Arc::new(Group::new(None, "-".into(), GroupPolicy::default(), started_at));
        let default = config.default_group.map_or_else(unrouted_group, |index| Arc::clone(&groups[index]));
        let router = Arc::new(Router::new(groups, config.routes.clone(), default));
        let backends = |router: &Arc<Router>| {
            let router = Arc::clone(router);
            move || router.backends()
        };
        let dns_refresher = DnsRefresher::start(backends(&router), config.resolve_interval, resolver)?;
        let is_checked = config.groups.iter().any(|group| group.policy.backend_settings.health_check.is_some());
        let start = || HealthChecker::start(config.max_concurrent_checks, backends(&router));
        let health_checker = is_checked.then(start).transpose()?;
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: identity.via_pseudonym(program),
            scheme: "http",
            trusted_proxies: config.trusted_proxies.clone(),
            backend_keep_alive: true,
        };
        let spare_upstreams = ConnectionLimiter::new(config.spare_upstreams);
        let (totals, random) = (ProxyStats::default(), PickCounters::default());
        Ok(Arc::new(Self {
            config,
            router,
            backend_factory,
            dns_refresher,
            health_checker,
            forwarding,
            spare_upstreams,
            identity,
            totals,
            random,
            started_at,
        }))
    }

    /// The statistics table that SIGUSR1 and the exit print.
    pub fn stats_table(&self) -> String {
        self.stats_table_of("requests")
    }

    /// The same of something else that was served: `unit` is what it is called.
    pub fn stats_table_of(&self, unit: &str) -> String {
        let now = now();
        let backends = self.router.backends();
        let rows = backends.iter().map(|backend| StatsRow {
            name: backend.name(),
            state: backend.state(now).as_str(),
            active: backend.concurrency.in_flight().into(),
            stats: &backend.totals,
        });
        self.totals.table_of(unit, now - self.started_at, rows)
    }

    /// The groups, in the order of their ids.
    pub fn groups(&self) -> &[Arc<Group>] {
        self.router.groups()
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How requests are forwarded.
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// The identity of this process, from which request ids and the `Via` pseudonym derive.
    pub fn instance_id(&self) -> InstanceId {
        self.identity
    }

    /// The counters of the whole process.
    pub fn stats(&self) -> &ProxyStats {
        &self.totals
    }

    /// Routes a request. Also returns the target to forward where the normalized target differs from the received one.
    ///
    /// # Errors
    /// An ambiguous path.
    pub fn route(
        &self,
        info: &mut RequestInfo<'_>,
        now: Instant,
    ) -> Result<(RouteDecision, Option<Vec<u8>>), ProtocolError> {
        self.router.route(info, now)
    }

    /// Routes a connection whose bytes are not read as requests: see [`Router::route_connection`].
    pub fn route_connection(&self, group: Option<usize>, client: IpAddr) -> RouteDecision {
        self.router.route_connection(group, client)
    }

    /// Admits a request, unless no rule matches it or its group's breaker is open.
    ///
    /// # Errors
    /// The local reply for the client.
    pub fn admit(&self, ctx: &mut RequestContext, now: Instant) -> Result<(), LocalReply> {
        if ctx.group.id().is_none() { Err(local_reply::NO_ROUTE) } else { ctx.admit(now) }
    }

    /// Records that a connect to `backend` succeeded, or failed with `error`. A failure marks the backend down and
    /// triggers a DNS refresh and a health check.
    pub fn record_connect(&self, backend: &Arc<Backend>, error: Option<&ProxyError>, now: Instant) {
        match error {
            None if backend.record_connect_success(now) => {
                tracing::info!("backend {} is up: a live connect succeeded", backend.name());
            }
            Some(error) if error.side == Side::Backend => {
                self.dns_refresher.refresh_soon(&**backend);
                if let Some(checker) = &self.health_checker {
                    checker.check_now(backend);
                }
                if backend.record_connect_failure(now) {
                    let time = backend.settings().down_time;
                    tracing::warn!(
                        "backend {} marked down for {time:?} after a failed connect: {error}",
                        backend.name()
                    );
                }
            }
            None | Some(_) => {}
        }
    }

    /// The back-off before a group's retry with this number (0 is the first), with fresh jitter each time.
    pub fn backoff(&self, group: &Group, retry: u32) -> Duration {
        group.policy().backoff.delay(retry, self.random.next_random())
    }

    /// Logs and counts an exchange with `client` that has ended.
    pub fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}

impl AdminOperations for Balancer {
    fn router(&self) -> Arc<Router> {
        Arc::clone(&self.router)
    }

    fn create_backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>> {
        self.backend_factory.create(group, endpoint, now())
    }
}

fn build_group(id: GroupId, spec: &GroupConfig, factory: &BackendFactory, now: Instant) -> io::Result<Arc<Group>> {
    let group = Group::new(Some(id), spec.name.clone(), spec.policy.clone(), now);
    let backends = spec.backends.iter().map(|endpoint| factory.create(&group, endpoint, now));
    let backends = backends.collect::<io::Result<Vec<_>>>()?;
    group.update_members(|members| *members = backends);
    Ok(Arc::new(group))
}
