//! The program: chapter 8's for requests, or one for TCP sessions.

use std::{error::Error, io, process::ExitCode, sync::Arc};

use advanced_features::program::Program;
use common::cli::{self, InProcessBackends};
use lb_metrics::{
    ObservableServer,
    access_log::line_log::LineLog,
    program::{self, BARE_ADMIN},
    record::outcomes::outcome_table,
};
use rate_limiting::filter::limiter_for;

use crate::{
    args::{Args, Mode, check_mode},
    client_hello::SniTable,
    http::{pipe_splice::PipeSplice, server::HttpServer},
    observable_server::ObservableTcpServer,
    relay::{direction::Direction, pipe_pool::max_open},
    server::TcpServer,
};

/// Runs the program `name` until a signal ends it. `start_bundled` starts backends in this process, if the command line
/// names none. `is_bare`: the command line is empty; then there is an admin interface that can change nothing. Each
/// direction of a TCP session is relayed by a `D`: [`Half`](crate::relay::half::Half), or an exercise's own.
///
/// # Errors
/// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
pub fn run<D: Direction, B: InProcessBackends>(
    name: &'static str,
    Args { mode, splice, prelude, tcp, program }: Args,
    is_bare: bool,
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
    if let Err(reason) = check_mode(mode) {
        return Ok(cli::usage_error(reason));
    }
    let (policy, pipe_bytes) = splice.policy();
    let pipe_fds = 2 * max_open(pipe_bytes) as u64;
    if mode == Mode::Http {
        let (make, prelude) = ((limiter_for as _, outcome_table as _), prelude.config(SniTable::default()));
        let adjust = |program: Program| program.reserve_fds_per_worker(pipe_fds);
        let build = |observable: ObservableServer| {
            let splice = PipeSplice::new(policy, pipe_bytes, observable.server().worker_count());
            HttpServer::new(observable, prelude, splice)
        };
        return program::run_with(name, program, is_bare, make, start_bundled, adjust, build);
    }
    let (limited, metrics, log) = program.into_parts();
    // --log-requests is no access log here: it asks for lines on standard error.
    let log = match log.into_lines(false) {
        Ok(log) => log,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let balancer = limited.into_balancer();
    let options = match tcp.options(prelude, splice, &balancer.group_names()) {
        Ok(options) => options,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let (program, workers) = balancer.into_program_without_pool(name, pipe_fds);
    let program = if is_bare { program.read_only_admin(BARE_ADMIN) } else { program };
    program.run(start_bundled, |balancer| {
        let server = TcpServer::new(balancer, workers, options);
        let log = log.map(|config| LineLog::start(config, workers)).transpose()?;
        ObservableTcpServer::<D>::start(server, metrics.metrics, log).map(Arc::new)
    })
}
