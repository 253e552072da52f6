//! The program: chapter 6's balancer with limits, whatever makes them.

use std::{error::Error, io, process::ExitCode, sync::Arc};

use advanced_features::{
    limit::adaptive::OverloadPolicy,
    program::{Program, Server},
};
use common::{
    cli::{self, InProcessBackends},
    clock, outln,
};
use connection_pooling::args::BalancerArgs;

use crate::{
    LimitedServer, Parts,
    args::{LimitArgs, ShedArgs},
    filter::{LimiterFactory, RateLimits},
};

/// The command line of a balancer with limits: `#[command(flatten)] program: ProgramArgs`.
#[derive(clap::Args, Clone, Debug)]
pub struct ProgramArgs {
    #[command(flatten)]
    balancer: BalancerArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    shed: ShedArgs,
}

impl ProgramArgs {
    /// Its options without the limits.
    pub fn into_balancer(self) -> BalancerArgs {
        self.balancer
    }

    /// Whether there is an admin interface.
    pub fn has_admin(&self) -> bool {
        self.balancer.has_admin()
    }

    /// Takes `--log-requests` away, for a program with a log of its own.
    pub fn take_log_requests(&mut self) -> bool {
        self.balancer.take_log_requests()
    }
}

/// Runs the program `name` until a signal ends it. `make` makes the limiter of each limit; `start_bundled` starts
/// backends in this process, if the command line names none.
///
/// # Errors
/// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
pub fn run<B: InProcessBackends>(
    name: &'static str,
    args: ProgramArgs,
    make: LimiterFactory,
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
    run_with(name, args, make, start_bundled, |program| program, |parts| Ok(LimitedServer::new(parts, ())))
}

/// As [`run`], with other parts: `adjust` changes the program before it starts, `build` builds its server.
///
/// # Errors
/// As [`run`], and those of `build`.
pub fn run_with<S: Server, B: InProcessBackends>(
    name: &'static str,
    ProgramArgs { mut balancer, limits, shed }: ProgramArgs,
    make: LimiterFactory,
    start_bundled: impl FnOnce() -> io::Result<B>,
    adjust: impl FnOnce(Program) -> Program,
    build: impl FnOnce(Parts) -> io::Result<S>,
) -> Result<ExitCode, Box<dyn Error>> {
    balancer.set_min_body_rate(limits.min_body_rate());
    let config = limits.into_config(balancer.needs_bundled_backends());
    let (config, load_shed) = match config.and_then(|config| Ok((config, shed.into_config()?))) {
        Ok(configs) => configs,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let (program, pool, workers) = balancer.into_program(name)?;
    let limits = RateLimits::with_limiters(config, workers, clock::now(), make);
    for (name, rule, bytes) in limits.memory() {
        outln!("limit {name}: {rule}, at most {} KiB", bytes.div_ceil(1024));
    }
    if let Some(connections) = limits.connections() {
        let (limit, kib) = (connections.limit(), connections.bytes().div_ceil(1024));
        outln!("at most {limit} connections per address, {kib} KiB");
    }
    if let Some(bandwidth) = limits.bandwidth() {
        let (rule, kib) = (bandwidth.rule(), bandwidth.bytes().div_ceil(1024));
        outln!("bandwidth: {rule}, at most {kib} KiB and 64 KiB per connection that waits");
    }
    let overload = load_shed.map(|config| Arc::new(config) as Arc<dyn OverloadPolicy>);
    adjust(program.overload(overload)).run(start_bundled, |balancer| {
        let parts = Parts { balancer, pool, workers, limits };
        build(parts).map(Arc::new)
    })
}
