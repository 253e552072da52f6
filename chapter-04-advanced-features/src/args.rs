//! Command-line options for backends, algorithms, health checks, limits and routes; they resolve to a [`Config`].

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use common::{
    cli::{self, ServeArgs},
    endpoint::Endpoint,
};

use crate::{
    balance::{
        backend,
        group::{GroupPolicy, LbPolicyConfig},
        policy::Algorithm,
    },
    config::{Config, GroupConfig},
    health::{active::config::CheckConfig, breaker, failure_statuses::FailureStatuses, passive::outlier},
    limit::backoff::Backoff,
    routing::{GroupSpec, HashKey, RouteRule, RouteTable, StickyCookie, StickySecret, group_spec::validate_members},
};

/// The options of every balancer from chapter 4 on: `#[command(flatten)] balance: BalanceArgs`, after the port.
#[derive(clap::Args, Clone, Debug)]
#[expect(clippy::doc_markdown, reason = "these are the lines of --help")]
pub struct BalanceArgs {
    /// Backends, such as 127.0.0.1:9001, localhost:9001:3 (weight 3) or [::1]:9001
    #[arg(value_name = "HOST:PORT[:WEIGHT]")]
    backends: Vec<Endpoint>,
    /// Load-balancing algorithm: rr, wrr, lc, wlc, random, p2c, ewma, iphash, ketama, rendezvous, maglev [default: rr, or wrr if a backend has a weight]
    #[arg(short, long, value_name = "ALGORITHM")]
    algorithm: Option<Algorithm>,
    /// Hash key for ketama, rendezvous, maglev and iphash: source, host, path, target, header:NAME, cookie:NAME
    #[arg(long, value_name = "KEY", default_value = "source")]
    hash_key: HashKey,
    /// Bounded load: most requests per backend relative to the average, for ketama, rendezvous and maglev, such as 1.25
    #[arg(long, value_name = "FACTOR", value_parser = parse_balance_factor)]
    balance_factor: Option<f64>,
    /// Another group of backends, such as 'api=127.0.0.1:9004,127.0.0.1:9005:2 -a lc' (repeatable)
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupSpec>,
    /// Routing rule: conditions and the group they lead to, such as 'path=/api/* method=GET -> api' (repeatable)
    // `-> web` begins like an option.
    #[arg(long = "route", value_name = "RULE", allow_hyphen_values = true)]
    routes: Vec<RouteRule>,
    /// Cookie-based session affinity, with a cookie of this name
    #[arg(long, value_name = "COOKIE", num_args = 0..=1, default_missing_value = "lb")]
    sticky: Option<String>,
    /// Session affinity by client address (IPv6: /64); an entry expires after this idle time [30m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "30m", value_parser = cli::parse_duration)]
    sticky_source: Option<Duration>,
    /// File with the secret that signs affinity cookies, at least 16 bytes [default: a random secret per process]
    #[arg(long, value_name = "FILE", requires = "sticky")]
    sticky_secret_file: Option<PathBuf>,
    /// Health check: tcp, http:/health (with options such as ,interval=5s,fall=2), or off
    #[arg(long, value_name = "CHECK", default_value = "tcp", value_parser = parse_check)]
    check: CheckArg,
    /// How long a backend stays marked down after a failed connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::parse_duration)]
    down_time: Duration,
    /// Consecutive failures (resets, timeouts, 502, 503, 504) that eject a backend for 30 s; 0 disables ejection
    #[arg(long, value_name = "N", default_value_t = 5)]
    eject_after: u32,
    /// More statuses of responses that count as failures, for ejection and for the circuit breaker, such as 500 or 429|500-599
    #[arg(long, value_name = "STATUSES")]
    eject_on: Option<FailureStatuses>,
    /// Failure percentage within 10 s that opens a group's circuit breaker for 10 s; 0 disables it
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    breaker: u32,
    /// Slow start: how long a recovered backend takes to reach its full share; 0s disables it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration_or_zero)]
    slow_start: Duration,
    /// Maximum retries per request, each on a different backend
    #[arg(long, value_name = "N", default_value_t = 1)]
    retries: u32,
    /// Maximum concurrent requests per backend; further requests are queued
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// Maximum queued requests per group
    #[arg(long, value_name = "N", default_value_t = 1024)]
    queue: usize,
    /// Maximum time a request may be queued
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_duration)]
    queue_timeout: Duration,
    /// Interval between DNS refreshes of backend names
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::parse_duration)]
    resolve_interval: Duration,
}

