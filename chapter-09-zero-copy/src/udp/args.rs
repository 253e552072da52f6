//! The options of flows.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use common::cli;

use super::server::UdpOptions;
use crate::proxy_protocol::Version;

/// How UDP flows are served.
#[derive(Debug, Clone, clap::Args)]
pub struct UdpArgs {
    /// End a UDP flow when it has had no datagram in either direction for this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::parse_duration)]
    udp_timeout: Duration,
    /// Maximum UDP flows; datagrams that would begin another are dropped [default: 65536, or what the open file limit allows]
    #[arg(long, value_name = "N")]
    max_flows: Option<NonZeroUsize>,
    /// Maximum UDP flows per source address (IPv6: /64)
    #[arg(long, value_name = "N", default_value = "1024")]
    max_flows_per_source: NonZeroU32,
}

impl UdpArgs {
    /// The most flows, if the command line says so.
    pub(crate) fn max_flows(&self) -> Option<NonZeroUsize> {
        self.max_flows
    }

    /// The same, resolved. `send_proxy`: the version of the PROXY header before each datagram.
    ///
    /// # Errors
    /// There is no such header for datagrams.
    pub(crate) fn options(&self, send_proxy: Option<Version>) -> Result<UdpOptions, String> {
        if send_proxy == Some(Version::V1) {
            return Err(
                "--send-proxy v1 needs --mode tcp: only version 2 of the header is defined for datagrams".into()
            );
        }
        Ok(UdpOptions {
            timeout: self.udp_timeout,
            max_flows_per_source: self.max_flows_per_source,
            send_proxy: send_proxy.is_some(),
        })
    }
}
