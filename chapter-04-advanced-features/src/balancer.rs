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
    http::{Exchange, Forwarding, HeadView, ProtocolError, ProxyError, ProxyRole, Side},
    instance_id::InstanceId,
};
use load_balancer::dns_refresher::{DnsRefresher, Resolve};
use simple_proxy::{
    request_log::log_and_count,
    stats::{ProxyStats, StatsRow},
};

use crate::admin::ClusterControl;
use crate::config::{Config, GroupConfig};
use crate::{
    balance::{
        backend::Backend,
        backend_factory::BackendFactory,
        cluster::Cluster,
        group::{Group, LbPolicyConfig},
        policy::PickCounters,
    },
    health::active::{checker::HealthChecker, config::CheckConfig},
    request::{context::RequestContext, local_reply::LocalReply},
};

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) config: Config,
    pub(crate) cluster: Arc<Cluster>,
    /// For backends that are added while it runs.
    pub(crate) backend_factory: BackendFactory,
    pub(crate) dns_refresher: DnsRefresher,
    pub(crate) health_checker: Option<HealthChecker<Backend>>,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: InstanceId,
    pub(crate) totals: ProxyStats,
    pub(crate) random: PickCounters,
    pub(crate) started_at: Instant,
}

impl Balancer {
    /// A balancer that is to be [`run`], by the name of `program` in `Via`. Each backend's name is resolved once before
    /// it returns.
    ///
    /// # Errors
    /// A name that cannot be resolved, or no thread for the checks: better said now than found out by a client.
    pub fn new(program: &str, config: Config, resolver: impl Resolve + Sync + Clone) -> io::Result<Arc<Self>> {
        let started_at = now();
        let backend_factory = BackendFactory::new(config.backend_settings, resolver.clone());
        let group = |group: &GroupConfig| build_group(group, &config, &backend_factory, started_at);
        let groups: Vec<_> = config.groups.iter().map(group).collect::<io::Result<_>>()?;
        let nowhere = || Arc::new(Group::new("-".into(), LbPolicyConfig::default(), 0, config.breaker, started_at));
        let default = config.default_group.map_or_else(nowhere, |place| Arc::clone(&groups[place]));
        let cluster = Arc::new(Cluster::new(groups, config.routes.clone(), default, config.hash_key.clone()));
        let backends = |cluster: &Arc<Cluster>| {
            let cluster = Arc::clone(cluster);
            move || cluster.backends()
        };
        let dns_refresher = DnsRefresher::start(backends(&cluster), config.resolve_interval, resolver)?;
        let start = |check: &CheckConfig| HealthChecker::start(check.clone(), backends(&cluster));
        let health_checker = config.health_check.as_ref().map(start).transpose()?;
        let identity = InstanceId::new();
        let forwarding = Forwarding {
            role: ProxyRole::Reverse,
            via_pseudonym: identity.via_pseudonym(program),
            scheme: "http",
            trusted_proxies: config.trusted_proxies.clone(),
            backend_keep_alive: true,
        };
        let (totals, random) = (ProxyStats::default(), PickCounters::default());
        Ok(Arc::new(Self {
            config,
            cluster,
            backend_factory,
            dns_refresher,
            health_checker,
            forwarding,
            identity,
            totals,
            random,
            started_at,
        }))
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn stats_table(&self) -> String {
        let now = now();
        let backends = self.cluster.backends();
        let rows = backends.iter().map(|backend| StatsRow {
            name: backend.name(),
            state: backend.state(now).as_str(),
            active: backend.concurrency.in_flight().into(),
            stats: &backend.totals,
        });
        self.totals.table(now - self.started_at, rows)
    }

    /// What it is to do.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How requests are forwarded.
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// Who it is, and what its requests are called.
    pub fn identity(&self) -> InstanceId {
        self.identity
    }

    /// The counters of the whole process.
    pub fn totals(&self) -> &ProxyStats {
        &self.totals
    }

    /// Where a request of `client` goes, with a target to send on in place of the one that came, where the rules saw
    /// another than was written.
    ///
    /// # Errors
    /// A path that can be read in two ways.
    pub fn route(
        &self,
        head: HeadView<'_>,
        client: IpAddr,
        now: Instant,
    ) -> Result<(RequestContext, Option<Vec<u8>>), ProtocolError> {
        let ((group, affinity), target) = self.cluster.route(head, client, now)?;
        Ok((RequestContext::new(group, affinity), target))
    }

    /// Lets a request in, unless no rule takes it or its group is left alone.
    ///
    /// # Errors
    /// What its client is told.
    pub fn admit(&self, ctx: &mut RequestContext, now: Instant) -> Result<(), LocalReply> {
        if self.cluster.is_unrouted(&ctx.group) { Err(LocalReply::NoRoute) } else { ctx.admit(now) }
    }

    /// A connect to `backend` has succeeded, or failed with `error`: marks it, and has its name and its health looked
    /// at now.
    pub fn record_connect(&self, backend: &Arc<Backend>, error: Option<&ProxyError>, now: Instant) {
        match error {
            None if backend.record_connect_success(now) => {
                tracing::info!("backend {} is up: a live connect succeeded", backend.name())
            }
            Some(error) if error.side == Side::Backend => {
                self.dns_refresher.refresh_now();
                if let Some(checker) = &self.health_checker {
                    checker.check_now(backend);
                }
                if backend.record_connect_failure(now) {
                    let time = self.config.backend_settings.down_time;
                    tracing::warn!(
                        "backend {} marked down for {time:?} after a failed connect: {error}",
                        backend.name()
                    );
                }
            }
            None | Some(_) => {}
        }
    }

    /// How long to wait before the retry with this number (0 is the first), drawn anew each time.
    pub fn backoff(&self, retry: u32) -> Duration {
        self.config.backoff.delay(retry, self.random.next_random())
    }

    /// An exchange with `client` has ended.
    pub fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}

impl ClusterControl for Balancer {
    fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.cluster)
    }

    fn create_backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>> {
        self.backend_factory.create(group, endpoint, now())
    }
}

fn build_group(group: &GroupConfig, config: &Config, factory: &BackendFactory, now: Instant) -> io::Result<Arc<Group>> {
    let built = Group::new(group.name.clone(), group.lb_policy.clone(), config.queue_limit, config.breaker, now);
    let backends = group.backends.iter().map(|endpoint| factory.create(&built, endpoint, now));
    let backends = backends.collect::<io::Result<Vec<_>>>()?;
    built.update_members(|members| *members = backends);
    Ok(Arc::new(built))
}
