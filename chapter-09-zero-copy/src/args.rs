//! The command line of `zero_copy_lb`: chapter 8's, and how TCP sessions and UDP flows are served.

use std::{fmt, num::NonZeroU64, str::FromStr, time::Duration};

use clap::{CommandFactory as _, parser::ValueSource};
use common::cli;
use ipnet::IpNet;
use lb_metrics::program::ObservableArgs;
use rate_limiting::byte_size::parse_byte_size;

use crate::{
    client_hello::{SniRule, SniTable},
    proxy_protocol::Version,
    relay::mover::SplicePolicy,
    server::TcpOptions,
    session::prelude::PreludeConfig,
    udp::args::UdpArgs,
};

/// What is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Connections: the bytes are not looked at.
    #[default]
    Tcp,
    /// HTTP/1.1 requests, as in chapter 8.
    Http,
    /// Datagrams: those of one client go to one backend.
    Udp,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Tcp, Self::Http, Self::Udp];
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            "udp" => Ok(Self::Udp),
            _ => Err("expected tcp, udp or http"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Udp => "udp",
        })
    }
}

/// A load balancer for TCP connections, whose bytes it moves without touching them, and for UDP.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, clap::Parser)]
#[command(name = "zero_copy_lb", version)]
pub struct Args {
    /// What is balanced: tcp (connections), udp (datagrams) or http (requests, as in chapter 8)
    #[arg(long, value_name = "MODE", default_value_t)]
    pub mode: Mode,
    /// How TCP sessions are served
    #[command(flatten)]
    pub tcp: TcpArgs,
    /// How UDP flows are served
    #[command(flatten)]
    pub udp: UdpArgs,
    /// The options of chapter 8
    #[command(flatten)]
    pub program: ObservableArgs,
}

/// How TCP sessions are served.
#[derive(Debug, Clone, clap::Args)]
pub struct TcpArgs {
    /// Copy all bytes through user space, for comparison: no splice
    #[arg(long)]
    copy: bool,
    /// Splice once this many bytes have arrived without a pause
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = parse_bytes, conflicts_with = "copy")]
    splice_threshold: u64,
    /// Size of each pipe; the kernel may grant less
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = parse_pipe_size, conflicts_with = "copy")]
    pipe_size: usize,
    /// End a session when no byte has moved in either direction for this long
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = cli::parse_duration)]
    session_timeout: Duration,
    /// Address or network of proxies whose connections begin with a PROXY protocol header, v1 or v2 (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = cli::parse_network)]
    accept_proxy: Vec<IpNet>,
    /// Send each backend a PROXY protocol header of this version: v1 or v2; with UDP before each datagram, v2
    #[arg(long, value_name = "VERSION")]
    send_proxy: Option<Version>,
    /// TLS routing without decryption: 'host=api.example.com -> GROUP', also with *.example.com and alpn=PROTOCOL (repeatable; the first match wins)
    // `-> web` begins like an option.
    #[arg(long = "sni", value_name = "RULE", allow_hyphen_values = true)]
    sni: Vec<SniRule>,
    /// How long a client may take to send its PROXY header and its TLS handshake's first message
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_duration)]
    prelude_timeout: Duration,
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

    /// The same, resolved; `groups` are the names of the groups.
    ///
    /// # Errors
    /// An SNI rule that leads to an unknown group, or can never match: one line that names it.
    pub fn options(self, groups: &[&str]) -> Result<TcpOptions, String> {
        Ok(TcpOptions {
            splice: if self.copy { SplicePolicy::Never } else { SplicePolicy::FromBytes(self.splice_threshold) },
            pipe_bytes: self.pipe_size,
            session_timeout: self.session_timeout,
            prelude: PreludeConfig {
                accept_proxy: self.accept_proxy,
                sni: SniTable::new(self.sni, groups).map_err(|error| error.to_string())?,
                timeout: self.prelude_timeout,
            },
            send_proxy: self.send_proxy,
        })
    }
}

/// Options that are of use only for sessions.
const ONLY_TCP: &[&str] = &[
    "copy",
    "splice_threshold",
    "pipe_size",
    "session_timeout",
    "accept_proxy",
    "send_proxy",
    "sni",
    "prelude_timeout",
];

/// Options that are of use only for flows.
const ONLY_UDP: &[&str] = &["udp_timeout", "max_flows", "max_flows_per_source"];

/// Options of chapter 8, and of sessions, that are also of use for flows.
const ALSO_UDP: &[&str] = &[
    "send_proxy",
    "port",
    "mode",
    "backends",
    "algorithm",
    "balance_factor",
    "sticky_source",
    "check",
    "down_time",
    "breaker",
    "slow_start",
    "max_connections",
    "resolve_interval",
    "admin",
    "workers",
    "bind",
    "drain",
    "log_requests",
    "metrics",
];

