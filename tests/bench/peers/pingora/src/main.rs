//! Pingora as a peer: `pingora-peer PORT THREADS BACKEND:PORT [BACKEND:PORT ...]`.
//!
//! Round robin over the backends, a keep-alive pool to them, and the fields that our own proxies add. No access log,
//! no retries, no health checks, so that it does the work that the others do and nothing besides. What is not set
//! here is as Pingora ships it.

mod forwarding;

use std::process::ExitCode;

use pingora::{
    lb::{LoadBalancer, selection::RoundRobin},
    proxy::http_proxy_service,
    server::{RunArgs, Server, configuration::ServerConf},
};

use crate::forwarding::Forwarding;

/// Exit code for a refused command line (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// Idle connections that the pool keeps: one per client of the largest workload, where 128, the default, would close
/// and open some all the time.
const POOL_SIZE: usize = 1024;

struct Arguments {
    port: u16,
    threads: usize,
    backends: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(arguments) = read(&words) else {
        eprintln!("usage: pingora-peer PORT THREADS BACKEND:PORT [BACKEND:PORT ...]");
        return ExitCode::from(EXIT_USAGE);
    };
    match LoadBalancer::<RoundRobin>::try_from_iter(&arguments.backends) {
        Ok(backends) => run(&arguments, backends),
        Err(error) => {
            eprintln!("pingora-peer: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    }
    ExitCode::SUCCESS
}

/// The command line, or `None` where it makes no sense. Port 0 is none: Pingora does not tell which one it got.
fn read(words: &[String]) -> Option<Arguments> {
    let [port, threads, backends @ ..] = words else { return None };
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let threads = threads.parse().ok().filter(|&threads| threads != 0)?;
    (!backends.is_empty()).then(|| Arguments { port, threads, backends: backends.to_vec() })
}

fn run(arguments: &Arguments, backends: LoadBalancer<RoundRobin>) {
    let conf = ServerConf {
        threads: arguments.threads,
        // A runtime per thread, as ours: on these workloads it costs some percent less than the default.
        work_stealing: false,
        upstream_keepalive_pool_size: POOL_SIZE,
        // Counts attempts, the first one too: 0 would forward nothing.
        max_retries: 1,
        // SIGTERM waits five minutes otherwise.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Forwarding::new(backends));
    proxy.add_tcp(&format!("127.0.0.1:{}", arguments.port));
    server.add_service(proxy);
    server.run(RunArgs::default());
}
