#![doc = include_str!("../README.md")]
//! # The modules
//!
//! | module | the idea |
//! |---|---|
//! | `serve` | the steps of a request |
//! | [`cluster`] | all groups, and the way of a request to one of them |
//! | [`group`] | backends that can stand in for each other, and the choice among them |
//! | [`backend`] | all that is known of one backend |
//! | [`policy`] | how one of many is picked |
//! | [`health`] | whether it may be picked |
//! | [`limit`] | how much it may be given |
//! | [`route`] | which requests are for it |
//! | [`admin`] | all of this changed while requests flow |
//!
//! All but `serve` and the few files that wait (`line`, `pause`, `upstreams`, the checker's threads, the admin interface's server) is policy: it has
//! no socket and no clock, and the engines of the later chapters drive it unchanged.

pub mod admin;
mod attempt;
pub mod backend;
pub mod bulletin;
pub mod cluster;
mod config;
mod factory;
pub mod group;
pub mod health;
pub mod limit;
mod line;
mod pause;
pub mod policy;
pub mod route;
mod serve;
mod upstreams;

use std::{io, sync::Arc, time::Instant};

use common::{
    addr::Endpoint,
    http::{Forwarding, Role},
    identity::Identity,
    net::Listeners,
    shutdown::Shutdown,
};
use load_balancer::names::{Names, Resolve};
use simple_proxy::{
    accept,
    totals::{Row, Totals},
    waiter::now,
};

pub use config::{Config, GroupConfig};

use crate::{
    backend::Backend,
    cluster::Cluster,
    factory::Factory,
    group::{Choosing, Group},
    health::{check::Check, checker::Checker},
    policy::Turns,
};

/// A running balancer: its configuration, its backends and its counters.
#[derive(Debug)]
pub struct Balancer {
    config: Config,
    cluster: Arc<Cluster>,
    /// For backends that are added while it runs.
    factory: Factory,
    names: Names,
    checker: Option<Checker<Backend>>,
    forwarding: Forwarding,
    identity: Identity,
    totals: Totals,
    random: Turns,
    started: Instant,
}

impl Balancer {
    /// A balancer that is to be [`run`]. Each name is resolved once before it returns.
    ///
    /// # Errors
    /// A name that cannot be resolved, or no thread for the checks: better said now than found out by a client.
    pub fn new(config: Config, resolver: impl Resolve + Sync + Clone) -> io::Result<Arc<Self>> {
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
            via: identity.pseudonym("advanced_lb"),
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

    /// A connect to this backend has failed: its name and its health are to be looked at now.
    fn ask_about(&self, backend: &Arc<Backend>) {
        self.names.ask();
        if let Some(checker) = &self.checker {
            checker.hurry(backend);
        }
    }
}

impl admin::Operations for Balancer {
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

/// Serves clients on the first of `listeners` until the shutdown, and drains.
///
/// # Errors
/// The listener failed.
pub fn run(balancer: &Arc<Balancer>, listeners: Listeners, shutdown: &Shutdown) -> io::Result<()> {
    let config = &balancer.config;
    let (listener, balancer, heeded) = (listeners.into_first(), Arc::clone(balancer), shutdown.clone());
    accept::accept_loop(listener, config.max_clients, config.timeouts.drain, shutdown, move |stream, connection| {
        serve::serve(&balancer, stream, connection, &heeded);
    })
}
