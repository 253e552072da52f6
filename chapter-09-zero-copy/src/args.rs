//! The command line of `zero_copy_lb`: chapter 8's, and how TCP sessions and UDP flows are served.

use std::{num::NonZeroU64, time::Duration};

use common::cli;
use ipnet::IpNet;
use lb_metrics::program::ObservableArgs;
use rate_limiting::byte_size::parse_byte_size;

use crate::{
    client_hello::{SniRule, SniTable},
    mode::Mode,
    proxy_protocol::Version,
    relay::mover::SplicePolicy,
    server::TcpOptions,
    session::prelude::PreludeConfig,
    udp::args::UdpArgs,
};

/// A load balancer for TCP connections, whose bytes it moves without touching them, and for UDP.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, clap::Parser)]
#[command(name = "zero_copy_lb", version)]
pub struct Args {
    /// What is balanced: tcp (connections), udp (datagrams) or http (requests, as in chapter 8)
    #[arg(long, value_name = "MODE", default_value_t)]
    pub mode: Mode,
    /// How bytes are moved
    #[command(flatten)]
    pub splice: SpliceArgs,
    /// How TCP sessions are served
    #[command(flatten)]
    pub tcp: TcpArgs,
    /// What a connection begins with
    #[command(flatten)]
    pub prelude: PreludeArgs,
    /// How UDP flows are served
    #[command(flatten)]
    pub udp: UdpArgs,
    /// The options of chapter 8
    #[command(flatten)]
    pub program: ObservableArgs,
}

/// How bytes are moved.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct SpliceArgs {
    /// Copy all bytes through user space, for comparison: no splice
    #[arg(long)]
    copy: bool,
    /// Splice once this many bytes have arrived without a pause; with --mode http, bodies of which as many are still to come
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = parse_bytes, conflicts_with = "copy")]
    splice_threshold: u64,
    /// Size of each pipe; the kernel may grant less
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_pipe_size, conflicts_with = "copy")]
    pipe_size: usize,
}

impl SpliceArgs {
    /// When bytes go through a pipe, and the size of a pipe in bytes.
    pub fn policy(self) -> (SplicePolicy, usize) {
        let policy = if self.copy { SplicePolicy::Never } else { SplicePolicy::FromBytes(self.splice_threshold) };
        (policy, self.pipe_size)
    }
}

/// How TCP sessions are served.
#[derive(Debug, Clone, clap::Args)]
pub struct TcpArgs {
    /// End a session when no byte has moved in either direction for this long
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = cli::parse_duration)]
    session_timeout: Duration,
    /// Send each backend a PROXY protocol header of this version: v1 or v2; with UDP before each datagram, v2
    #[arg(long, value_name = "VERSION")]
    send_proxy: Option<Version>,
    /// TLS routing without decryption: 'host=api.example.com -> GROUP', also with *.example.com and alpn=PROTOCOL (repeatable; the first match wins)
    // `-> web` begins like an option.
    #[arg(long = "sni", value_name = "RULE", allow_hyphen_values = true)]
    sni: Vec<SniRule>,
}

/// What a connection begins with, in both modes.
#[derive(Debug, Clone, clap::Args)]
pub struct PreludeArgs {
    /// Address or network of proxies whose connections begin with a PROXY protocol header, v1 or v2 (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = cli::parse_network)]
    accept_proxy: Vec<IpNet>,
    /// How long a client may take to send its PROXY header and its TLS handshake's first message
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_duration)]
    prelude_timeout: Duration,
}

impl PreludeArgs {
    /// What is read of a connection first: a PROXY header, and a `ClientHello` if there are SNI rules.
    pub fn config(self, sni: SniTable) -> PreludeConfig {
        PreludeConfig { accept_proxy: self.accept_proxy, sni, timeout: self.prelude_timeout }
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let bytes = if text == "0" { Some(0) } else { parse_byte_size(text).map(NonZeroU64::get) };
    bytes.ok_or_else(|| "expected 0, or a number with its unit, such as 500B, 64KiB or 1MiB".to_owned())
}

fn parse_pipe_size(text: &str) -> Result<usize, String> {
    let bytes = parse_byte_size(text).and_then(|bytes| usize::try_from(bytes.get()).ok());
    bytes.ok_or_else(|| "expected a number with its unit, such as 64KiB or 1MiB".to_owned())
}

impl TcpArgs {
    /// The version of the PROXY header that backends get.
    pub(crate) fn send_proxy(&self) -> Option<Version> {
        self.send_proxy
    }

    /// The same, resolved, for connections that begin with `prelude` and whose bytes are moved as `splice` says; `groups`
    /// are the names of the groups.
    ///
    /// # Errors
    /// An SNI rule that leads to an unknown group, or can never match: one line that names it.
    pub fn options(self, prelude: PreludeArgs, splice: SpliceArgs, groups: &[&str]) -> Result<TcpOptions, String> {
        let (splice, pipe_bytes) = splice.policy();
        Ok(TcpOptions {
            splice,
            pipe_bytes,
            session_timeout: self.session_timeout,
            prelude: prelude.config(SniTable::new(self.sni, groups).map_err(|error| error.to_string())?),
            send_proxy: self.send_proxy,
        })
    }
}