/// `--admin`, for programs whose configuration can change at run time.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct AdminArgs {
    /// Address of the admin API, such as 127.0.0.1:9900; loopback only. The default algorithm is then wrr, since weights can change at run time
    #[arg(long, value_name = "IP:PORT", value_parser = parse_loopback_addr)]
    pub admin: Option<SocketAddr>,
}

/// An HTTP load balancer with algorithms, health checks, limits and content routing.
///
/// Without backends it starts three bundled ones.
// In the library, because the exercises have programs with the same command line.
#[derive(clap::Parser, Debug)]
#[command(name = "advanced_lb", version)]
pub struct Args {
    /// Port to listen on; 0 means an ephemeral port
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    pub port: u16,
    /// What it balances, and how
    #[command(flatten)]
    pub balance: BalanceArgs,
    /// The admin interface
    #[command(flatten)]
    pub admin: AdminArgs,
    /// The options of every HTTP program
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The value of `--check`: `None` for `off`.
#[derive(Debug, Clone)]
struct CheckArg(Option<Arc<CheckConfig>>);

fn parse_check(text: &str) -> Result<CheckArg, String> {
    match text {
        "off" => Ok(CheckArg(None)),
        text => text
            .parse()
            .map(|check| CheckArg(Some(Arc::new(check))))
            .map_err(|error: <CheckConfig as std::str::FromStr>::Err| format!("{error}, or off")),
    }
}

fn parse_duration_or_zero(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { cli::parse_duration(text) }
}

/// The admin API has no authentication, so it listens on loopback only.
fn parse_loopback_addr(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    address.ok_or_else(|| "expected a loopback address and a port, such as 127.0.0.1:9900 or [::1]:9900".to_owned())
}

fn parse_balance_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor: &f64| (1.0..=100.0).contains(factor));
    factor.ok_or_else(|| "expected a number from 1 to 100, such as 1.25".to_owned())
}

/// Where the program does not know how many descriptors it may use.
const DEFAULT_MAX_CONCURRENT_CHECKS: usize = 256;

/// The group of the backends that are given on the command line outside any `--group`.
const DEFAULT_GROUP: &str = "default";

impl BalanceArgs {
    /// Switches health checks off, as `--check off` does.
    pub fn disable_checks(&mut self) {
        self.check = CheckArg(None);
    }

    /// Whether no backend is configured, so that the program should start bundled ones.
    pub fn needs_bundled_backends(&self) -> bool {
        self.backends.is_empty() && self.groups.is_empty()
    }

    /// The names of the groups, by index.
    pub fn group_names(&self) -> Vec<&str> {
        let has_default = self.needs_bundled_backends() || !self.backends.is_empty();
        let default = has_default.then_some(DEFAULT_GROUP);
        default.into_iter().chain(self.groups.iter().map(|group| group.name.as_str())).collect()
    }

    /// Resolves the command line. `bundled`: the addresses of the bundled backends, if this process started them.
    /// `weights_can_change`: an operator may set weights at run time.
    ///
    /// # Errors
    /// Invalid or contradictory options: one line that names the option and the value.
    pub fn into_config(
        mut self,
        serve: ServeArgs,
        max_clients: usize,
        bundled: Option<&[SocketAddr]>,
        weights_can_change: bool,
    ) -> Result<Config, String> {
        if weights_can_change {
            // With equal weights it behaves like round robin.
            self.algorithm.get_or_insert(Algorithm::WeightedRoundRobin);
        }
        let backends = bundled.map_or_else(|| self.backends.clone(), endpoints_from_addrs);
        let sticky = self.build_sticky()?;
        let has_named_groups = !self.groups.is_empty();
        let mut groups = Vec::new();
        if !backends.is_empty() {
            validate_members(&backends).map_err(|error| error.to_string())?;
            let sticky = sticky.clone();
            groups.push(self.group_config(DEFAULT_GROUP, backends, self.algorithm, sticky)?);
        }
        let default_group = (!groups.is_empty()).then_some(0);
        for spec in &self.groups {
            let algorithm = spec.algorithm.as_deref().map(str::parse).transpose();
            let algorithm: Option<Algorithm> = algorithm.map_err(|error| format!("group '{}': {error}", spec.name))?;
            let sticky = sticky
                .as_ref()
                .map(|sticky| if has_named_groups { sticky.for_group(&spec.name) } else { sticky.clone() });
            groups.push(self.group_config(&spec.name, spec.backends.clone(), algorithm.or(self.algorithm), sticky)?);
        }
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        let routes = RouteTable::new(self.routes.clone(), &names).map_err(|error| error.to_string())?;
        Ok(Config {
            groups,
            routes,
            default_group,
            max_concurrent_checks: DEFAULT_MAX_CONCURRENT_CHECKS,
            resolve_interval: self.resolve_interval,
            max_clients,
            spare_upstreams: usize::MAX,
            timeouts: serve.timeouts,
            trusted_proxies: serve.trusted_proxy,
            log_requests: serve.log_requests,
        })
    }

