//! The command line of `zero_copy_lb`: chapter 8's, and how TCP sessions are served.

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
};

/// What is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Connections: the bytes are not looked at.
    #[default]
    Tcp,
    /// HTTP/1.1 requests, as in chapter 8.
    Http,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            _ => Err("expected tcp or http"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if *self == Self::Tcp { "tcp" } else { "http" })
    }
}

/// A load balancer for TCP connections, whose bytes it moves without touching them.
///
/// Without backends it starts three bundled ones.
#[derive(Debug, clap::Parser)]
#[command(name = "zero_copy_lb", version)]
pub struct Args {
    /// What is balanced: tcp (connections) or http (requests, as in chapter 8)
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
    /// Send each backend a PROXY protocol header of this version: v1 or v2
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

/// Options that are of use only for sessions.
const ONLY_TCP: &[&str] = &["session_timeout", "send_proxy", "sni"];

/// The other options that are of use without requests.
const WITHOUT_REQUESTS: &[&str] = &[
    "port",
    "mode",
    "copy",
    "splice_threshold",
    "pipe_size",
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
    "access_log",
    "access_log_format",
    "access_log_sample",
    "metrics",
    "accept_proxy",
    "prelude_timeout",
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
    let command = Args::command();
    let Ok(matches) = command.clone().try_get_matches_from(line) else { return Ok(()) };
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let is_given = matches.value_source(id) == Some(ValueSource::CommandLine);
        let is_of_use = match mode {
            Mode::Tcp => ONLY_TCP.contains(&id) || WITHOUT_REQUESTS.contains(&id),
            Mode::Http => !ONLY_TCP.contains(&id),
        };
        if is_given && !is_of_use {
            let (name, other) =
                (argument.get_long().unwrap_or(id), if mode == Mode::Tcp { Mode::Http } else { Mode::Tcp });
            let reason = match id {
                "send_proxy" => {
                    "in http mode a connection to a backend is pooled, and carries requests of many clients"
                }
                _ => &format!("in {mode} mode there is nothing that it applies to"),
            };
            return Err(format!("--{name} needs --mode {other}: {reason}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_other_mode_are_refused_by_name() {
        let check = |mode, line: &str| check_mode_of(mode, std::iter::once("zero_copy_lb").chain(line.split(' ')));
        assert_eq!(check(Mode::Tcp, "0 127.0.0.1:1 -a lc --copy --connect-timeout 1s --log-requests"), Ok(()));
        assert_eq!(check(Mode::Http, "0 127.0.0.1:1 --mode http --retries 2 --limit 5/s"), Ok(()));
        for mode in [Mode::Tcp, Mode::Http] {
            assert_eq!(check(mode, "0 127.0.0.1:1 --accept-proxy 127.0.0.1 --prelude-timeout 1s"), Ok(()));
        }
        for (mode, line, option) in [
            (Mode::Tcp, "--sticky --retries 2", "--sticky needs --mode http"),
            (Mode::Tcp, "--retries 2", "--retries needs --mode http"),
            (Mode::Tcp, "--limit 5/s", "--limit needs --mode http"),
            (Mode::Tcp, "--idle-timeout 5s", "--idle-timeout needs --mode http"),
            (Mode::Tcp, "--access-log - --slow 5s", "--slow needs --mode http"),
            (Mode::Tcp, "--access-log - --access-log-redact-query", "--access-log-redact-query needs --mode http"),
            (Mode::Http, "--mode http --copy --session-timeout 1s", "--session-timeout needs --mode tcp"),
            (
                Mode::Http,
                "--mode http --send-proxy v1",
                "--send-proxy needs --mode tcp: in http mode a connection to a",
            ),
        ] {
            let error = check(mode, line).unwrap_err();
            assert!(error.starts_with(option), "{error}");
        }
    }

    #[test]
    fn every_name_is_that_of_an_option() {
        let command = Args::command();
        for id in ONLY_TCP.iter().chain(WITHOUT_REQUESTS) {
            assert!(command.get_arguments().any(|argument| argument.get_id() == id), "{id}");
        }
    }
}
