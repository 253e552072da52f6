//! The program: chapter 8's for requests, or one for TCP sessions or UDP flows.

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
    args::Args,
    client_hello::SniTable,
    http::{pipe_splice::PipeSplice, server::HttpServer},
    mode::Mode,
    mode_options::{check_mode, has_check},
    observable_server::ObservableTcpServer,
    relay::{direction::Direction, pipe_pool::max_open},
    server::TcpServer,
    udp::{observable_server::ObservableUdpServer, server::UdpServer},
};

/// Runs the program `name` until a signal ends it. `start_bundled` and, for UDP, `start_echoes` start backends in this
/// process, if the command line names none. `is_bare`: the command line is empty; then there is an admin interface that
/// can change nothing. Each direction of a TCP session is relayed by a `D`: [`Half`](crate::relay::half::Half), or an
/// exercise's own.
///
/// # Errors
/// What the machine refuses: a port in use, a name that does not resolve, no descriptors left.
pub fn run<D: Direction, B: InProcessBackends, E: InProcessBackends>(
    name: &'static str,
    args: Args,
    is_bare: bool,
    start_bundled: impl FnOnce() -> io::Result<B>,
    start_echoes: impl FnOnce() -> io::Result<E>,
) -> Result<ExitCode, Box<dyn Error>> {
    if let Err(reason) = check_mode(args.mode) {
        return Ok(cli::usage_error(reason));
    }
    match args.mode {
        Mode::Tcp => run_tcp::<D, _>(name, args, is_bare, start_bundled),
        Mode::Udp => run_udp(name, args, start_echoes),
        Mode::Http => run_http(name, args, is_bare, start_bundled),
    }
}

fn run_http<B: InProcessBackends>(
    name: &'static str,
    Args { splice, prelude, program, .. }: Args,
    is_bare: bool,
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
    let ((policy, pipe_bytes), prelude) = (splice.policy(), prelude.config(SniTable::default()));
    let make = (limiter_for as _, outcome_table as _);
    let adjust = |program: Program| program.reserve_fds_per_worker(pipe_fds(pipe_bytes));
    let build = |observable: ObservableServer| {
        let splice = PipeSplice::new(policy, pipe_bytes, observable.server().worker_count());
        HttpServer::new(observable, prelude, splice)
    };
    program::run_with(name, program, is_bare, make, start_bundled, adjust, build)
}

fn run_tcp<D: Direction, B: InProcessBackends>(
    name: &'static str,
    Args { splice, prelude, tcp, program, .. }: Args,
    is_bare: bool,
    start_bundled: impl FnOnce() -> io::Result<B>,
) -> Result<ExitCode, Box<dyn Error>> {
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
    let (program, workers) = balancer.into_program_without_pool(name);
    let program = program.reserve_fds_per_worker(pipe_fds(options.pipe_bytes));
    let program = if is_bare { program.read_only_admin(BARE_ADMIN) } else { program };
    program.run(start_bundled, |balancer| {
        let server = TcpServer::new(balancer, workers, options);
        let log = log.map(|config| LineLog::start(config, workers)).transpose()?;
        ObservableTcpServer::<D>::start(server, metrics.metrics, log).map(Arc::new)
    })
}

/// The descriptors that one worker's pipes of this size may take.
fn pipe_fds(pipe_bytes: usize) -> u64 {
    2 * max_open(pipe_bytes) as u64
}

fn run_udp<E: InProcessBackends>(
    name: &'static str,
    Args { tcp, udp, program, .. }: Args,
    start_echoes: impl FnOnce() -> io::Result<E>,
) -> Result<ExitCode, Box<dyn Error>> {
    let options = match udp.options(tcp.send_proxy()) {
        Ok(options) => options,
        Err(reason) => return Ok(cli::usage_error(reason)),
    };
    let (limited, metrics, _) = program.into_parts();
    let mut balancer = limited.into_balancer();
    balancer.set_max_clients(udp.max_flows());
    if !has_check() {
        // A check is a TCP connect: few servers of datagrams also listen for that.
        balancer.disable_checks();
    }
    let (program, workers) = balancer.into_program_without_pool(name);
    program.run(start_echoes, |balancer| {
        let server = UdpServer::new(balancer, workers, options);
        ObservableUdpServer::start(server, metrics.metrics).map(Arc::new)
    })
}