    fn group_config(
        &self,
        name: &str,
        backends: Vec<Endpoint>,
        algorithm: Option<Algorithm>,
        sticky: Option<StickyCookie>,
    ) -> Result<GroupConfig, String> {
        let first_weighted = backends.iter().find(|backend| backend.weight.is_some_and(|weight| weight != 1));
        let algorithm = match (algorithm, first_weighted) {
            (Some(algorithm), Some(backend)) if !algorithm.supports_weights() => {
                return Err(format!(
                    "backend {backend} has a weight, but {algorithm} ignores weights; use {}",
                    match algorithm {
                        Algorithm::LeastConnections => Algorithm::WeightedLeastConnections,
                        _ => Algorithm::WeightedRoundRobin,
                    }
                ));
            }
            (Some(algorithm), _) => algorithm,
            (None, Some(_)) => Algorithm::WeightedRoundRobin,
            (None, None) => Algorithm::RoundRobin,
        };
        let lb_policy = LbPolicyConfig {
            algorithm,
            hash_key: self.hash_key.clone(),
            balance_factor: self.balance_factor,
            sticky,
            sticky_source: self.sticky_source,
        };
        Ok(GroupConfig { name: name.to_owned(), backends, policy: self.group_policy(lb_policy) })
    }

    fn group_policy(&self, lb_policy: LbPolicyConfig) -> GroupPolicy {
        let failure_statuses = self.eject_on.unwrap_or_default().with(FailureStatuses::default());
        GroupPolicy {
            lb_policy,
            backend_settings: backend::BackendSettings {
                health_check: self.check.0.clone(),
                max_connections: self.max_connections,
                down_time: self.down_time,
                outlier: outlier::OutlierConfig {
                    consecutive_failures: self.eject_after,
                    failure_statuses,
                    ..outlier::OutlierConfig::default()
                },
                slow_start: self.slow_start,
            },
            breaker: breaker::BreakerConfig { failure_statuses, ..breaker_limits(self.breaker) },
            max_retries: self.retries,
            backoff: Backoff::default(),
            queue_limit: self.queue,
            queue_timeout: self.queue_timeout,
            overload: None,
        }
    }

    fn build_sticky(&self) -> Result<Option<StickyCookie>, String> {
        let Some(name) = &self.sticky else { return Ok(None) };
        let secret = match &self.sticky_secret_file {
            Some(path) => {
                let contents =
                    fs::read(path).map_err(|error| format!("--sticky-secret-file {}: {error}", path.display()))?;
                StickySecret::new(&contents)
                    .map_err(|error| format!("--sticky-secret-file {}: {error}", path.display()))?
            }
            None => {
                StickySecret::random().map_err(|error| format!("--sticky: cannot generate a random secret: {error}"))?
            }
        };
        StickyCookie::new(name, secret).map(Some).map_err(|error| format!("--sticky: {error}"))
    }
}

/// A threshold of 0 % would keep the breaker open permanently, so 0 means off.
fn breaker_limits(failure_percent: u32) -> breaker::BreakerConfig {
    let breaker_config = breaker::BreakerConfig::default();
    if failure_percent == 0 {
        breaker::BreakerConfig { min_requests: 0, ..breaker_config }
    } else {
        breaker::BreakerConfig { failure_percent, ..breaker_config }
    }
}

fn endpoints_from_addrs(addresses: &[SocketAddr]) -> Vec<Endpoint> {
    let endpoint =
        |address: &SocketAddr| Endpoint { host: address.ip().to_string(), port: address.port(), weight: None };
    addresses.iter().map(endpoint).collect()
}
