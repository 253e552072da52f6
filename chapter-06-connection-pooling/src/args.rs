//! The command line: the options of the pool, and those of the chapters before.

use std::{
    io,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use advanced_features::{
    args::{AdminArgs, BalanceArgs},
    program::{Program, Threads},
};
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    net,
};

use crate::{pool::PoolLimits, server::PoolConfig};

/// At most this part of the descriptors may be idle connections: clients need the others.
const IDLE_FD_DIVISOR: u64 = 4;

/// The options of the pool.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct PoolArgs {
    /// Maximum idle connections per backend, over all workers
    #[arg(short = 'p', long, value_name = "N", default_value_t = 256)]
    idle_per_backend: usize,
    /// Maximum idle connections in total
    #[arg(long, value_name = "N", default_value_t = 4096)]
    idle_total: usize,
    /// Idle timeout of a pooled connection; keep it below the backends' keep-alive timeout
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::parse_duration)]
    upstream_idle_timeout: Duration,
    /// Maximum age of a pooled connection
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = cli::parse_duration)]
    upstream_max_age: Duration,
    /// Maximum requests per connection
    #[arg(long, value_name = "N", default_value = "10000")]
    upstream_max_requests: NonZeroU32,
    /// Connections opened to each backend before the first request
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up: usize,
}

/// The command line of every balancer from chapter 6 on: `#[command(flatten)] balancer: BalancerArgs`.
#[derive(clap::Args, Clone, Debug)]
pub struct BalancerArgs {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    #[command(flatten)]
    balance: BalanceArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

impl BalancerArgs {
    /// Sets the least bytes per second of a request body.
    pub fn set_min_body_rate(&mut self, rate: Option<NonZeroU64>) {
        self.serve.timeouts.min_body_rate = rate;
    }

    /// Sets the most clients, for a program with an option of its own for that.
    pub fn set_max_clients(&mut self, max_clients: Option<NonZeroUsize>) {
        self.serve.max_clients = max_clients;
    }

    /// Switches health checks off, as `--check off` does.
    pub fn disable_checks(&mut self) {
        self.balance.disable_checks();
    }

    /// Whether there is an admin interface.
    pub fn has_admin(&self) -> bool {
        self.admin.admin.is_some()
    }

    /// Takes `--log-requests` away, for a program with a log of its own.
    pub fn take_log_requests(&mut self) -> bool {
        std::mem::take(&mut self.serve.log_requests)
    }

    /// The names of the groups, by index.
    pub fn group_names(&self) -> Vec<&str> {
        self.balance.group_names()
    }

    /// Whether the command line names no backends, so that the program starts bundled ones.
    pub fn needs_bundled_backends(&self) -> bool {
        self.balance.needs_bundled_backends()
    }

    /// The program `name` that these options describe, without a pool, and its number of workers.
    pub fn into_program_without_pool(self, name: &'static str) -> (Program, NonZeroUsize) {
        let Self { port, balance, admin: AdminArgs { admin }, workers, serve, .. } = self;
        let count = workers.count();
        let threads = Threads::Workers { count, poller: None, extra_fds: 0 };
        (Program::new(name, port, balance, serve).admin(admin).threads(threads), count)
    }

    /// The program `name` that these options describe, its pool, and its number of workers. Raises the limit of open
    /// files first: how many connections the pool may keep depends on it.
    ///
    /// # Errors
    /// The limit cannot be read or set.
    pub fn into_program(self, name: &'static str) -> io::Result<(Program, PoolConfig, NonZeroUsize)> {
        let Self { port, balance, pool, admin: AdminArgs { admin }, workers, serve } = self;
        let (count, pool) = (workers.count(), pool.config(net::raise_fd_limit()?));
        let threads = Threads::Workers { count, poller: None, extra_fds: pool.max_fds() };
        Ok((Program::new(name, port, balance, serve).admin(admin).threads(threads), pool, count))
    }
}

impl PoolArgs {
    /// The pool that these options describe, in a process that may have `fd_limit` descriptors open.
    pub fn config(self, fd_limit: u64) -> PoolConfig {
        let max_idle = usize::try_from(fd_limit / IDLE_FD_DIVISOR).unwrap_or(usize::MAX);
        let max_idle_total = self.idle_total.min(max_idle);
        let limits = PoolLimits {
            max_idle_per_key: self.idle_per_backend.min(max_idle_total),
            max_idle_total,
            idle_timeout: self.upstream_idle_timeout,
            max_age: self.upstream_max_age,
            max_requests: self.upstream_max_requests.get(),
        };
        PoolConfig { limits, warm_up: self.warm_up.min(limits.max_idle_per_key) }
    }
}
