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
    http::{Exchange, Forwarding, HeadView, ProxyError, Refusal, Role, Side},
    instance_id::Identity,
};
use load_balancer::dns_refresher::{Names, Resolve};
use simple_proxy::{
    request_log::log_and_count,
    stats::{Row, Totals},
};

use crate::admin::Operations;
use crate::config::{Config, GroupConfig};
use crate::{
    balance::{
        backend::Backend,
        backend_factory::Factory,
        cluster::Cluster,
        group::{Choosing, Group},
        policy::Turns,
    },
    health::active::{checker::Checker, config::Check},
    request::{context::Course, local_reply::Trouble},
};

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) config: Config,
    pub(crate) cluster: Arc<Cluster>,
    /// For backends that are added while it runs.
    pub(crate) factory: Factory,
    pub(crate) names: Names,
    pub(crate) checker: Option<Checker<Backend>>,
    pub(crate) forwarding: Forwarding,
    pub(crate) identity: Identity,
    pub(crate) totals: Totals,
    pub(crate) random: Turns,
    pub(crate) started: Instant,
}

impl Balancer {
    /// A balancer that is to be [`run`], by the name of `program` in `Via`. Each backend's name is resolved once before
    /// it returns.
    ///
    /// # Errors
    /// A name that cannot be resolved, or no thread for the checks: better said now than found out by a client.
    pub fn new(program: &str, config: Config, resolver: impl Resolve + Sync + Clone) -> io::Result<Arc<Self>> {
        let started = now();
        let factory = Factory::new(config.backends, resolver.clone());
        let group = |group: &GroupConfig| build(group, &config, &factory, started);
        let groups: Vec<_> = config.groups.iter().map(group).collect::<io::Result<_>>()?;
        let nowhere = || Arc::new(Group::new("-".into(), Choosing::default(), 0, config.breaker, started));
        let default = config.default.map_or_else(nowhere, |place| Arc::clone(&groups[place]));
        let cluster = Arc::new(Cluster::new(groups, config.routes.clone(), default, config.hash_key.clone()));
        let backends = |cluster: &Arc<Cluster>| {
            let cluster = Arc::clone(cluster);
            move || cluster.backends()
        };
        let names = Names::watch(backends(&cluster), config.resolve_interval, resolver)?;
        let start = |check: &Check| Checker::start(check.clone(), backends(&cluster));
        let checker = config.check.as_ref().map(start).transpose()?;
        let identity = Identity::new();
        let forwarding = Forwarding {
            role: Role::Reverse,
            via: identity.pseudonym(program),
            scheme: "http",
            trusted: config.trusted.clone(),
            pooled: true,
        };
        let (totals, random) = (Totals::default(), Turns::default());
        Ok(Arc::new(Self { config, cluster, factory, names, checker, forwarding, identity, totals, random, started }))
    }

    /// The table that SIGUSR1 and the exit print.
    pub fn statistics(&self) -> String {
        let now = now();
        let backends = self.cluster.backends();
        let rows = backends.iter().map(|backend| Row {
            name: backend.name(),
            state: backend.state(now).as_str(),
            active: backend.slots.taken().into(),
            totals: &backend.totals,
        });
        self.totals.table(now - self.started, rows)
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
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The counters of the whole process.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Where a request of `client` goes, with a target to send on in place of the one that came, where the rules saw
    /// another than was written.
    ///
    /// # Errors
    /// A path that can be read in two ways.
    pub fn direct(
        &self,
        head: HeadView<'_>,
        client: IpAddr,
        now: Instant,
    ) -> Result<(Course, Option<Vec<u8>>), Refusal> {
        let ((group, wish), target) = self.cluster.direct(head, client, now)?;
        Ok((Course::new(group, wish), target))
    }

    /// Lets a request in, unless no rule takes it or its group is left alone.
    ///
    /// # Errors
    /// What its client is told.
    pub fn admit(&self, course: &mut Course, now: Instant) -> Result<(), Trouble> {
        if self.cluster.is_nowhere(&course.group) { Err(Trouble::NoRoute) } else { course.admit(now) }
    }

    /// A connect to `backend` has succeeded, or failed with `error`: marks it, and has its name and its health looked
    /// at now.
    pub fn connect_ended(&self, backend: &Arc<Backend>, error: Option<&ProxyError>, now: Instant) {
        match error {
            None if backend.connected(now) => {
                tracing::info!("backend {} is up: a live connect succeeded", backend.name())
            }
            Some(error) if error.side == Side::Backend => {
                self.names.ask();
                if let Some(checker) = &self.checker {
                    checker.hurry(backend);
                }
                if backend.connect_failed(now) {
                    let time = self.config.backends.down_time;
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
        self.config.backoff.wait(retry, self.random.random())
    }

    /// An exchange with `client` has ended.
    pub fn log_and_count(&self, client: IpAddr, exchange: &Exchange) {
        log_and_count(&self.totals, self.config.log_requests, client, exchange);
    }
}

impl Operations for Balancer {
    fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.cluster)
    }

    fn backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>> {
        self.factory.backend(group, endpoint, now())
    }
}

fn build(group: &GroupConfig, config: &Config, factory: &Factory, now: Instant) -> io::Result<Arc<Group>> {
    let built = Group::new(group.name.clone(), group.choosing.clone(), config.queue, config.breaker, now);
    let backends = group.backends.iter().map(|endpoint| factory.backend(&built, endpoint, now));
    let backends = backends.collect::<io::Result<Vec<_>>>()?;
    built.change_members(|members| *members = backends);
    Ok(Arc::new(built))
}
