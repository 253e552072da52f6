//! The command line of the limits.

use std::{
    collections::HashSet,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use clap::{Args, ValueEnum};
use common::cli::{parse_duration, parse_network};
use ipnet::IpNet;

use crate::{
    bandwidth::rule::BandwidthRuleError,
    byte_size::parse_byte_size,
    filter::{HeaderStyle, LimitsConfig},
    load_shed::{LimitKind, LoadShedConfig},
    rule::{LimitRule, column_of},
};

/// The limit of a program that was started without backends and without limits: it has something to show.
const DEMO_LIMIT: &str = "10/m,burst=10 by=ip path=/login name=login";

/// The options of the limits.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Rate limit, such as '100/s,burst=20 by=ip path=/api/*' (repeatable; all must allow)
    ///
    /// RATE/s|/m|/h[,burst=N] by=ip|header:NAME|cookie:NAME|route|global [path=PATTERN]
    /// [alg=gcra|token|sliding|log|fixed|governor] [name=NAME]. Defaults: alg=gcra, burst = one second's worth, at least 1
    #[arg(long, value_name = "LIMIT")]
    limit: Vec<String>,
    /// Clients exempt from all --limit rules: an address or a network such as 10.0.0.0/8 (repeatable)
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    limit_exempt: Vec<IpNet>,
    /// Refuse nothing: count and log what the limits would refuse
    #[arg(long)]
    limit_dry_run: bool,
    /// Maximum number of keys tracked per limit; when full, new keys share one state
    #[arg(long, value_name = "N", default_value = "65536", value_parser = parse_keys)]
    limit_keys: NonZeroUsize,
    /// Headers that tell clients about their limits
    #[arg(long, value_name = "STYLE", value_enum, default_value_t)]
    limit_headers: HeaderStyle,
    /// Maximum open connections per peer address (IPv6: per /64); further ones are closed without an answer [default: no
    /// limit]
    #[arg(long, value_name = "N")]
    max_clients_per_ip: Option<NonZeroU32>,
    /// Minimum average rate of a request body in bytes per second, such as 1KiB, after a grace period of 5 s [default: no
    /// limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_body_rate: Option<NonZeroU64>,
    /// Bandwidth limit in bytes per second, to clients and, behind the comma, from them, such as '1MiB,256KiB by=ip'
    /// [default: no limit]
    ///
    /// DOWN[,UP] by=ip|connection. Sizes with B, KiB or MiB. by=ip: all connections of an address share it.
    #[arg(long, value_name = "LIMIT")]
    limit_bandwidth: Option<String>,
}

fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    parse_byte_size(text).ok_or_else(|| "expected a size greater than zero, such as 500B, 1KiB or 2MiB".into())
}

/// Words for so many keys take half a gibibyte.
const MAX_KEYS: usize = 1 << 24;

fn parse_keys(text: &str) -> Result<NonZeroUsize, String> {
    let keys = text.parse().ok().filter(|keys: &NonZeroUsize| keys.get() <= MAX_KEYS);
    keys.ok_or_else(|| format!("expected a number of keys from 1 to {MAX_KEYS}"))
}

impl LimitArgs {
    /// The least bytes per second of a request body.
    pub fn min_body_rate(&self) -> Option<NonZeroU64> {
        self.min_body_rate
    }

    /// The limits that these options describe. `is_demo`: the program shows itself, with backends of its own.
    ///
    /// # Errors
    /// A limit is invalid, or two have one name: one line that says which, and where.
    pub fn into_config(self, is_demo: bool) -> Result<LimitsConfig, String> {
        let mut texts = self.limit;
        if texts.is_empty() && is_demo {
            texts.push(DEMO_LIMIT.into());
        }
        let mut rules = Vec::new();
        let mut names = HashSet::new();
        for (number, text) in (1..).zip(&texts) {
            let rule: LimitRule = text.parse().map_err(|error| format!("--limit #{number}, {error}"))?;
            let name = rule.name.clone().unwrap_or_else(|| format!("limit-{number}"));
            if !names.insert(name.clone()) {
                let column = column_of("name=", text);
                return Err(format!("--limit #{number}, column {column}: another limit is named '{name}'"));
            }
            rules.push((name, rule));
        }
        let bandwidth = self.limit_bandwidth.map(|text| text.parse());
        let bandwidth =
            bandwidth.transpose().map_err(|error: BandwidthRuleError| format!("--limit-bandwidth: {error}"))?;
        Ok(LimitsConfig {
            rules,
            exempt: self.limit_exempt,
            dry_run: self.limit_dry_run,
            max_keys: self.limit_keys,
            headers: self.limit_headers,
            max_clients_per_ip: self.max_clients_per_ip,
            bandwidth,
        })
    }
}

/// The options of load shedding.
#[derive(Args, Clone, Copy, Debug)]
pub struct ShedArgs {
    /// Load shedding: an adaptive limit on each group's requests in flight, and a queue that, while the group is
    /// overloaded, serves the newest request first and sheds old ones [default: off]
    #[arg(long, value_name = "ALGORITHM", value_enum)]
    shed: Option<ShedAlgorithm>,
    /// aimd: time to first byte above which a response counts as a sign of overload [default: 1s]
    #[arg(long, value_name = "TIME", requires = "shed", value_parser = parse_duration)]
    shed_threshold: Option<Duration>,
    /// Acceptable queueing delay; a group is overloaded once its oldest queued request has been above it for ten times
    /// this long [default: 100ms]
    #[arg(long, value_name = "TIME", requires = "shed", value_parser = parse_duration)]
    shed_target: Option<Duration>,
}

/// The values of `--shed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShedAlgorithm {
    /// Adds one per window of timely responses; subtracts a tenth when a response begins later than --shed-threshold
    Aimd,
    /// Compares the median time to first byte with that at minimal load (Envoy's gradient)
    Gradient,
}

impl ShedArgs {
    /// The configuration these options describe; `None` if load shedding is off.
    ///
    /// # Errors
    /// An option that does not apply to the chosen algorithm; the message is one line.
    pub fn into_config(self) -> Result<Option<LoadShedConfig>, String> {
        let limit = match (self.shed, self.shed_threshold) {
            (None, _) => return Ok(None),
            (Some(ShedAlgorithm::Aimd), threshold) => {
                LimitKind::Aimd { threshold: threshold.unwrap_or(Duration::from_secs(1)) }
            }
            (Some(ShedAlgorithm::Gradient), None) => LimitKind::Gradient,
            (Some(ShedAlgorithm::Gradient), Some(_)) => {
                return Err(
                    "--shed-threshold: only applies to --shed aimd; gradient measures a baseline instead".into()
                );
            }
        };
        Ok(Some(LoadShedConfig { limit, target: self.shed_target.unwrap_or(Duration::from_millis(100)) }))
    }
}
