//! The program: chapter 7's balancer, measured.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use advanced_features::program::{Program, Server};
use common::cli::{self, InProcessBackends};
use rate_limiting::{filter::LimiterFactory, program};

use crate::{
    ObservableServer, ProgramInfo, access_log::AccessLogArgs, args::MetricsArgs, record::outcomes::OutcomeTableFactory,
};

/// The command line of a balancer with limits and metrics: `#[command(flatten)] program: ObservableArgs`.
#[derive(clap::Args, Clone, Debug)]
pub struct ObservableArgs {
    #[command(flatten)]
    limited: program::ProgramArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    access_log: AccessLogArgs,
}

impl ObservableArgs {
    /// Its options by chapter: those up to chapter 7, the metrics, the access log.
    pub fn into_parts(self) -> (program::ProgramArgs, MetricsArgs, AccessLogArgs) {
        (self.limited, self.metrics, self.access_log)
    }
}

/// Where the admin interface of a bare start listens, if the port is free.
pub const BARE_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// Runs the program `name` until a signal ends it. `make` makes the limiter of each limit, and each worker's table of
/// outcomes; `start_bundled` starts backends in this process, if the command line names none. `is_bare`: the command
/// line is empty; then there is an admin interface that can change nothing.
///
/// # Errors
/// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
pub fn run<B: InProcessBackends>(
    name: &'static str,
    args: ObservableArgs,
    is_bare: bool,
    make: (LimiterFactory, OutcomeTableFactory),
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
    run_with(name, args, is_bare, make, start_bundled, Ok)
}

/// As [`run`], with the server that `wrap` makes of the observable one.
///
/// # Errors
/// As [`run`], and those of `wrap`.
pub fn run_with<S: Server, B: InProcessBackends>(
    name: &'static str,
    ObservableArgs { mut limited, metrics, access_log }: ObservableArgs,
    is_bare: bool,
    make: (LimiterFactory, OutcomeTableFactory),
    start_bundled: impl FnOnce() -> io::Result<B>,
    wrap: impl FnOnce(ObservableServer) -> io::Result<S>,
) -> Result<ExitCode, Box<dyn Error>> {
    let adjust = |program: Program| if is_bare { program.read_only_admin(BARE_ADMIN) } else { program };
    let has_admin = is_bare || limited.has_admin();
    let log = match access_log.into_config(limited.take_log_requests(), has_admin) {
        Ok(config) => config,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let (limiter, table) = make;
    let info = ProgramInfo { name, writable_admin: !is_bare };
    let build = |parts| wrap(ObservableServer::start(info, parts, &metrics, log, table)?);
    program::run_with(name, limited, limiter, start_bundled, adjust, build)
}
