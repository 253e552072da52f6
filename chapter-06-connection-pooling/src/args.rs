//! The command-line options of the pool.

use std::{num::NonZeroU32, time::Duration};

use common::cli;

use crate::{pool::PoolLimits, server::PoolConfig};

/// At most this part of the descriptors may be idle connections: clients need the others.
const IDLE_FD_DIVISOR: u64 = 4;

/// The options of every balancer from chapter 6 on: `#[command(flatten)] pool: PoolArgs`.
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
