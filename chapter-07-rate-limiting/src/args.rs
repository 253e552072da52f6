//! The command line of the limits.

use std::{collections::HashSet, num::NonZeroUsize};

use clap::Args;
use common::cli::parse_network;
use ipnet::IpNet;

use crate::{
    filter::{HeaderStyle, LimitsConfig},
    rule::LimitRule,
};

/// The limit of a program that was started without backends and without limits: it has something to show.
const DEMO_LIMIT: &str = "10/m,burst=10 by=ip path=/login name=login";

/// The options of the limits.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Rate limit, such as '100/s,burst=20 by=ip path=/api/*' (repeatable; all must allow)
    ///
    /// RATE/s|/m|/h[,burst=N] by=ip|header:NAME|cookie:NAME|route|global [path=PATTERN]
    /// [alg=gcra|token|sliding|log|fixed|governor] [name=NAME]
    #[arg(long, value_name = "LIMIT")]
    limit: Vec<String>,
    /// Clients without limits: a network such as 10.0.0.0/8 or an address (repeatable)
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    limit_exempt: Vec<IpNet>,
    /// Only count and log what the limits would refuse
    #[arg(long)]
    limit_dry_run: bool,
    /// Keys per limit that are told apart at a time
    #[arg(long, value_name = "N", default_value = "65536", value_parser = parse_keys)]
    limit_keys: NonZeroUsize,
    /// Headers that tell clients about their limits
    #[arg(long, value_name = "STYLE", value_enum, default_value_t)]
    limit_headers: HeaderStyle,
}

/// A table of that many keys takes half a gibibyte.
const MAX_KEYS: usize = 1 << 24;

fn parse_keys(text: &str) -> Result<NonZeroUsize, String> {
    let keys = text.parse().ok().filter(|keys: &NonZeroUsize| keys.get() <= MAX_KEYS);
    keys.ok_or_else(|| format!("expected a number of keys from 1 to {MAX_KEYS}"))
}

impl LimitArgs {
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
                return Err(format!("--limit #{number}: another limit is named '{name}'"));
            }
            rules.push((name, rule));
        }
        Ok(LimitsConfig {
            rules,
            exempt: self.limit_exempt,
            dry_run: self.limit_dry_run,
            max_keys: self.limit_keys,
            headers: self.limit_headers,
        })
    }
}
