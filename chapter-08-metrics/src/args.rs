//! The command line of the metrics.

use std::net::SocketAddr;

use clap::Args;

use crate::{histogram::Buckets, record::layout::MaxSeries};

/// The options of the metrics.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Address that serves /metrics, /healthz and /readyz to anybody, such as 0.0.0.0:9901 [default: only the admin interface]
    #[arg(long, value_name = "IP:PORT", value_parser = parse_address)]
    pub metrics: Option<SocketAddr>,
    /// Upper bounds of the histograms' buckets in seconds, ascending, such as 0.001,0.01,0.1,1 [default: 17 bounds, 0.0001 to 30]
    #[arg(long, value_name = "SECONDS")]
    pub metrics_buckets: Option<Buckets>,
    /// Maximum number of series; routes and backends beyond it have none of their own
    #[arg(long, value_name = "N", default_value = "50000", value_parser = parse_series)]
    pub metrics_max_series: MaxSeries,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 0.0.0.0:9901 or [::]:9901".to_owned())
}

fn parse_series(text: &str) -> Result<MaxSeries, String> {
    MaxSeries::new(text.parse().unwrap_or_default())
}