/// Options of chapter 8 that are of use without requests.
const WITHOUT_REQUESTS: &[&str] = &[
    "port",
    "mode",
    "backends",
    "algorithm",
    "balance_factor",
    "groups",
    "sticky_source",
    "check",
    "down_time",
    "eject_after",
    "breaker",
    "slow_start",
    "max_connections",
    "queue",
    "queue_timeout",
    "resolve_interval",
    "admin",
    "workers",
    "bind",
    "max_clients",
    "connect",
    "drain",
    "log_requests",
    "metrics",
];

/// Checks that each option on this process's command line, which has been parsed, is of use in `mode`.
///
/// # Errors
/// A line that names the first one that is not.
pub fn check_mode(mode: Mode) -> Result<(), String> {
    check_mode_of(mode, std::env::args_os())
}

fn check_mode_of(
    mode: Mode,
    line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<(), String> {
    for (id, name) in given_options(line) {
        if !is_of_use(mode, &id) {
            let modes: Vec<_> = Mode::ALL.into_iter().filter(|other| is_of_use(*other, &id)).collect();
            let modes = modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            return Err(format!("--{name} needs --mode {modes}: in {mode} mode there is nothing that it applies to"));
        }
    }
    Ok(())
}

fn is_of_use(mode: Mode, id: &str) -> bool {
    match mode {
        Mode::Tcp => ONLY_TCP.contains(&id) || WITHOUT_REQUESTS.contains(&id),
        Mode::Http => !ONLY_TCP.contains(&id) && !ONLY_UDP.contains(&id),
        Mode::Udp => ONLY_UDP.contains(&id) || ALSO_UDP.contains(&id),
    }
}

/// Whether this process's command line has the option `--check`: otherwise flows do without.
pub(crate) fn has_check() -> bool {
    given_options(std::env::args_os()).iter().any(|(id, _)| id == "check")
}

/// The id and the name of each option on the line.
fn given_options(line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> Vec<(String, String)> {
    let command = Args::command();
    let Ok(matches) = command.clone().try_get_matches_from(line) else { return Vec::new() };
    let is_given =
        |argument: &&clap::Arg| matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine);
    let names = |argument: &clap::Arg| {
        let id = argument.get_id().as_str();
        (id.to_owned(), argument.get_long().unwrap_or(id).to_owned())
    };
    command.get_arguments().filter(is_given).map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_other_mode_are_refused_by_name() {
        let check = |mode, line: &str| check_mode_of(mode, std::iter::once("zero_copy_lb").chain(line.split(' ')));
        assert_eq!(check(Mode::Tcp, "0 127.0.0.1:1 -a lc --copy --connect-timeout 1s --log-requests"), Ok(()));
        assert_eq!(check(Mode::Http, "0 127.0.0.1:1 --mode http --retries 2 --limit 5/s"), Ok(()));
        assert_eq!(
            check(Mode::Udp, "0 127.0.0.1:1 --mode udp -a lc --send-proxy v2 --max-flows 5 --check tcp"),
            Ok(())
        );
        for (mode, line, option) in [
            (Mode::Tcp, "--sticky --retries 2", "--sticky needs --mode http"),
            (Mode::Tcp, "--retries 2", "--retries needs --mode http"),
            (Mode::Tcp, "--limit 5/s", "--limit needs --mode http"),
            (Mode::Tcp, "--idle-timeout 5s", "--idle-timeout needs --mode http"),
            (Mode::Tcp, "--access-log -", "--access-log needs --mode http"),
            (Mode::Http, "--mode http --copy", "--copy needs --mode tcp:"),
            (Mode::Http, "--mode http --udp-timeout 5s", "--udp-timeout needs --mode udp:"),
            (Mode::Tcp, "--max-flows 5", "--max-flows needs --mode udp:"),
            (Mode::Udp, "--mode udp --retries 2", "--retries needs --mode http:"),
            (Mode::Udp, "--mode udp --copy", "--copy needs --mode tcp:"),
            (Mode::Udp, "--mode udp --queue 5", "--queue needs --mode tcp or http:"),
            (Mode::Udp, "--mode udp --group a=127.0.0.1:1", "--group needs --mode tcp or http:"),
            (Mode::Http, "--mode http --send-proxy v2", "--send-proxy needs --mode tcp or udp:"),
        ] {
            let error = check(mode, line).unwrap_err();
            assert!(error.starts_with(option), "{error}");
        }
    }

    #[test]
    fn every_name_is_that_of_an_option() {
        let command = Args::command();
        for id in ONLY_TCP.iter().chain(WITHOUT_REQUESTS).chain(ONLY_UDP).chain(ALSO_UDP) {
            assert!(command.get_arguments().any(|argument| argument.get_id() == id), "{id}");
        }
    }
}
